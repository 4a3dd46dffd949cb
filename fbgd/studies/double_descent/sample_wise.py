"""Samples x width, with the band of widths where more data do not help.

python scripts/double_descent.py sample_wise
"""

import itertools
import math
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.claims import Claim, Estimate, lower, of_difference
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.report.statistics import BY_RULE, Difference
from fbgd.runs.plan import PlannedRun, collect
from fbgd.studies.double_descent.crossfit import CROSS_FITTED
from fbgd.studies.double_descent.drawing import draw_band, mark_threshold, plain_ticks, width_colours
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.settings import Point, Sizes
from fbgd.studies.double_descent.shape import EPSILON, by_seed, find_peak, threshold
from fbgd.studies.double_descent.simultaneous import certain, simultaneous
from fbgd.studies.double_descent.tidy import run_table
from fbgd.studies.double_descent.words import percent, place, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def choose(sizes: Sizes) -> list[Point]:
    """Every number of samples, nested subsets of one training set, at some widths."""
    return [sizes.point(width, train_size=samples) for samples in sizes.train_sizes for width in sizes.few_widths]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a run."""
    return run_table("sample_wise", collect(planned))


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """For every width, the test error at each number of samples minus that at the next larger one.

    The intervals hold for all pairs together; ``helps`` says whether more data certainly help: p below 0.05 after Holm.
    """
    sizes = sorted(table["train_size"].unique())
    pairs = {
        (width, fewer, more): (
            by_seed(part, "train_size", fewer, "test_error"),
            by_seed(part, "train_size", more, "test_error"),
        )
        for width, part in table.groupby("width")
        for fewer, more in itertools.pairwise(sizes)
    }
    rows = [
        {
            "width": width,
            "fewer": fewer,
            "more": more,
            **gain._asdict(),
            "helps": certain(gain) and gain.delta > 0,
        }
        for (width, fewer, more), gain in simultaneous(pairs).items()
    ]
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> Summary:
    """The errors, a row a width, and the enlargement of the training set that brought the least."""
    sizes, found = sorted(table["train_size"].unique()), gains(table)
    numbers, rows = [], []
    for width, part in table.groupby("width"):
        row = {"width": str(width), "n": str(part["seed"].nunique())}
        for size in sizes:
            row[f"{size}: test error %"] = percent(by_seed(part, "train_size", size, "test_error"))
        mine = found[found["width"] == width] if len(found) else found
        helped = int(mine["helps"].sum()) if len(mine) else 0
        row["smallest gain (95 %, all together)"] = row["between"] = UNKNOWN
        row["certain gains"] = f"{helped} of {len(mine)}"
        if len(mine):
            least = mine.loc[mine["delta"].idxmin()]
            row["smallest gain (95 %, all together)"] = points(Difference(*least[list(Difference._fields)]))
            row["between"] = f"{least['fewer']} and {least['more']}"
        rows.append(row)
        numbers.append({"width": width, "helped": helped, "steps": len(mine)})
    peaks = []
    for size in sizes:
        part = table[table["train_size"] == size]
        peak = find_peak(part)
        where = f"peak at width {place(peak.peak)}, rise {points(peak.rise)}" if peak else "no peak in the mean"
        crossing = threshold(part)
        reached = f"at width {place(crossing)}" if not math.isnan(crossing) else "not crossed"
        peaks.append(f"{size} samples: {where}, train error of {100 * EPSILON:g} % {reached}")
    return Summary(pd.DataFrame(numbers), rows, 1, [PARAGRAPH, "Over width: " + "; ".join(peaks) + "."], "test_error")


PARAGRAPH = (
    "Columns are numbers of training samples: mean ± standard deviation over n seeds. Subsets are nested, and a sample "
    "has the same label in all of them. A gain is the fall of the test error from one number to the next, in points, "
    f"{BY_RULE}; it is certain where p is below 0.05 after Holm's correction for all gains of the table, and the "
    "95 % t-intervals hold for all of them together (Bonferroni). All sizes get the same number of passes, so fewer "
    f"samples mean fewer steps. {CROSS_FITTED}"
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Left, error over width, a line a number of samples; right, error over samples, a line a width."""
    import seaborn as sns

    figure, (over_width, over_samples) = make_figure((14, 5.5), 1, 2, sharey=True)
    sizes, widths = sorted(table["train_size"].unique()), sorted(table["width"].unique())
    palette = sns.color_palette("flare", len(sizes))
    for size, colour in zip(sizes, palette, strict=True):
        part = table[table["train_size"] == size]
        draw_band(over_width, part, "width", "test_error", color=colour, marker="o", label=f"{size} samples")
        mark_threshold(over_width, threshold(part), color=colour)
    for width, left, right in band(table):
        over_width.fill_between(
            [left, right], 0, 1, transform=over_width.get_xaxis_transform(), color="0.5", alpha=0.15
        )
        over_width.annotate(
            "not certain", (width, 0.97), xycoords=("data", "axes fraction"), ha="center", fontsize="x-small"
        )
    colours = width_colours(widths)
    for width in widths:
        part = table[table["width"] == width]
        draw_band(
            over_samples, part, "train_size", "test_error", color=colours[width], marker="o", label=f"width {width}"
        )
    over_width.set(xscale="log", xlabel="width", ylabel="test error (%)")
    over_samples.set(xscale="log", xlabel="training samples")
    plain_ticks(over_width, widths)
    plain_ticks(over_samples, sizes)
    for axes in (over_width, over_samples):
        axes.legend(fontsize="x-small", ncol=2)
    fewer, more = a_quarter(table)
    figure.suptitle(
        f"{title}, label noise {table['label_noise'].iloc[0]:g}: mean and range over seeds\n"
        f"dotted, the thresholds; grey, where {more} samples are not certainly better than {fewer}"
    )
    return figure


