"""All ratios: what is measured, in which order, and the table of it."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fbgd.runs.directory import write_atomically
from fbgd.runs.provenance import environment
from fbgd.studies.benchmark.gradients import cost_of_penalty, mixed_precision, overhead_of_one, vectorised_penalty
from fbgd.studies.benchmark.loops import language_step, optimizer_step, seeds_together, tiny_step
from fbgd.studies.benchmark.ranks import two_ranks
from fbgd.studies.benchmark.ratio import Ratio
from fbgd.studies.benchmark.scaling import linear_in_samples, memory_in_samples
from fbgd.studies.benchmark.start import finished_again, longest_help, longest_listing, sweep_and_its_runs
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
        lambda: longest_help(quick),
        lambda: longest_listing(quick),
        lambda: finished_again(quick),
        lambda: sweep_and_its_runs(quick),
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


def measure_all(quick: bool, file: Path | None) -> None:
    """Measure every ratio and print the table.

    Args:
        quick: tiny sizes.
        file: where all numbers go as well.
    """
    torch.manual_seed(0)
    every = measurements(quick)
    console = Console(stderr=True)
    ratios = [measure() for measure in track(every, "measuring", console=console, disable=not sys.stderr.isatty())]
    show(ratios)
    if file:
        content = {"ratios": [asdict(ratio) for ratio in ratios], "threads": torch.get_num_threads(), **environment()}
        write_atomically(file, json.dumps(content, indent=2) + "\n")
