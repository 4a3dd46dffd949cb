"""Estimates that claims of ladder-like studies are made of: one group's metric minus another's."""

from collections.abc import Callable, Mapping

import pandas as pd

from fbgd.report.claims import Claim, Estimate, of_difference
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import difference


def by_seed(runs: pd.DataFrame, labels: Mapping[str, str], metric: str) -> pd.Series:
    """The metric of the runs with these labels, indexed by seed; of finished and diverged runs with a value."""
    mask = runs["status"].isin(["done", "diverged"])
    for label, value in labels.items():
        mask &= runs[label] == value
    return runs[mask].set_index("seed")[metric].dropna().astype(float)


def accuracy_difference(
    left: Mapping[str, str],
    right: Mapping[str, str],
    metric: str = "test_accuracy",
    case: str = "",
    comparisons: int = 1,
) -> Callable[[Evidence], list[Estimate]]:
    """A claim's estimate: the group ``left`` minus the group ``right``, in points; none where either is missing.

    Args:
        left: labels of a group.
        right: labels of the group that is subtracted.
        metric: a fraction.
        case: of the claim.
        comparisons: among how many this one stands; the interval is widened for them (Bonferroni).
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        ours, theirs = (by_seed(evidence.runs, labels, metric) for labels in (left, right))
        if not len(ours) or not len(theirs):
            return []
        return [of_difference(difference(ours, theirs, level=1 - 0.05 / comparisons), case)]

    return estimates


def against_baseline(label: str, baseline: str, name: str, within: str) -> Claim:
    """That a row of a comparison is better than the baseline, for each value of another label.

    The intervals hold for all comparisons of the table with the baseline together (Bonferroni).

    Args:
        label: that tells the rows apart.
        baseline: its value that the others are compared with.
        name: its value that the claim is about.
        within: the label for whose values the comparison is made.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        groups = evidence.runs[[label, within]].drop_duplicates()
        comparisons = int((groups[label] != baseline).sum())
        return [
            estimate
            for value in dict.fromkeys(evidence.runs[within])
            for estimate in accuracy_difference(
                {label: name, within: value},
                {label: baseline, within: value},
                case=f"{within} {value}",
                comparisons=comparisons,
            )(evidence)
        ]

    sentence = f"{name} is better than {baseline}."
    quantity = "difference in test accuracy, interval corrected for all rows, points"
    return Claim(f"{name} is better", sentence, quantity, estimates)
