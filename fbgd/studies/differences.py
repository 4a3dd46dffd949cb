"""Estimates that claims of ladder-like studies are made of: one group's metric minus another's."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, lower, of_difference
from fbgd.report.evidence import Evidence
from fbgd.report.families import against_one
from fbgd.report.statistics import Difference, difference


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
    """That a row of a comparison has a smaller test error than the baseline, for each value of another label.

    Errors are compared by their logarithms, because rows differ by factors. All rows that share a baseline are
    compared with it together, and the intervals hold for the whole table, see
    :func:`fbgd.report.families.against_one`. None where a run diverged or failed, or has no error at all.

    Args:
        label: that tells the rows apart.
        baseline: its value that the others are compared with.
        name: its value that the claim is about.
        within: the label for whose values the comparison is made.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        places = list(dict.fromkeys(evidence.runs[within]))
        found = []
        for place in places:
            changes = log_errors_against(evidence.runs, label, baseline, {within: place}, 1 - 0.05 / len(places))
            if name in changes:
                value, low, high = (100 * math.expm1(limit) for limit in changes[name][:3])
                found.append(Estimate(value, low, high, f"{within} {place}"))
        return found

    sentence = f"{name} has a smaller test error than {baseline}."
    return Claim(
        f"{name} is better", sentence, "test error relative to the baseline's, %", estimates, lower, form="+.0f"
    )


def log_errors_against(
    runs: pd.DataFrame, label: str, baseline: str, place: Mapping[str, str], level: float
) -> dict[str, Difference]:
    """The log test error of every whole group at a place minus the baseline's; nothing where that is not whole."""
    groups = {}
    for name in dict.fromkeys(with_labels(runs, place)[label]):
        labels = {label: name, **place}
        errors = 1 - by_seed(runs, labels, "test_accuracy")
        if survived(runs, labels, "test_accuracy") and (errors > 0).all():
            groups[str(name)] = np.log(errors)
    reference = groups.pop(baseline, None)
    return {} if reference is None else against_one(groups, reference, level)
