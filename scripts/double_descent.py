"""Deep double descent (Nakkiran et al. 2019), and whether it needs stochasticity: one figure a call.

    python scripts/double_descent.py model_wise             MNIST-1D, the MLP of its notebook, 5 seeds
    python scripts/double_descent.py model_wise --model strided_cnn
    python scripts/double_descent.py stochasticity --seeds 5
    python scripts/double_descent.py model_wise data=cifar10 --model cnn5 --list     the published settings, for a GPU
    python scripts/double_descent.py sample_wise --quick    under a minute, to see that everything runs

FIGURE is one of

{figures}

Figures share their runs: heatmap and epoch_wise need no run that model_wise has not made, and a finished run is never
computed again. Results go to results/double_descent/<figure>_<data>_<model>/: table.md, table.csv (a row a run, or an
evaluation), runs.csv and figure.png. Words like optimizer.lr=0.02 change all runs, and get a folder of their own.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from fbgd.errors import ConfigError, nearest
from fbgd.runs.plan import collect
from fbgd.studies.cli import count_workers, default_out, print_rungs, refuse, science_words, split_data, study_parser
from fbgd.studies.double_descent import (
    emc,
    epoch_wise,
    heatmap,
    model_wise,
    random_feature_figure,
    regularisation,
    sample_wise,
    stochasticity,
    translation,
)
from fbgd.studies.double_descent.presets import PRESETS, TRANSLATION
from fbgd.studies.double_descent.random_feature_study import MODEL
from fbgd.studies.double_descent.settings import Sizes
from fbgd.studies.double_descent.study import Study, write
from fbgd.studies.script import quick_words

FIGURES = {
    figure.NAME: figure
    for figure in (model_wise, epoch_wise, sample_wise, heatmap, emc, regularisation, stochasticity, translation)
}
HELD = ("model.width", "data.label_noise=", "data.train_size", "model=")


def quick(sizes: Sizes, data: str) -> Sizes:
    """The sizes of ``--quick``: few widths and passes on next to nothing."""
    held = ("model=", "model.", "data.train_size")
    tiny = [word for word in quick_words(data) if not word.startswith(held)]
    procedures = [
        replace(
            procedure, words=(*procedure.words, "budget.passes=4", "regime.block_size=12", "impl.blocks_per_call=1")
        )
        for procedure in (sizes.standard, *sizes.procedures)
    ]
    return replace(
        sizes,
        words=(*sizes.words, *tiny, "data.validation_size=0"),
        standard=procedures[0],
        procedures=tuple(procedures[1:]),
        widths=(2, 4, 8),
        few_widths=(2, 4, 8),
        three_widths=(2, 4, 8),
        label_noises=sizes.label_noises[:2],
        train_size=48,
        train_sizes=(24, 48),
        smallest=12,
        weight_decays=sizes.weight_decays[:1],
        seeds=2,
    )


def quick_translation(sizes: Sizes) -> Sizes:
    """The sizes of ``--quick`` for sentence pairs."""
    words = (*sizes.words, "model.layers=1", "data.source.max_tokens=12", "data.source.vocabulary=300")
    return replace(
        sizes, words=words, widths=(8, 16), train_size=48, train_sizes=(24, 48), steps=6, warmup_steps=2, block_size=12,
        seeds=2,
    )  # fmt: skip


def presets_of(figure) -> dict[str, dict[str, Sizes]]:
    """A figure's presets by data set and model, the usual data set first."""
    return TRANSLATION if figure is translation else PRESETS


def find_sizes(figure, data: str, model: str | None) -> tuple[str, Sizes]:
    """The model's name, the data set's usual one by default, and the sizes.

    Raises:
        ConfigError: there is no such preset, with the nearest.
    """
    presets = presets_of(figure)
    if data not in presets:
        raise ConfigError(f"data={data}: {figure.NAME} has no preset for it; {nearest(data, presets)}")
    models = presets[data]
    name = model or next(iter(models))
    if name not in models:
        raise ConfigError(f"--model {name}: {figure.NAME} has no such preset for data={data}; {nearest(name, models)}")
    return name, models[name]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    figures = {figure.NAME: figure.HELP for figure in (random_feature_figure, *FIGURES.values())}
    told = "\n".join(f"    {name:<18} {about}" for name, about in figures.items())
    made = study_parser(__doc__.format(figures=told), seeds=None, figures=figures)
    made.add_argument("--model", metavar="NAME", help="another model than the data set's usual one")
    return made


def folder_of(figure: str, data: str, model: str, arguments: argparse.Namespace, overrides: list[str]) -> Path:
    """Where a figure goes."""
    return arguments.out or default_out("double_descent", f"{figure}_{data}_{model}", "", arguments.quick, overrides)


def title_of(figure, data: str, model: str, arguments: argparse.Namespace, overrides: list[str]) -> str:
    """The title of page and figure."""
    notes = (arguments.quick and "quick", science_words(overrides) and "changed settings")
    return ", ".join([figure.TITLE, data, model, *filter(None, notes)])


def closed_form(arguments: argparse.Namespace) -> int:
    """Random-feature regression, which trains nothing."""
    figure = random_feature_figure
    data, overrides = split_data(arguments.overrides, default="digits")
    if data not in figure.PRESETS:
        raise ConfigError(f"data={data}: {figure.NAME} has no preset for it; {nearest(data, figure.PRESETS)}")
    refuse(overrides, ("data.label_noise=",), "this figure sets it itself")
    if arguments.model or arguments.only:
        raise ConfigError(f"{figure.NAME} trains no networks: --model and --only do not apply")
    words = [*figure.PRESETS[data], *(figure.QUICK if arguments.quick else ()), *overrides]
    if arguments.list:
        print(f"label noise {', '.join(f'{noise:g}' for noise in figure.LABEL_NOISES)}: {' '.join(words)}")
        return 0
    table = figure.tabulate(words, figure.SEEDS if arguments.seeds is None else arguments.seeds)
    where = folder_of(figure.NAME, data, MODEL, arguments, overrides)
    title = title_of(figure, data, MODEL, arguments, overrides)
    return 0 if write(where, title, table, None, figure.summarise, figure.draw) else 1


def trained(figure, arguments: argparse.Namespace) -> int:
    """A figure of trained networks."""
    data, overrides = split_data(arguments.overrides, default=next(iter(presets_of(figure))))
    refuse(overrides, (*HELD, *getattr(figure, "HELD", ())), "this figure sets it itself; the model with --model")
    model, sizes = find_sizes(figure, data, arguments.model)
    if arguments.quick:
        sizes = quick_translation(sizes) if figure is translation else quick(sizes, data)
    if arguments.list:
        print_rungs([point.rung(sizes.words) for point in dict.fromkeys(figure.choose(sizes))])
        return 0
    where = folder_of(figure.NAME, data, model, arguments, overrides)
    seeds = sizes.seeds if arguments.seeds is None else arguments.seeds
    pool = where if arguments.out else where.parent
    study = Study(sizes, seeds, overrides, pool, count_workers(arguments), arguments.only)
    planned = figure.run(study)
    summarise = figure.summarise
    if figure is model_wise:
        summarise = partial(summarise, references=sizes.references)
    title = title_of(figure, data, model, arguments, overrides)
    succeeded = write(where, title, figure.tabulate(planned), collect(planned), summarise, figure.draw)
    return 0 if study.finished and succeeded else 1


def main(words: list[str] | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    arguments = parser().parse_intermixed_args(words)
    try:
        if arguments.figure == random_feature_figure.NAME:
            return closed_form(arguments)
        return trained(FIGURES[arguments.figure], arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