def a_quarter(table: pd.DataFrame) -> tuple[int, int]:
    """The number of samples nearest to a quarter of the largest, and the largest."""
    sizes = sorted(table["train_size"].unique())
    return min(sizes, key=lambda size: abs(size - sizes[-1] / 4)), sizes[-1]


def gains_of_a_quarter(table: pd.DataFrame, level: float | None = None) -> dict[int, Difference]:
    """The fall of the test error from a quarter of the samples to all of them, by width, all intervals together."""
    sizes = a_quarter(table)
    pairs = {
        int(width): tuple(by_seed(part, "train_size", size, "test_error") for size in sizes)
        for width, part in table.groupby("width")
    }
    return simultaneous(pairs, level) if sizes[0] < sizes[1] else {}


def band(table: pd.DataFrame) -> list[tuple[float, float, float]]:
    """The widths at which four times the data do not certainly help, each with the interval around it to shade."""
    widths = sorted(table["width"].unique())
    found = gains_of_a_quarter(table)
    shaded = []
    for index, width in enumerate(widths):
        if not (width in found and found[width].low > 0):
            left, right = widths[max(0, index - 1)], widths[min(len(widths) - 1, index + 1)]
            shaded.append((width, math.sqrt(left * width), math.sqrt(right * width)))
    return shaded


def gains_of_more(evidence: Evidence) -> list[Estimate]:
    """What about four times the data bring at every width."""
    fewer, more = a_quarter(evidence.measurements)
    found = gains_of_a_quarter(evidence.measurements, evidence.level)
    return [of_difference(gain, f"width {width}, from {fewer} to {more}") for width, gain in found.items()]


CLAIMS = (
    Claim(
        "more data hurt",
        "About four times the data make the test error worse.",
        "fall of the test error, points",
        gains_of_more,
        lower,
    ),
)
STUDY = descent(
    "sample_wise",
    "Sample-wise double descent",
    __doc__,
    choose,
    measure,
    measured(summarise),
    draw,
    claims=CLAIMS,
)
