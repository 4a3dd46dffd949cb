"""What weight decay is: a prior, and a partner of the training dynamics. One figure a call.

    python scripts/weight_decay.py map                  digits, 5 seeds, 5 minutes
    python scripts/weight_decay.py map data=mnist1d     a linear model cannot fit the labels of many samples
    python scripts/weight_decay.py overparameterised    MNIST-1D, a ResNet that fits every label, 5 seeds, 10 minutes
    python scripts/weight_decay.py schedule             a small GPT on Python's own source, one pass, 3 seeds
    python scripts/weight_decay.py map --quick          under a minute, to see that everything runs
    python scripts/weight_decay.py map --list           every setting

What to expect: L2 and the Gaussian prior end at one minimiser to the last digits, AdamW's decay nowhere near it; the
prior is worth points for the MLP, less for the linear model. In the ResNet decay keeps SGD's training loss off zero,
and the test error over learning rate and decay goes with their product.

FIGURE is one of

{figures}

Figures share their runs, and a finished run is never computed again. Results go to results/weight_decay/<figure>/, for
another data set than the usual one to <figure>_<data>/: table.md, table.csv, runs.csv and figure.png. Words like
data.source.seed=1 change all runs, and get a folder of their own.
"""

import argparse
import sys
from pathlib import Path

from fbgd.errors import ConfigError, nearest
from fbgd.runs.plan import collect
from fbgd.studies.cli import count_workers, default_out, print_rungs, refuse, science_words, split_data, study_parser
from fbgd.studies.double_descent.study import Study, write
from fbgd.studies.weight_decay import map_solution, overparameterised, schedule

# A figure is a module with NAME, TITLE, HELP, HELD (the words that it sets itself), PRESETS (sizes by data set, the
# usual one first; they have ``words`` and ``seeds``), quick, choose, run, tabulate, summarise and draw.
FIGURES = {
    figure.NAME: figure
    for figure in (
        map_solution,
        schedule,
        overparameterised,
    )
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The command line."""
    figures = {name: figure.HELP for name, figure in FIGURES.items()}
    told = "\n".join(f"    {name:<18} {about}" for name, about in figures.items())
    return study_parser(__doc__.format(figures=told), seeds=None, figures=figures)


def folder_of(figure, data: str, arguments: argparse.Namespace, overrides: list[str]) -> Path:
    """Where a figure goes."""
    name = figure.NAME if data == next(iter(figure.PRESETS)) else f"{figure.NAME}_{data}"
    return arguments.out or default_out("weight_decay", name, "", arguments.quick, overrides)


def title_of(figure, data: str, arguments: argparse.Namespace, overrides: list[str]) -> str:
    """The title of page and figure."""
    notes = (arguments.quick and "quick", science_words(overrides) and "changed settings")
    return ", ".join([figure.TITLE, data, *filter(None, notes)])


def execute(figure, arguments: argparse.Namespace) -> int:
    """Plan, run and write a figure; returns the exit status."""
    data, overrides = split_data(arguments.overrides, default=next(iter(figure.PRESETS)))
    refuse(overrides, figure.HELD, "this study sets it itself")
    if data not in figure.PRESETS:
        raise ConfigError(f"data={data}: {figure.NAME} has no preset for it; {nearest(data, figure.PRESETS)}")
    sizes = figure.PRESETS[data]
    if arguments.quick:
        sizes = figure.quick(sizes, data)
    if arguments.list:
        print_rungs([point.rung(sizes.words) for point in dict.fromkeys(figure.choose(sizes))])
        return 0
    where = folder_of(figure, data, arguments, overrides)
    seeds = sizes.seeds if arguments.seeds is None else arguments.seeds
    pool = where if arguments.out else where.parent
    study = Study(sizes, seeds, overrides, pool, count_workers(arguments), arguments.only)
    planned = figure.run(study)
    title = title_of(figure, data, arguments, overrides)
    succeeded = write(where, title, figure.tabulate(planned), collect(planned), figure.summarise, figure.draw)
    return 0 if study.finished and succeeded else 1


def main(words: list[str] | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    arguments = parser().parse_intermixed_args(words)
    try:
        return execute(FIGURES[arguments.figure], arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
