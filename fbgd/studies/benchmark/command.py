"""Speed of the engine, as ratios measured side by side in one process: absolute times say nothing across machines.

    python scripts/benchmark.py                   about three minutes on 2 cores
    python scripts/benchmark.py --json FILE       the same, and all numbers in a file
    python scripts/benchmark.py --quick           tiny sizes, to see that everything runs; its ratios mean nothing
    python scripts/benchmark.py --ranks 2         instead, a step on 2 processes, and by its costs on up to 64

The two sides of a ratio are timed in turns, and the best time of either side counts. Run it on an idle machine.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fbgd.errors import ConfigError
from fbgd.programs import make_parser
from fbgd.report.plots import UNDATED, save
from fbgd.runs.directory import write_atomically
from fbgd.runs.provenance import environment
from fbgd.studies.benchmark.gradients import cost_of_penalty, mixed_precision, overhead_of_one, vectorised_penalty
from fbgd.studies.benchmark.loops import language_step, optimizer_step, seeds_together, tiny_step
from fbgd.studies.benchmark.ranks import measured_on, two_ranks
from fbgd.studies.benchmark.ranks_page import as_markdown, content, draw, rows
from fbgd.studies.benchmark.ratio import Ratio
from fbgd.studies.benchmark.scaling import linear_in_samples, memory_in_samples
from fbgd.studies.command import reported
from optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop


def measurements(quick: bool) -> list[Callable[[], Ratio]]:
    """All ratios, in the order of the table."""
    optimizers_and_options: tuple[tuple[type[torch.optim.Optimizer], dict], ...] = (
        (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
        (Adam, {}),
        (AdamW, {}),
        (RMSprop, {"momentum": 0.9, "centered": True}),
        (Adagrad, {}),
        (Adadelta, {}),
    )
    return [
        lambda: vectorised_penalty(quick),
        lambda: overhead_of_one(quick),
        lambda: cost_of_penalty(quick, 1),
        lambda: cost_of_penalty(quick, 64),
        lambda: mixed_precision(quick),
        *(lambda c=own, o=options: optimizer_step(quick, c, o) for own, options in optimizers_and_options),
        lambda: tiny_step(quick),
        lambda: language_step(quick),
        *(lambda h=h, wanted=wanted: seeds_together(quick, h, wanted) for h, wanted in ((2, 2), (47, 1.8), (300, 1))),
        lambda: linear_in_samples(quick),
        lambda: memory_in_samples(quick),
        lambda: two_ranks(quick),
    ]


def show(ratios: list[Ratio]) -> None:
    """Print the ratios as a table."""
    table = Table(title=f"{torch.get_num_threads()} threads, torch {torch.__version__}", title_justify="left")
    for name in ("ratio", "measured", "wanted", "seconds or bytes", "what was compared"):
        table.add_column(name, no_wrap=name != "what was compared")
    for ratio in ratios:
        style = None if ratio.met else "yellow"
        sides = " / ".join(f"{side:.4g}" for side in ratio.seconds)
        missed = "" if ratio.met else " (missed)"
        table.add_row(ratio.name, f"{ratio.value:.2f}{missed}", ratio.wanted, sides, ratio.note, style=style)
    console = Console()
    if not console.is_terminal:
        console.width = 180
    console.print(table)


def scale(ranks: int, quick: bool, file: Path | None, figure: Path | None) -> int:
    """Measure a step on ``ranks`` processes, project it to more, print the table, and write what is asked for.

    Raises:
        ConfigError: a number or an ending is outside its range.
    """
    if ranks < 2:
        raise ConfigError(f"--ranks {ranks} is outside the valid range: 2 or more")
    if figure is not None and figure.suffix not in UNDATED:
        raise ConfigError(f"--figure {figure} does not end in one of {', '.join(UNDATED)}")
    measured = measured_on(ranks, quick)
    print(as_markdown(rows(measured)), end="")
    if file is not None:
        write_atomically(file, json.dumps({**content(measured), **environment()}, indent=2) + "\n")
    if figure is not None:
        save(draw(measured), figure)
    return 0


def main(words: list[str] | None = None, prog: str | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    parser = make_parser(__doc__, prog)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to FILE")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; ratios mean nothing")
    parser.add_argument("--ranks", type=int, metavar="N", help="measure a step on N processes of one thread instead")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="with --ranks: draw it, as .png, .pdf or .svg")
    arguments = parser.parse_args(words)
    torch.manual_seed(0)
    if arguments.ranks is not None:
        return reported(lambda: scale(arguments.ranks, arguments.quick, arguments.json, arguments.figure))
    every = measurements(arguments.quick)
    console = Console(stderr=True)
    ratios = [measure() for measure in track(every, "measuring", console=console, disable=not sys.stderr.isatty())]
    show(ratios)
    if arguments.json:
        content = {"ratios": [asdict(ratio) for ratio in ratios], "threads": torch.get_num_threads(), **environment()}
        write_atomically(arguments.json, json.dumps(content, indent=2) + "\n")
    return 0
