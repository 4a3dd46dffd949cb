"""What commands cost beside the work: their start, a finished study once more, a sweep around its runs."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fbgd.programs import PROGRAMS
from fbgd.studies.benchmark.ratio import Ratio

HELP, LISTING, AGAIN, SWEEP = 1.5, 3.0, 5.0, 1.3
IMPORTS = ("-c", "import torch, pandas")
EMPTY = ("-c", "pass")
SIZES = ("data.source.train=1000", "data.source.test=500", "data.validation_size=200", "regime.block_size=50")


def of_fbgd(*words: str) -> tuple[str, ...]:
    """A command, for Python."""
    return ("-m", "fbgd.commands.main", *words)


def processor_seconds(words: Sequence[str], repeats: int, folder: Path | None = None) -> float:
    """Least processor time of Python with these words, its children's with it.

    Other than the time on the wall it hardly depends on what else the machine does.

    Args:
        words: what follows ``python``.
        repeats: so often.
        folder: where it runs; the current one by default.
    """

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    best = []
    for _ in range(repeats):
        before = spent()
        subprocess.run([sys.executable, *words], check=True, capture_output=True, cwd=folder, env=environment())
        best.append(spent() - before)
    return min(best)


def environment() -> dict[str, str]:
    """The process's own, in which this package is found from any folder."""
    paths = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def within(name: str, pair: tuple[float, float], seconds: float, note: str) -> Ratio:
    """A ratio of processor times of which the first is to stay below so many seconds."""
    own, bare = pair
    return Ratio(name, own / bare, f"{seconds:g} s at most", own <= seconds, f"processor time: {note}", pair)


def longest_help(quick: bool) -> Ratio:
    """The slowest ``--help`` of all commands, over Python itself."""
    names = ["train", "ladder"] if quick else list(PROGRAMS)
    times = {name: processor_seconds(of_fbgd(name, "--help"), 1 if quick else 3) for name in names}
    slowest = max(times, key=lambda name: times[name])
    pair = (times[slowest], processor_seconds(EMPTY, 3))
    return within("slowest --help / empty Python", pair, HELP, f"fbgd {slowest} --help, of {len(names)} commands")


def longest_listing(quick: bool) -> Ratio:
    """The slower ``--list`` of the ladder and the optimizers, over the imports that it cannot do without."""
    names = ["ladder"] if quick else ["ladder", "optimizers"]
    times = {name: processor_seconds(of_fbgd(name, "--list"), 1 if quick else 3) for name in names}
    slowest = max(times, key=lambda name: times[name])
    pair = (times[slowest], processor_seconds(IMPORTS, 1 if quick else 3))
    return within("--list / import torch, pandas", pair, LISTING, f"fbgd {slowest} --list")


def finished_again(quick: bool) -> Ratio:
    """The ladder of which every run is there, page and figures made anew, over the imports."""
    only = ("--only", "Baseline", "--seeds", "1") if quick else ()
    with TemporaryDirectory() as name:
        words = of_fbgd("ladder", "--quick", *only, "--out", name)
        processor_seconds(words, 1)
        pair = (processor_seconds(words, 1 if quick else 3), processor_seconds(IMPORTS, 1 if quick else 3))
    return within("finished ladder / import torch, pandas", pair, AGAIN, "fbgd ladder once more, with its two figures")


def sweep_and_its_runs(quick: bool) -> Ratio:
    """A sweep of five rates and three seeds on the wall, over the seconds of its runs shared among its two workers."""
    passes, seeds, rates = (1, "0", "0.1,0.3") if quick else (60, "0,1,2", "0.01,0.03,0.1,0.2,0.3")
    words = of_fbgd("sweep", f"optimizer.lr={rates}", f"seed={seeds}", f"budget.passes={passes}", *SIZES)
    with TemporaryDirectory() as name:
        start = time.perf_counter()
        subprocess.run([sys.executable, *words, "--workers", "2", "--out", name], check=True, capture_output=True,
                       env=environment())  # fmt: skip
        wall = time.perf_counter() - start
        runs = [json.loads(path.read_text())["seconds"] for path in Path(name).glob("runs/*/summary.json")]
    own = sum(runs) / 2
    note = f"{len(runs)} runs of {own / len(runs) * 2:.1f} s on two workers, with start-up, page and figures"
    return Ratio("sweep / its runs' own time", wall / own, f"<= {SWEEP:g}", wall / own <= SWEEP, note, (wall, own))
