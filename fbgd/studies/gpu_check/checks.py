"""All checks in their order, and what is said of them."""

import argparse
import sys
import time
from collections.abc import Callable

import torch
from rich.console import Console

from fbgd.config.arithmetic import find_device
from fbgd.errors import ConfigError, one_line
from fbgd.runs.provenance import environment
from fbgd.studies.execution import check_folder
from fbgd.studies.geiping_ladder import rungs
from fbgd.studies.gpu_check.check import Check, attempted
from fbgd.studies.gpu_check.ladder import DATA, ladder_of, short_ladder
from fbgd.studies.gpu_check.page import page, write
from fbgd.studies.gpu_check.parity import cases, parity
from fbgd.studies.gpu_check.projection import projection
from fbgd.studies.gpu_check.resume import SETTINGS, resume
from fbgd.studies.gpu_check.throughput import MODES, QUICK, Sizes, throughput

# The ladder of --quick: next to nothing, but for a whole block of every rung.
QUICK_WORDS = ("model=resnet", "model.depth=8", "model.width=4", "impl.threads=1")
QUICK_SHARE, QUICK_SIZE = "0.002", 130
LEAST_MINUTES = 1


def check(arguments: argparse.Namespace) -> int:
    """Make the checks that the command line asks for, print and write them; returns the exit status."""
    if arguments.list:
        print("\n".join(listed(arguments)))
        return 0
    try:
        device = checked(arguments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    sections, seconds = measured(arguments, device)
    about = {"words": " ".join(arguments.data), "quick": arguments.quick, "seconds": round(seconds), **environment()}
    if device.type == "cuda":
        about |= {"GPUs visible": torch.cuda.device_count(), "cuda": torch.version.cuda}
    Console().print(page(name, about, sections), markup=False, highlight=False)
    try:
        paths = write(arguments.out, f"{name}{' quick' * arguments.quick}", about, sections)
    except OSError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    print(f"Written to {', '.join(map(str, paths))}")
    bounded = [check for checks in sections.values() for check in checks if check.bound is not None]
    return int(not all(check.passed for check in bounded))


def listed(arguments: argparse.Namespace) -> list[str]:
    """What would be checked, a line each."""
    sizes = QUICK if arguments.quick else Sizes()
    blocks = " and ".join(map(str, sizes.blocks))
    return [
        *(f"parity with the CPU: {name}" for name, _ in cases(arguments.quick)),
        *SETTINGS,
        *(f"images a second, {mode}: blocks of {blocks}, plain and penalised" for mode in MODES),
        "projection: hours of the CIFAR-10 ladder",
        *(f"short ladder: {rung.name}" for rung in rungs(ladder_of(arguments.data or DATA))),
    ]


def checked(arguments: argparse.Namespace) -> torch.device:
    """The device.

    Raises:
        ConfigError: it is not there, the time is too short, or a word is no setting of the data.
    """
    if not arguments.minutes >= LEAST_MINUTES:
        raise ConfigError(f"--minutes {arguments.minutes:g} must be at least {LEAST_MINUTES}")
    if arguments.ladder_size is not None and arguments.ladder_size < 0:
        raise ConfigError(f"--ladder-size {arguments.ladder_size} must be at least 1, or 0 for all images that fit")
    for word in arguments.data:
        if not word.startswith(("data=", "data.")):
            raise ConfigError(f"{word!r} is no setting of the data: data=NAME or data.KEY=VALUE")
    check_folder(arguments.out)
    try:
        return find_device(arguments.device)
    except ConfigError as error:
        raise ConfigError(f"{error} (here: --device cpu --quick, to see that everything runs)") from None


def measured(arguments: argparse.Namespace, device: torch.device) -> tuple[dict[str, list[Check]], float]:
    """All checks by heading, and the seconds that they took."""
    start, quick, name = time.monotonic(), arguments.quick, arguments.device
    console = Console(stderr=True)
    sections: dict[str, list[Check]] = {}

    def ladder() -> list[Check]:
        data, size = arguments.data or DATA, arguments.ladder_size or 0
        if quick:
            return short_ladder(name, data, 0, size or QUICK_SIZE, QUICK_WORDS, QUICK_SHARE)
        left = 60 * arguments.minutes - (time.monotonic() - start)
        return short_ladder(name, data, left, size)

    steps: dict[str, Callable[[], list[Check]]] = {
        "Parity with the CPU": lambda: parity(name, quick),
        "Resumed runs": lambda: [*resume(name), *([] if quick else resume(name, "bf16"))],
        "Speed": lambda: throughput(device, QUICK if quick else Sizes()),
        "Projection": lambda: projection(sections["Speed"]),
        "A short ladder": ladder,
    }
    for heading, step in steps.items():
        console.print(f"{heading} ... ({time.monotonic() - start:.0f} s so far)", highlight=False)
        sections[heading] = attempted(heading, step)
        if device.type == "cuda":
            # The next part may be in another process, or need all of the memory.
            torch.cuda.empty_cache()
    return sections, time.monotonic() - start
