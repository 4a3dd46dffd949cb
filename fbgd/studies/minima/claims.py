"""What the study is asked: sharper, worse, undone; which measure goes with the gap; what a rescaling does."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, exactly, higher, lower, of_difference, within
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import difference
from fbgd.studies.minima.correlation import kendall
from fbgd.studies.minima.endings import ARGUMENTS, FLATNESS, MEASURES, NORMS
from fbgd.studies.minima.settings import PASSES, STEPS

Labels = tuple[str, str]
COMPARED = ("λ₁", "Keskar", "adaptive, worst")
CORRECTIONS = {
    "sqrt rule, equal passes": ("sqrt", PASSES),
    "linear rule, equal passes": ("linear", PASSES),
    "no rule, equal steps": ("none", STEPS),
    "linear rule, equal steps": ("linear", STEPS),
}


def runs_of(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs."""
    return table[table["kind"] == "run"] if "kind" in table else table


def large_minus_small(
    evidence: Evidence, labels: Labels, column: str, case: str, scale: float = 1, logarithm: bool = False
) -> list[Estimate]:
    """The largest batch with a rule and a budget minus the smallest one; none where either is missing.

    Args:
        evidence: of the study.
        labels: rule and budget.
        column: what is compared.
        case: of the claim.
        scale: that the difference is multiplied by.
        logarithm: compare decimal logarithms, of what is positive.
    """
    runs = runs_of(evidence.measurements)
    if not len(runs) or column not in runs:
        return []
    sizes, seeds = runs["batch"], runs["seed"].nunique()
    place = (sizes == sizes.max()) & (runs["rule"] == labels[0]) & (runs["budget"] == labels[1])
    large, small = (runs[own].set_index("seed")[column] for own in (place, sizes == sizes.min()))
    if sizes.max() == sizes.min() or not len(large) or not len(small):
        return []
    if logarithm:
        large, small = (np.log10(own.clip(lower=1e-12)) for own in (large, small))
    if min(len(large), len(small)) < seeds:
        # What is left was selected by surviving.
        return [Estimate(scale * (large.mean() - small.mean()), math.nan, math.nan, case)]
    return [of_difference(difference(large, small, evidence.level), case, scale)]


def comparison(labels: Mapping[str, Labels], column: str, **options) -> Callable[[Evidence], list[Estimate]]:
    """The differences of :func:`large_minus_small`, a case a correction."""
    return lambda evidence: [
        estimate
        for case, own in labels.items()
        for estimate in large_minus_small(evidence, own, column, case, **options)
    ]


def sharper(evidence: Evidence) -> list[Estimate]:
    """Of the plain large batch, a case a measure."""
    return [
        estimate
        for name in COMPARED
        for estimate in large_minus_small(evidence, ("none", PASSES), name, name, logarithm=True)
    ]


def correlations(
    measures: Mapping[str, tuple], within: list[str], gap: str = "gap"
) -> Callable[[Evidence], list[Estimate]]:
    """Kendall's tau of measures with the gap, a case a measure."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        runs = runs_of(evidence.measurements)
        known = [name for name in measures if name in runs and runs[name].notna().any()]
        found = {name: kendall(runs, name, gap, within, evidence.level) for name in known}
        return [Estimate(*own[:3], name) for name, own in found.items() if not math.isnan(own.tau)]

    return estimates


def rescaled(evidence: Evidence) -> list[Estimate]:
    """The decimal logarithm of what a rescaling multiplies a measure by, a case a measure."""
    table = evidence.measurements
    rows = table[table["kind"] == "rescaled"].set_index("name") if "kind" in table else table
    if not len(rows):
        return []
    # Differences of logarithms of norms are what a sum of logarithms and a signed margin have.
    known = [name for name in MEASURES if name in rows and rows[name].notna().all()]
    return [exactly(change(rows.loc["before", name], rows.loc["after", name]), name) for name in known]


def change(before: float, after: float) -> float:
    """``log10 |after / before|``, large where either is zero."""
    small = 1e-12
    return math.log10(max(abs(after), small) / max(abs(before), small))


TAU = "Kendall's τ with the gap"
GROUPS = (
    ("flat minima generalise", "The flatter the minimum, the smaller the gap", FLATNESS),
    ("TIC and PAC-Bayes", "What is argued from distributions goes with the gap", ARGUMENTS),
    ("norms", "The smaller the norms, and the larger the margin, the smaller the gap", NORMS),
)
ACCURACY = "test accuracy of the largest minus the smallest batch, points"
CLAIMS = (
    Claim("sharper", "At the same rate and equal passes the largest batch ends sharper.",
          "log10 of the measure, largest minus smallest batch", sharper, higher,
          "a factor of 30 to 160 (Keskar et al. 2017, recalled)"),
    Claim("worse", "At the same rate and equal passes the largest batch tests worse.", ACCURACY,
          comparison({"": ("none", PASSES)}, "test_accuracy", scale=100), lower,
          "0.2 to 4.6 points (Keskar et al. 2017, recalled)", "+.1f"),
    Claim("larger gap", "At the same rate and equal passes the largest batch has the larger gap.",
          "training minus test accuracy, largest minus smallest batch, points",
          comparison({"": ("none", PASSES)}, "gap"), higher, form="+.1f"),
    Claim("undone", "With the correction the largest batch is level with the smallest, to two points.", ACCURACY,
          comparison(CORRECTIONS, "test_accuracy", scale=100), within(2), form="+.1f"),
    Claim("as flat", "With the correction it ends as flat, to a fifth of a decade.",
          "log10 λ₁, largest minus smallest batch", comparison(CORRECTIONS, "λ₁", logarithm=True), within(0.2)),
    *(Claim(name, f"{sentence}: over all runs.", TAU, correlations(group, []), higher, family="all runs")
      for name, sentence, group in GROUPS),
    *(Claim(f"{name}, same rate", f"{sentence}: among runs of one learning rate.", TAU,
            correlations(group, ["rate"]), higher, family="same rate") for name, sentence, group in GROUPS),
    Claim("TIC and the loss", "The larger TIC, the more the test loss exceeds the training loss.",
          "Kendall's τ with the gap in loss", correlations({"TIC": MEASURES["TIC"]}, [], "loss_gap"), higher),
    Claim("invariant", "A layer times 4 and the next one divided by 4, the same function, leaves the measure as it is.",
          "log10 of after over before", rescaled, within(0.01),
          "λ₁ grows without bound (Dinh et al. 2017)", "+.3f"),
)  # fmt: skip
