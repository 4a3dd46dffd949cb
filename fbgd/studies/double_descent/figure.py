"""What the studies of double descent share: presets by data set and model, tiny sizes, one figure of one tidy table."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.errors import ConfigError, nearest
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary
from fbgd.runs.plan import PlannedRun, Rung
from fbgd.studies.catalogue import MODEL
from fbgd.studies.double_descent.presets import MODELS, PRESETS
from fbgd.studies.double_descent.settings import Point, Sizes
from fbgd.studies.presets import quick_words
from fbgd.studies.study import Option, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELD = ("model.width", "data.label_noise=", "data.train_size", "model=")


def descent(
    name: str,
    title: str,
    about: str,
    choose: Callable[[Sizes], Sequence[Point]],
    measure: Callable[[list[PlannedRun]], pd.DataFrame],
    summarise: Callable[[Evidence], Summary],
    draw: "Callable[[pd.DataFrame, str], Figure]",
    *,
    models: dict[str, dict[str, Sizes]] = MODELS,
    presets: dict[str, Sizes] = PRESETS,
    held: tuple[str, ...] = (),
    further: tuple[Option, ...] = (),
    **options,
) -> Study:
    """A study of the family ``double_descent``.

    Args:
        name, title, about: of the study.
        choose: sizes to the points that are run.
        measure: planned runs to the tidy table.
        summarise: the evidence to the page's table.
        draw: the tidy table and the title to the figure.
        models: sizes by data set and model.
        presets: the usual model of every data set.
        held: what the study sets itself beside :data:`HELD`.
        further: options of its command line beside ``--model``.
        options: further fields of :class:`fbgd.studies.study.Study`.
    """

    def rungs(sizes: Sizes) -> list[Rung]:
        return [point.rung(sizes.words) for point in dict.fromkeys(choose(sizes))]

    def chosen(data: str, sizes: Sizes, model: str | None) -> Sizes:
        if model is not None and model not in models[data]:
            raise ConfigError(f"--model {model}: {name} has no such preset for data={data}; "
                              f"{nearest(model, models[data])}")  # fmt: skip
        return sizes if model is None else models[data][model]

    return Study(
        **{
            "name": name,
            "family": "double_descent",
            "title": title,
            "about": about,
            "presets": presets,
            "rungs": rungs,
            "quick": quick,
            "held": (*HELD, *held),
            "options": (Option(*MODEL, chosen), *further),
            "measure": measure,
            "summarise": summarise,
            "figures": {"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
            **options,
        }
    )


def quick(sizes: Sizes, data: str) -> Sizes:
    """The sizes of ``--quick``: few widths and passes on next to nothing."""
    kept = ("model=", "model.", "data.train_size")
    tiny = [word for word in quick_words(data) if not word.startswith(kept)]
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
