"""What the study is asked: sharper, worse, undone; which measure goes with the gap; what a rescaling does."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from fbgd.report.claims import (
    OPPOSITE,
    SUPPORTED,
    UNDECIDED,
    Claim,
    Estimate,
    Rule,
    exactly,
    higher,
    lower,
    of_difference,
    within,
)
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import difference
from fbgd.studies.minima.correlation import ALL, FITTED, FITTED_RUNS, SAME_RATE, grouped, kendall
from fbgd.studies.minima.endings import ARGUMENTS, FLATNESS, MEASURES, NORMS
from fbgd.studies.minima.settings import FACTORS, PASSES, STEPS
from fbgd.studies.minima.well_specified import gap_over_theory, other_sharpness

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
    measures: Mapping[str, tuple], group: str = ALL, gap: str = "gap"
) -> Callable[[Evidence], list[Estimate]]:
    """Kendall's tau of measures with the gap within a group of runs, a case a measure."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        runs = runs_of(evidence.measurements)
        known = [name for name in measures if name in runs and runs[name].notna().any()]
        found = {name: grouped(runs, name, gap, group, evidence.level) for name in known}
        return [Estimate(*own[:3], name) for name, own in found.items() if not math.isnan(own.tau)]

    return estimates


def follows(measure: str, *, of_batch: bool = False) -> Callable[[Evidence], list[Estimate]]:
    """Kendall's tau of a measure with the learning rate, or with that over the batch size.

    Two cases: pairs of all runs, and of runs with one budget, since a run that has gone less far has another sharpness.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        runs = runs_of(evidence.measurements)
        if not len(runs) or measure not in runs:
            return []
        runs = runs.assign(noise=runs["rate"] / (runs["batch"] if of_batch else 1))
        cases: dict[str, list[str]] = {"all runs": [], "one budget": ["budget"]}
        found = {case: kendall(runs, measure, "noise", within, evidence.level) for case, within in cases.items()}
        return [Estimate(*own[:3], case) for case, own in found.items() if not math.isnan(own.tau)]

    return estimates


def rescaled(evidence: Evidence) -> list[Estimate]:
    """The decimal logarithm of what a rescaling multiplies a measure by at most, a case a measure."""
    table = evidence.measurements
    rows = table[table["kind"] == "rescaled"].set_index("x") if "kind" in table else table
    if not len(rows):
        return []
    known = [name for name in MEASURES if name in rows and rows[name].notna().all()]
    changes = {name: [change(rows.loc[1.0, name], after) for after in rows[name]] for name in known}
    return [exactly(max(own, key=abs), name) for name, own in changes.items()]


def apart(margin: float) -> Rule:
    """Supported where the interval lies beyond ``margin`` on either side of 0, opposite where it lies within."""
    turned = {SUPPORTED: OPPOSITE, OPPOSITE: SUPPORTED, UNDECIDED: UNDECIDED}
    return lambda estimate: turned[within(margin)(estimate)]


def change(before: float, after: float) -> float:
    """``log10 |after / before|``, large where either is zero."""
    small = 1e-12
    return math.log10(max(abs(after), small) / max(abs(before), small))


GROUPS = (
    ("flat minima generalise", "The flatter the minimum, the smaller the gap", FLATNESS),
    ("TIC and PAC-Bayes", "What is argued from distributions goes with the gap", ARGUMENTS),
    ("norms", "The smaller the norms, and the larger the margin, the smaller the gap", NORMS),
)
AMONG = {
    ALL: ("", "over all runs"),
    SAME_RATE: (", same rate", "among runs of one learning rate"),
    FITTED_RUNS: (", fitted", f"over runs with a training accuracy of at least {100 * FITTED:.0f} %"),
}
RULES_PUBLISHED = (
    "sqrt rule: 92.8 % of the small batch, 86.1 without, 89.3 with it, and level after as many steps (Hoffer et al. "
    "2017, recalled); linear rule with warm-up: level (Goyal et al. 2017)"
)
JASTRZEBSKI = "the same curves at equal rate over batch size (Jastrzębski et al. 2018)"
ACCURACY = "test accuracy of the largest minus the smallest batch, points"
RESCALED = (
    f"A layer times {FACTORS[0]:g} or {FACTORS[1]:g} and the next one divided by it, the same function, leaves the "
    "measure as it is."
)
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
          comparison(CORRECTIONS, "test_accuracy", scale=100), within(2), RULES_PUBLISHED, "+.1f"),
    Claim("as flat", "With the correction it ends as flat, to a fifth of a decade.",
          "log10 λ₁, largest minus smallest batch", comparison(CORRECTIONS, "λ₁", logarithm=True), within(0.2),
          f"linear rule: {JASTRZEBSKI}"),
    *(Claim(name + ending, f"{sentence}, {among}.", "Kendall's τ with the gap", correlations(measures, group),
            family=group) for group, (ending, among) in AMONG.items() for name, sentence, measures in GROUPS),
    Claim("flat minima test better", "The flatter the minimum, the lower the test error, over all runs.",
          "Kendall's τ with the test error", correlations(FLATNESS, ALL, "test_error"), family="test error"),
    Claim("TIC and the loss", "The larger TIC, the more the test loss exceeds the training loss.",
          "Kendall's τ with the gap in loss", correlations({"TIC": MEASURES["TIC"]}, ALL, "loss_gap")),
    Claim("λ₁ falls with the rate over the batch size", "The larger the learning rate over the batch size, the smaller "
          "λ₁ where training ends.", "Kendall's τ with the rate over the batch size", follows("λ₁", of_batch=True),
          lower, "λ₁ falls with it (Jastrzębski et al. 2018)", later=True),
    Claim("adaptive sharpness follows the rate", "The larger the learning rate, the smaller the adaptive sharpness.",
          "Kendall's τ with the learning rate", follows("adaptive, worst"), lower,
          "it follows the rate, not generalisation (Andriushchenko et al. 2023)", later=True),
    Claim("well-specified, the gap is p/n", "Where the model is right the gap in loss is p/n, and so is TIC, to a "
          "tenth.", "gap or TIC over p/n, minus 1", gap_over_theory, within(0.1),
          "p/n whatever the sharpness (Thomas et al. 2020)", "+.3f",
          "regression", later=True),
    Claim("well-specified, another sharpness", "The same regression in another parametrisation has a sharpness that is "
          "another by more than a factor of ten.", "log10 λ₁ over that of the first", other_sharpness, apart(1),
          family="regression", later=True),
    Claim("invariant", RESCALED, "log10 of after over before, the larger change", rescaled, within(0.01),
          "λ₁ grows without bound (Dinh et al. 2017)", "+.3f"),
)  # fmt: skip
