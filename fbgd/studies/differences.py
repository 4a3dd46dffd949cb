"""Estimates that claims of ladder-like studies are made of: one group's metric minus another's."""

import math
from collections.abc import Callable, Mapping

import pandas as pd

from fbgd.report.claims import Claim, Estimate, of_difference
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import difference


def by_seed(runs: pd.DataFrame, labels: Mapping[str, str], metric: str) -> pd.Series:
    """The metric of the runs with these labels, indexed by seed; of finished and diverged runs with a value."""
    mine = with_labels(runs, labels)
    mine = mine[mine["status"].isin(["done", "diverged"])]
    return mine.set_index("seed")[metric].dropna().astype(float)


def with_labels(runs: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """The runs with these labels."""
    mask = pd.Series(True, runs.index)
    for label, value in labels.items():
        mask &= runs[label] == value
    return runs[mask]


def survived(runs: pd.DataFrame, labels: Mapping[str, str], metric: str) -> bool:
    """Whether every run with these labels is done and has the metric."""
    mine = with_labels(runs, labels)
    return bool((mine["status"] == "done").all() and mine[metric].notna().all())


def accuracy_difference(
    left: Mapping[str, str], right: Mapping[str, str], metric: str = "test_accuracy", case: str = ""
) -> Callable[[Evidence], list[Estimate]]:
    """A claim's estimate: the group ``left`` minus the group ``right``, in points; none where either is missing.

    Where a run of either diverged or failed there is no interval: what is left was selected by surviving.

    Args:
        left: labels of a group.
        right: labels of the group that is subtracted.
        metric: a fraction.
        case: of the claim.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        ours, theirs = (by_seed(evidence.runs, labels, metric) for labels in (left, right))
        if not len(ours) or not len(theirs):
            return []
        if not all(survived(evidence.runs, labels, metric) for labels in (left, right)):
            return [Estimate(100 * (ours.mean() - theirs.mean()), math.nan, math.nan, case)]
        return [of_difference(difference(ours, theirs, evidence.level), case)]

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
