"""Estimates that claims of ladder-like studies are made of: one group's metric minus another's."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, of_difference
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import difference


def values_of(runs: pd.DataFrame, labels: Mapping[str, str], metric: str) -> tuple[pd.Series, bool]:
    """The metric of the runs with these labels by seed, and whether every one of them is done and has it.

    Args:
        runs: a row a run.
        labels: of a group.
        metric: of its finished and diverged runs, as far as they have a value.
    """
    place = np.logical_and.reduce([np.full(len(runs), True), *(runs[key] == value for key, value in labels.items())])
    mine = runs.loc[place, ["seed", "status", metric]]
    ended = mine[mine["status"].isin(["done", "diverged"])]
    values = ended.set_index("seed")[metric].dropna().astype(float)
    return values, len(values) == len(mine) and bool((mine["status"] == "done").all())


def accuracy_difference(
    left: Mapping[str, str],
    right: Mapping[str, str],
    metric: str = "test_accuracy",
    case: str = "",
    scale: float = 100,
) -> Callable[[Evidence], list[Estimate]]:
    """A claim's estimate: the group ``left`` minus the group ``right``; none where either is missing.

    Where a run of either diverged or failed there is no interval: what is left was selected by surviving.

    Args:
        left: labels of a group.
        right: labels of the group that is subtracted.
        metric: by default a fraction.
        case: of the claim.
        scale: that the difference is multiplied by; by default it is of fractions, in points.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        (ours, whole), (theirs, too) = (values_of(evidence.runs, labels, metric) for labels in (left, right))
        if not len(ours) or not len(theirs):
            return []
        if not (whole and too):
            return [Estimate(scale * (ours.mean() - theirs.mean()), math.nan, math.nan, case)]
        return [of_difference(difference(ours, theirs, evidence.level), case, scale)]

    return estimates


def against_baseline(label: str, baseline: str, name: str, within: str) -> Claim:
    """That a row of a comparison is better than the baseline, for each value of another label, as the table has it.

    The table's intervals hold for all of its rows together; where it compares logarithms of errors, the gain is in
    percent of the baseline's error. A row that the table cannot compare has no interval.

    Args:
        label: that tells the rows apart.
        baseline: its value that the others are compared with.
        name: its value that the claim is about.
        within: the label for whose values the comparison is made.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        rows = evidence.table[evidence.table[label] == name] if label in evidence.table else evidence.table
        return [gain(row, f"{within} {row[within]}") for row in rows.to_dict("records") if not math.isnan(row["delta"])]

    sentence = f"{name} is better than {baseline}."
    return Claim(f"{name} is better", sentence, "gain in test accuracy", estimates, form="+.1f")


def gain(row: dict, case: str) -> Estimate:
    """A table row's difference to its baseline: in points, or as what is saved of the error, in percent."""
    if math.isnan(row["ratio"]):
        return Estimate(row["delta"], row["delta_low"], row["delta_high"], f"{case}; points")
    value, high, low = (100 * (1 - row[key]) for key in ("ratio", "ratio_low", "ratio_high"))
    return Estimate(value, low, high, f"{case}; % of the error")
