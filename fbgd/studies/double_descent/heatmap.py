"""Width x passes, test and train error as colours.

python scripts/double_descent.py heatmap
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import PlannedRun
from fbgd.studies.double_descent.crossfit import CROSS_FITTED
from fbgd.studies.double_descent.drawing import mark_map
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.settings import Point, Sizes
from fbgd.studies.double_descent.shape import EPSILON, find_heights, find_peak, threshold
from fbgd.studies.double_descent.tidy import evaluation_table
from fbgd.studies.double_descent.words import percent, place, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The summary shows the evaluations next to these shares of the budget.
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)


def choose(sizes: Sizes) -> list[Point]:
    """Every width at the first label noise: runs of the model-wise figure."""
    return [sizes.point(width) for width in sizes.widths]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row an evaluation."""
    return evaluation_table("heatmap", planned)


def summarise(table: pd.DataFrame) -> Summary:
    """Threshold and peak over width after some numbers of passes."""
    moments = np.array(sorted(table["passes"].unique()))
    chosen = dict.fromkeys(moments[np.abs(moments - share * moments[-1]).argmin()] for share in SHARES)
    numbers, rows = [], []
    for passes in chosen:
        part = table[table["passes"] == passes]
        found, heights, crossing = find_peak(part), find_heights(part), threshold(part)
        last = part[part["width"] == part["width"].max()]
        numbers.append(
            {
                "passes": passes,
                "threshold_width": crossing,
                "peak_width": found.peak if found else float("nan"),
                "rise": heights.rise.delta if heights else float("nan"),
                "last_error": last["test_error"].mean(),
            }
        )
        rows.append(
            {
                "passes": place(passes),
                "n": str(part["seed"].nunique()),
                "threshold width": place(crossing),
                "peak at width": place(found.peak) if found else "no peak",
                "rise to it (95 %)": points(heights.rise if heights else None),
                "fall after it (95 %)": points(found.fall if found else None),
                "largest width: test error %": percent(last["test_error"]),
            }
        )
    return Summary(pd.DataFrame(numbers), rows, 1, PARAGRAPHS, metric="")


PARAGRAPHS = [
    "A row for training stopped after so many passes. The peak over width is the one whose mean stands out the most. "
    f"{CROSS_FITTED} The threshold is the width whose train error is {100 * EPSILON:g} %.",
]


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Two maps, test and train error; a line where the train error is at the threshold."""
    figure, panels = make_figure((14, 5.5), 1, 2, sharey=True)
    for axes, column in zip(panels, ("test_error", "train_error"), strict=True):
        means = 100 * table.pivot_table(index="width", columns="passes", values=column)
        colours = axes.pcolormesh(means.columns, means.index, means, shading="nearest", cmap="rocket_r")
        figure.colorbar(colours, ax=axes, label=f"{column.replace('_', ' ')} (%)")
        mark_map(axes, table.pivot_table(index="width", columns="passes", values="train_error"), EPSILON)
        axes.set(xlabel="passes over the training set", ylabel="width")
    noise = table["label_noise"].iloc[0]
    figure.suptitle(
        f"{title}, label noise {noise:g}: mean over seeds; the line is a train error of {100 * EPSILON:g} %"
    )
    return figure


STUDY = descent(
    "heatmap",
    "Test error over width and passes",
    __doc__,
    choose,
    measure,
    measured(summarise),
    draw,
)
