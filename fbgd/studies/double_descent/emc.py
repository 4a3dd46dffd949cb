r"""The most samples that every width fits, by bisection; its threshold against the observed peak.

    python scripts/double_descent.py emc

.. math:: \mathrm{EMC}(T) = \max \{ n : \mathrm{E}_S[\text{train error of } T(S), |S| = n] \le \epsilon \}

Source: Nakkiran et al. 2019, definition 1. Here for every width and seed by bisection over nested subsets, whose train
error is taken to grow with n.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.claims import Claim, Estimate, higher
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.report.statistics import t_interval
from fbgd.runs.plan import PlannedRun, Rung, collect
from fbgd.studies.double_descent.crossfit import CROSS_FITTED
from fbgd.studies.double_descent.drawing import draw_band, plain_numbers, plain_ticks
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.settings import Point, Sizes
from fbgd.studies.double_descent.shape import EPSILON, Peak, find_heights, find_peak
from fbgd.studies.double_descent.tidy import run_table
from fbgd.studies.double_descent.words import place, points
from fbgd.studies.execution import Execution, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The search ends when the smallest n that is not fitted is at most so many times the largest that is.
RESOLUTION = 1.1


def choose(sizes: Sizes) -> list[Point]:
    """What the search begins with: some widths at every number of samples."""
    samples = sorted({sizes.smallest, *sizes.train_sizes, sizes.train_size})
    return [sizes.point(width, train_size=size) for size in samples for width in sizes.few_widths]


def bisect(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Runs at several numbers of samples, then bisection for every width and seed at once."""
    sizes = execution.preset
    planned = execution.run(rungs)
    while execution.finished:
        tried = {run.path for run in planned}
        asked = next_points(sizes, run_table("emc", collect(planned)))
        runs = [run for point, seed in asked for run in execution.plan([point.rung(sizes.words)], [seed])]
        fresh = [run for run in runs if run.path not in tried and execution.wanted(run.rung)]
        if not fresh:
            break
        planned += execution.execute(fresh)
    return Outcome(planned)


def next_points(sizes: Sizes, table: pd.DataFrame) -> list[tuple[Point, int]]:
    """For every width and seed the geometric middle of its bracket, unless that is narrow enough."""
    asked = []
    for (width, seed), part in table.groupby(["width", "seed"]):
        low, high = bracket(part)
        if low > 0 and high < math.inf and high > RESOLUTION * low:
            asked.append((sizes.point(int(width), train_size=round(math.sqrt(low * high))), int(seed)))
    return asked


def bracket(part: pd.DataFrame) -> tuple[float, float]:
    """The largest n fitted before the first that is not, and that one; 0 and infinity where there is none.

    Args:
        part: the runs of one width and seed.
    """
    ordered = part.sort_values("train_size")
    fitted = (ordered["train_error"] <= EPSILON).to_numpy()
    sizes = ordered["train_size"].to_numpy(dtype=float)
    failed = np.flatnonzero(~fitted)
    if not len(failed):
        return sizes[-1], math.inf
    first = failed[0]
    return (sizes[first - 1] if first else 0.0), sizes[first]


def complexity(table: pd.DataFrame) -> pd.DataFrame:
    """EMC for every width and seed: the geometric middle of the bracket, or ``censored`` at its known end."""
    rows = []
    for (width, seed), part in table.groupby(["width", "seed"]):
        low, high = bracket(part)
        if low == 0:
            rows.append({"width": width, "seed": seed, "emc": high, "censored": "below"})
        elif high == math.inf:
            rows.append({"width": width, "seed": seed, "emc": low, "censored": "above"})
        else:
            rows.append({"width": width, "seed": seed, "emc": math.sqrt(low * high), "censored": ""})
    return pd.DataFrame(rows)


def predicted_width(emc: pd.DataFrame, samples: int) -> tuple[float, float]:
    """The widths between which the median EMC crosses ``samples``; NaN where it does not within the tried ones.

    The median over seeds needs no more than the bounds of those whose EMC lies outside of the numbers tried.
    """
    beyond = emc["censored"].map({"below": 0.0, "above": math.inf})
    medians = beyond.fillna(emc["emc"]).groupby(emc["width"]).median().sort_index()
    reached = np.flatnonzero(medians.to_numpy() >= samples * (1 - 1e-9))
    if not len(reached) or reached[0] == 0:
        return math.nan, math.nan
    return float(medians.index[reached[0] - 1]), float(medians.index[reached[0]])


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a run, those of the bisection included."""
    return run_table("emc", collect(planned))


def common_sizes(table: pd.DataFrame) -> list[int]:
    """The numbers of samples that every width and seed was trained on: those before the bisection."""
    everyone = table.groupby(["width", "seed"]).ngroups
    counts = table.groupby("train_size").apply(lambda part: part.groupby(["width", "seed"]).ngroups)
    return sorted(int(size) for size, count in counts.items() if count == everyone)


def summarise(table: pd.DataFrame) -> Summary:
    """For every number of samples, where EMC says the threshold is and where the peak was observed; EMC below."""
    emc = complexity(table)
    numbers, rows = [], []
    for samples in common_sizes(table):
        low, high = predicted_width(emc, samples)
        part = table[table["train_size"] == samples]
        found, heights = find_peak(part), find_heights(part)
        numbers.append(
            {
                "train_size": samples,
                "predicted_low": low,
                "predicted_high": high,
                "peak_width": found.peak if found else math.nan,
                "rise": heights.rise.delta if heights else math.nan,
            }
        )
        inside = found is not None and not math.isnan(low)
        rows.append(
            {
                "samples": str(samples),
                "EMC = n between widths": f"{place(low)} and {place(high)}"
                if not math.isnan(low)
                else "not among these",
                "observed peak at width": place(found.peak) if found else "no peak",
                "rise to the peak (95 %)": points(heights.rise if heights else None),
                "peak at that threshold": at_threshold_text(found, low, high) if inside else UNKNOWN,
                "peak certain": UNKNOWN if found is None else "yes" if found.certain else "no",
            }
        )
    listed = "; ".join(f"width {width}: {told(part)}" for width, part in emc.groupby("width"))
    return Summary(
        pd.DataFrame(numbers), rows, 1, [PARAGRAPH, f"EMC in samples, with its 95 % interval: {listed}."], "test_error"
    )


def at_threshold_text(peak: Peak | None, low: float, high: float) -> str:
    """Whether the peak lies between the predicted widths."""
    return "yes" if peak is not None and low <= peak.peak <= high else "no"


def told(part: pd.DataFrame) -> str:
    """A width's EMC with its interval over the seeds, or the bound that is known."""
    values = part["emc"].to_numpy()
    if (part["censored"] == "above").any():
        return f"at least {values.min():.0f}"
    if (part["censored"] == "below").any():
        return f"below {values.max():.0f}"
    low, high = t_interval(values)
    return f"{values.mean():.0f}" + ("" if math.isnan(low) else f" ({low:.0f} to {high:.0f})")


