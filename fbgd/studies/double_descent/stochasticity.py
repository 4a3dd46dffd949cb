"""The model-wise curve under SGD, full-batch descent with and without the penalty, and Adam, at matched train error."""

import math

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fbgd.report.claims import Claim, Estimate, of_difference, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.report.statistics import difference
from fbgd.runs.plan import PlannedRun
from fbgd.studies.double_descent.drawing import draw_band, plain_ticks
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.peaks import rises
from fbgd.studies.double_descent.settings import Point, Sizes
from fbgd.studies.double_descent.shape import find_peak
from fbgd.studies.double_descent.tidy import evaluation_table
from fbgd.studies.double_descent.words import percent, place, points

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
    procedures = list(dict.fromkeys(table["procedure"]))
    first = procedures[0]
    for moment, rest in table.groupby("moment", sort=False):
        for procedure, part in rest.groupby("procedure", sort=False):
            found = find_peak(part)
            numbers.append(
                {
                    "moment": moment,
                    "procedure": procedure,
                    "peak_width": found.peak if found else math.nan,
                    "rise": found.rise.delta if found else 0.0,
                }
            )
            told = "none"
            if found:
                told = f"at width {place(found.peak)}, rise {points(found.rise)}, fall {points(found.fall)}"
            peaks.append(f"{moment}, {procedure}: {told}")
        for width, part in rest.groupby("width"):
            own = {name: part[part["procedure"] == name].set_index("seed") for name in procedures}
            row = {"moment": str(moment), "width": str(width), "n": str(part["seed"].nunique())}
            row |= {f"{name}": percent(mine["test_error"]) for name, mine in own.items()}
            for name in procedures[1:]:
                pair = own[name]["test_error"], own[first]["test_error"]
                row[f"Δ {name}"] = points(difference(*pair) if all(map(len, pair)) else None)
            row["train errors"] = ", ".join(f"{100 * mine['train_error'].mean():.1f}" for mine in own.values())
            row["passes"] = ", ".join(place(mine["passes"].mean()) for mine in own.values())
            rows.append(row)
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH, f"Peaks. {'; '.join(peaks)}."], metric="")


PARAGRAPH = (
    "Test errors in percent, mean ± standard deviation over n seeds; Δ: differences to the first procedure in points, "
    "paired by seed, with their 95 % t-interval; mean train errors in percent and mean passes in the order of the "
    "procedures. The end is that of each procedure's own budget. Matched: every run at its first evaluation with a "
    "train error no larger than the lowest that all runs of its width reach, so that procedures of different speed are "
    "compared at one train error. Rises are favourably biased, since the same runs choose the peak."
)


def draw(table: pd.DataFrame, title: str) -> Figure:
    """Test error (solid) and train error (dashed) over width, a colour a procedure; at the end, and matched."""
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
    return [of_difference(difference(means[name], means[procedures[0]]), name) for name in procedures[1:]]


CLAIMS = (
    rises(procedures_at, "The test error rises to a peak, with and without stochasticity."),
    Claim(
        "level with SGD",
        "At matched train error the mean curve is level with SGD's, to a point.",
        "test error minus SGD's, mean over the widths, points",
        against_first,
        within(1),
    ),
)
STUDY = descent(
    "stochasticity",
    "Double descent and stochasticity",
    """The model-wise curve under SGD, full-batch GD, full batch with penalty, Adam, at matched train error.

    python scripts/double_descent.py stochasticity
    """,
    choose,
    measure,
    measured(summarise),
    draw,
    held=("optimizer=", "optimizer._target_=", "regime", "regularizer", "budget"),
    claims=CLAIMS,
)
