"""The model-wise curve under SGD, full-batch GD, full batch with penalty, Adam, at matched train error.

python scripts/double_descent.py stochasticity
"""

import math
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.claims import Claim, Estimate, lower, of_difference, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.report.statistics import BY_RULE, Difference, difference
from fbgd.runs.plan import PlannedRun
from fbgd.studies.double_descent.crossfit import CROSS_FITTED
from fbgd.studies.double_descent.drawing import draw_band, plain_ticks
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.peaks import rises
from fbgd.studies.double_descent.settings import Point, Sizes
from fbgd.studies.double_descent.shape import find_heights, find_peak
from fbgd.studies.double_descent.simultaneous import simultaneous
from fbgd.studies.double_descent.tidy import evaluation_table
from fbgd.studies.double_descent.words import percent, place, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Tells its runs apart.
RUN = ["width", "procedure", "seed"]
# What its points vary besides the width: these words would make rows of another name than they say.


def choose(sizes: Sizes) -> list[Point]:
    """Some widths under every procedure."""
    plain = [sizes.point(width) for width in sizes.few_widths]
    return plain + [point.trained(procedure) for procedure in sizes.procedures for point in plain]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """Two rows a run: at the ``end``, and ``matched`` in train error with the other runs of its width."""
    evaluations = evaluation_table("stochasticity", planned)
    ends = evaluations.loc[evaluations.groupby(RUN, sort=False)["passes"].idxmax()]
    moments = [ends.assign(moment="end"), at_matched_error(evaluations).assign(moment="matched")]
    return pd.concat(moments, ignore_index=True)