PARAGRAPH = (
    f"EMC is the largest n with a train error of at most {100 * EPSILON:g} %, for every width and seed by bisection "
    f"over nested subsets to within {100 * (RESOLUTION - 1):.0f} %; the train error is taken to grow with n. A model "
    "is critically parameterised where its EMC is about n: here where the median over seeds crosses it. A peak is "
    f"certain where the 95 % intervals of its rise and its fall both lie above zero. {CROSS_FITTED}"
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Left, EMC over width; right, the three regimes over the model-wise curve at the largest number of samples."""
    emc, samples = complexity(table), common_sizes(table)
    most = samples[-1]
    widths = sorted(table["width"].unique())
    figure, (left, right) = make_figure((14, 5.5), 1, 2)
    groups = emc.groupby("width")["emc"]
    errors = [groups.mean() - groups.min(), groups.max() - groups.mean()]
    left.errorbar(groups.mean().index, groups.mean(), errors, marker="o", capsize=3, color="C0")
    for bound, marker in (("above", "^"), ("below", "v")):
        held = groups.mean()[emc.groupby("width")["censored"].agg(lambda part, bound=bound: (part == bound).any())]
        if len(held):
            left.plot(held, marker, color="C0", markersize=11, linestyle="none")
    for size in samples:
        left.axhline(size, color="0.5", linestyle=":", linewidth=1)
    left.set(xscale="log", yscale="log", xlabel="width", ylabel="effective model complexity (samples)")
    plain_numbers(left.yaxis, [float(size) for size in samples])
    left.set_title(
        "mean and range over seeds; triangles: at least, at most; dotted: the numbers of samples", fontsize="small"
    )
    curve = table[table["train_size"] == most]
    draw_band(right, curve, "width", "test_error", color="C3", marker="o", label="test")
    draw_band(right, curve, "width", "train_error", color="C0", marker="o", label="train")
    low, high = predicted_width(emc, most)
    if not math.isnan(low):
        edges = [
            (widths[0], low, "under-parameterised"),
            (low, high, "critical"),
            (high, widths[-1], "over-parameterised"),
        ]
        for (start, end, name), colour in zip(edges, ("C2", "C1", "C4"), strict=True):
            right.axvspan(start, end, color=colour, alpha=0.12, label=name)
    right.set(xscale="log", xlabel="width", ylabel="error (%)")
    right.set_title(f"{most} samples", fontsize="small")
    right.legend(fontsize="small")
    for axes in (left, right):
        plain_ticks(axes, widths)
    figure.suptitle(f"{title}, label noise {table['label_noise'].iloc[0]:g}")
    return figure


def at_threshold(evidence: Evidence) -> list[Estimate]:
    """In how many of the numbers of samples the peak lies where EMC says, above a half.

    As if these were independent; they share seeds and nested samples, so the interval is too narrow rather than wide.
    """
    from scipy.stats import binomtest

    table = summarise(evidence.measurements).numbers.dropna(subset=["predicted_low", "peak_width"])
    inside = table["peak_width"].between(table["predicted_low"], table["predicted_high"])
    if not len(inside):
        return []
    low, high = binomtest(int(inside.sum()), len(inside)).proportion_ci(evidence.level)
    return [Estimate(100 * inside.mean() - 50, 100 * low - 50, 100 * high - 50, f"{inside.sum()} of {len(inside)}")]


CLAIMS = (
    Claim(
        "peak at the threshold",
        "The observed peak lies between the widths where EMC crosses the number of samples.",
        "share of the numbers of samples with a peak, above a half, %",
        at_threshold,
        higher,
        form="+.0f",
    ),
)
STUDY = descent(
    "emc",
    "Effective model complexity",
    __doc__,
    choose,
    measure,
    measured(summarise),
    draw,
    execute=bisect,
    claims=CLAIMS,
)
