"""Test error over passes for three sizes, on a logarithmic axis.

python scripts/double_descent.py epoch_wise
"""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import PlannedRun
from fbgd.studies.double_descent.crossfit import CROSS_FITTED
from fbgd.studies.double_descent.drawing import draw_band, passes_axis, width_colours
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.peaks import by_column, falls, rises
from fbgd.studies.double_descent.settings import Point, Sizes
from fbgd.studies.double_descent.shape import find_heights, find_peak
from fbgd.studies.double_descent.tidy import evaluation_table
from fbgd.studies.double_descent.words import percent, place, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def choose(sizes: Sizes) -> list[Point]:
    """Three widths at the first label noise."""
    return [sizes.point(width) for width in sizes.three_widths]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row an evaluation."""
    return evaluation_table("epoch_wise", planned)


def summarise(table: pd.DataFrame) -> Summary:
    """When the test error is lowest, when it peaks after that, and how far it comes down again."""
    numbers, rows = [], []
    for width, part in table.groupby("width", sort=True):
        found, heights = find_peak(part, along="passes"), find_heights(part, along="passes")
        means = part.groupby("passes")["test_error"].mean()
        last = part[part["passes"] == part["passes"].max()]

        def error_at(passes: float, part=part) -> str:
            return f"{percent(part.loc[part['passes'] == passes, 'test_error'])} at {place(passes)}"

        numbers.append(
            {
                "width": width,
                "lowest_passes": means.idxmin(),
                "lowest_error": means.min(),
                "peak_passes": found.peak if found else float("nan"),
                "rise": heights.rise.delta if heights else float("nan"),
                "fall": heights.fall.delta if heights else float("nan"),
                "last_error": last["test_error"].mean(),
            }
        )
        rows.append(
            {
                "width": str(width),
                "n": str(part["seed"].nunique()),
                "lowest: test error %, passes": error_at(means.idxmin()),
                "peak: test error %, passes": error_at(found.peak) if found else "no peak",
                "rise to the peak (95 %)": points(heights.rise if heights else None),
                "second descent (95 %)": points(found.fall if found else None),
                "end: test error %": error_at(part["passes"].max()),
                "end: train error %": percent(last["train_error"]),
            }
        )
    return Summary(pd.DataFrame(numbers), rows, 1, PARAGRAPHS, metric="")


PARAGRAPHS = [
    "Mean ± standard deviation over n seeds at evaluations whose distance grows with the passes. The peak is the "
    f"evaluation whose mean stands out the most above the lowest ones before and after it. {CROSS_FITTED}",
]


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Test and train error over passes, a colour a width."""
    figure, (test, train) = make_figure((13, 5), 1, 2)
    colours = width_colours(sorted(table["width"].unique()))
    for axes, column in ((test, "test_error"), (train, "train_error")):
        for width, part in table.groupby("width"):
            draw_band(axes, part, "passes", column, color=colours[width], label=f"width {width}")
        passes_axis(axes, table["passes"].max())
        axes.set_ylabel(f"{column.replace('_', ' ')} (%)")
    test.legend(fontsize="small")
    figure.suptitle(f"{title}, label noise {table['label_noise'].iloc[0]:g}: mean and range over seeds")
    return figure


WIDTHS = by_column("width", "width")
CLAIMS = (
    rises(WIDTHS, "Over the passes the test error rises from a first minimum to a peak.", along="passes"),
    falls(WIDTHS, "After it the test error falls again.", along="passes"),
)
STUDY = descent(
    "epoch_wise",
    "Epoch-wise double descent",
    __doc__,
    choose,
    measure,
    measured(summarise),
    draw,
    claims=CLAIMS,
)