def at_matched_error(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Every run at its first evaluation with the train error of its width, or a smaller one.

    A width's train error is the largest of the lowest that its runs reached, so that all of them reach it.
    """
    reached = evaluations.groupby(RUN)["train_error"].min().groupby("width").max()
    below = evaluations[evaluations["train_error"] <= evaluations["width"].map(reached)]
    return below.loc[below.groupby(RUN, sort=False)["passes"].idxmin()]


def summarise(table: pd.DataFrame) -> Summary:
    """At both moments and every width the procedures side by side, with their differences to the first one."""
    numbers, rows, peaks = [], [], []
    for moment, rest in table.groupby("moment", sort=False):
        for procedure, part in rest.groupby("procedure", sort=False):
            found, heights = find_peak(part), find_heights(part)
            numbers.append(
                {
                    "moment": moment,
                    "procedure": procedure,
                    "peak_width": found.peak if found else math.nan,
                    "rise": heights.rise.delta if heights else math.nan,
                }
            )
            told = "none"
            if found:
                told = f"at width {place(found.peak)}, rise {points(found.rise)}, fall {points(found.fall)}"
            peaks.append(f"{moment}, {procedure}: {told}")
        rows += [{"moment": str(moment), **row} for row in width_rows(rest)]
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH, f"Peaks. {'; '.join(peaks)}."], metric="")


def width_rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """The procedures side by side, a row a width of one moment."""
    procedures = list(dict.fromkeys(table["procedure"]))
    changes = {name: against(table, name, procedures[0]) for name in procedures[1:]}
    rows = []
    for width, part in table.groupby("width"):
        own = {name: part[part["procedure"] == name] for name in procedures}
        row = {"width": str(width), "n": str(part["seed"].nunique())}
        row |= {f"{name}": percent(mine["test_error"]) for name, mine in own.items()}
        for name, found in changes.items():
            row[f"Δ {name}"] = with_p_value(found.get(int(width)))
        row["train errors"] = ", ".join(f"{100 * mine['train_error'].mean():.1f}" for mine in own.values())
        row["passes"] = ", ".join(place(mine["passes"].mean()) for mine in own.values())
        rows.append(row)
    return rows


def against(table: pd.DataFrame, procedure: str, first: str, level: float | None = None) -> dict[int, Difference]:
    """A procedure's test error minus the first one's, by width, all widths together."""
    pairs = {}
    for width, part in table.groupby("width"):
        errors = {name: mine.set_index("seed")["test_error"] for name, mine in part.groupby("procedure")}
        if procedure in errors and first in errors:
            pairs[int(width)] = errors[procedure], errors[first]
    return simultaneous(pairs, level)


def with_p_value(change: Difference | None) -> str:
    """A difference with its interval and p-value."""
    told = points(change)
    return told if change is None or math.isnan(change.p_value) else f"{told}, p {change.p_value:.2g}"


PARAGRAPH = (
    "Test errors in percent, mean ± standard deviation over n seeds; Δ: differences to the first procedure in points, "
    f"{BY_RULE}, with 95 % intervals that hold for all widths of a column and moment together (Bonferroni) and p "
    "corrected for them (Holm); mean train errors in percent and mean passes in the order of the procedures. The end "
    "is that of each procedure's own budget. Matched: every run at its first evaluation with a train error no larger "
    "than the lowest that all runs of its width reach, so that procedures of different speed are compared at one train "
    f"error. {CROSS_FITTED}"
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Test error (solid) and train error (dashed) over width, a colour a procedure; at the end, and matched."""
    import seaborn as sns

    moments, procedures = list(dict.fromkeys(table["moment"])), list(dict.fromkeys(table["procedure"]))
    figure, panels = make_figure((7 * len(moments), 5.5), 1, len(moments), sharey=True)
    palette = sns.color_palette("colorblind", len(procedures))
    titles = {"end": "at the end of each budget", "matched": "at matched train error"}
    for axes, moment in zip(panels, moments, strict=True):
        for procedure, colour in zip(procedures, palette, strict=True):
            part = table[(table["moment"] == moment) & (table["procedure"] == procedure)]
            draw_band(axes, part, "width", "test_error", color=colour, marker="o", label=procedure)
            draw_band(axes, part, "width", "train_error", color=colour, linestyle="--")
        axes.set(xscale="log", xlabel="width", ylabel="error (%)", title=titles[moment])
        plain_ticks(axes, sorted(table["width"].unique()))
    panels[0].legend(fontsize="small")
    noise = table["label_noise"].iloc[0]
    figure.suptitle(f"{title}, label noise {noise:g}: test (solid) and train error (dashed), mean and range over seeds")
    return figure


def procedures_at(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """A curve for every procedure at both moments."""
    groups = table.groupby(["procedure", "moment"], sort=False)
    return [(f"{procedure}, {moment}", part) for (procedure, moment), part in groups]


def against_first(evidence: Evidence) -> list[Estimate]:
    """At matched train error the mean over all widths of each procedure's test error minus the first one's."""
    table = evidence.measurements
    matched = table[table["moment"] == "matched"]
    procedures = list(dict.fromkeys(matched["procedure"]))
    means = {name: part.groupby("seed")["test_error"].mean() for name, part in matched.groupby("procedure")}
    return [
        of_difference(difference(means[name], means[procedures[0]], evidence.level), name) for name in procedures[1:]
    ]


def by_width(evidence: Evidence) -> list[Estimate]:
    """At matched train error each procedure's test error minus the first one's at every width."""
    table = evidence.measurements
    matched = table[table["moment"] == "matched"]
    procedures = list(dict.fromkeys(matched["procedure"]))
    return [
        of_difference(change, f"{name}, width {width}")
        for name in procedures[1:]
        for width, change in against(matched, name, procedures[0], evidence.level).items()
    ]


CLAIMS = (
    rises(procedures_at, "The test error rises to a peak, with and without stochasticity."),
    Claim(
        "level with SGD",
        "At matched train error the mean curve is level with SGD's, to a point.",
        "test error minus SGD's, mean over the widths, points",
        against_first,
        within(1),
    ),
    Claim(
        "better than SGD",
        "At matched train error the test error is lower than SGD's.",
        "test error minus SGD's, widths a family of their own, points",
        by_width,
        lower,
        family="by width",
    ),
)
STUDY = descent(
    "stochasticity",
    "Double descent and stochasticity",
    __doc__,
    choose,
    measure,
    measured(summarise),
    draw,
    held=("optimizer=", "optimizer._target_=", "regime", "regularizer", "budget"),
    claims=CLAIMS,
)
