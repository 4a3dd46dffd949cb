"""Test error over width, for each label noise; early stopping; the interpolation threshold.

python scripts/double_descent.py model_wise
python scripts/double_descent.py model_wise --draws fresh --seeds 10     each seed on data of its own
"""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import PlannedRun, collect
from fbgd.studies.double_descent.crossfit import CROSS_FITTED
from fbgd.studies.double_descent.drawing import error_axes, mark_threshold, plain_numbers, plain_ticks
from fbgd.studies.double_descent.draws import OPTION, Draws
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.peaks import by_column, falls, flat, rises
from fbgd.studies.double_descent.settings import Point, Reference, Sizes
from fbgd.studies.double_descent.shape import EPSILON, find_heights, find_peak, threshold
from fbgd.studies.double_descent.tidy import KEYS, early_stopped, evaluation_table, run_table
from fbgd.studies.double_descent.words import percent, place, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def choose(sizes: Sizes) -> list[Point]:
    """Every width at every label noise."""
    return [sizes.point(width, noise) for noise in sizes.label_noises for width in sizes.widths]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a run, with what ideal early stopping would have kept."""
    table = run_table("model_wise", collect(planned))
    return table.merge(early_stopped(evaluation_table("model_wise", planned)), on=KEYS, validate="one_to_one")


def told(evidence: Evidence) -> Summary:
    """The summary, with the published curves of ``study.json``."""
    references = tuple(Reference(**entry) for entry in evidence.description.published)
    return measured(lambda table: summarise(table, references))(evidence)


def summarise(table: pd.DataFrame, references: tuple[Reference, ...] = ()) -> Summary:
    """First minimum, peak, second descent and interpolation threshold for every label noise.

    Args:
        table: a row a run.
        references: curves of the literature, shown in rows of their own.
    """
    numbers, rows = [], []
    largest = table["width"].max()
    for noise, part in table.groupby("label_noise", sort=False):
        found, crossing = find_peak(part), threshold(part)
        heights, stopped = find_heights(part), find_heights(part, "best_test_error")

        def error_at(width: float, part=part) -> str:
            return f"{percent(part.loc[part['width'] == width, 'test_error'])} at {width:g}"

        numbers.append(
            {
                "label_noise": noise,
                "seeds": part["seed"].nunique(),
                "threshold_width": crossing,
                "minimum_width": found.minimum if found else math.nan,
                "peak_width": found.peak if found else math.nan,
                "rise": heights.rise.delta if heights else math.nan,
                "last_error": part.loc[part["width"] == largest, "test_error"].mean(),
            }
        )
        rows.append(
            {
                "label noise": f"{noise:g}",
                "n": str(part["seed"].nunique()),
                "threshold": place(crossing),
                "first minimum": error_at(found.minimum) if found else "none",
                "peak": error_at(found.peak) if found else "none",
                "rise (95 %)": points(heights.rise if heights else None),
                "fall (95 %)": points(found.fall if found else None),
                "largest": error_at(largest),
                "stopped early: rise (95 %)": points(stopped.rise if stopped else None),
            }
        )
        for reference in references:
            if reference.label_noise == noise:
                rows.append(literature(reference))
    sources = "; ".join(dict.fromkeys(reference.source for reference in references))
    notes = [PARAGRAPH, *([f"Published: {sources}."] if sources else [])]
    return Summary(pd.DataFrame(numbers), rows, 1, notes, "test_error")


def literature(reference: Reference) -> dict[str, str]:
    """A published curve as a row."""

    def text(landmark: tuple[int, float] | None) -> str:
        return f"{100 * landmark[1]:.2f} at {landmark[0]}" if landmark else "none"

    def height(lower: tuple[int, float] | None) -> str:
        return f"{100 * (reference.peak[1] - lower[1]):+.2f}" if reference.peak and lower else UNKNOWN

    return {
        "label noise": f"{reference.label_noise:g}, published",
        "n": str(reference.seeds),
        "threshold": UNKNOWN,
        "first minimum": text(reference.minimum),
        "peak": text(reference.peak),
        "rise (95 %)": height(reference.minimum),
        "fall (95 %)": height(reference.largest),
        "largest": text(reference.largest),
        "stopped early: rise (95 %)": UNKNOWN,
    }


PARAGRAPH = (
    "Test errors in percent at the end of training, and the widths they belong to: mean ± standard deviation over n "
    f"seeds. The threshold is the width whose mean train error is {100 * EPSILON:g} %, interpolated. The peak is the "
    f"width whose mean stands out the most above the lowest ones on both of its sides. {CROSS_FITTED} Stopped early: "
    "each run at its lowest test error, a bound on what stopping early can do."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Errors above, test loss below, a column for each label noise."""
    import seaborn as sns

    noises = list(dict.fromkeys(table["label_noise"]))
    figure, panels = make_figure((6.2 * len(noises), 8), 2, len(noises), sharex=True, sharey="row")
    for index, noise in enumerate(noises):
        part = table[table["label_noise"] == noise]
        errors, losses = panels[index], panels[len(noises) + index]
        curves = {"train": "train_error", "test": "test_error", "test, stopped early": "best_test_error"}
        error_axes(errors, part, "width", curves, legend=index == 0)
        errors.set_title(f"label noise {noise:g}")
        sns.lineplot(part, x="width", y="test_loss", color="C3", errorbar=("pi", 100), marker="o", ax=losses)
        losses.set(xscale="log", yscale="log", xlabel="width", ylabel="test loss")
        plain_ticks(losses, sorted(part["width"].unique()))
        plain_numbers(losses.yaxis)
        for axes in (errors, losses):
            mark_threshold(axes, threshold(part))
    figure.suptitle(f"{title}: mean and range over seeds; dotted, where the train error crosses {100 * EPSILON:g} %")
    return figure


NOISES = by_column("label_noise", "label noise")
CLAIMS = (
    rises(NOISES, "Over the width the test error rises from a first minimum to a peak."),
    falls(NOISES, "Beyond the peak it falls again."),
    flat(
        NOISES,
        "Stopped at its lowest test error, what is left of the peak rises by less than a point.",
        value="best_test_error",
    ),
)
STUDY = descent(
    "model_wise",
    "Model-wise double descent",
    __doc__,
    choose,
    measure,
    told,
    draw,
    further=(OPTION,),
    execute=Draws(),
    published=lambda sizes: [asdict(reference) for reference in sizes.references],
    claims=CLAIMS,
)
