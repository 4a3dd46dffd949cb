"""Which test compares a family of groups with one: pooled, separate or paired, whichever the data allow and reward."""

import math
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import pandas as pd

from fbgd.report.dunnett import dunnett
from fbgd.report.statistics import (
    Difference,
    holm_corrected,
    is_copy,
    paired_t,
    pairing_pays,
    testable,
    welch,
    without_spread,
)

# Variances are pooled only where neither test comes near to doubting that they are equal: p-values above these. Laxer
# limits let a reference that varies twice as much as its groups give false differences in a tenth of all tables.
BARTLETT, REFERENCE_LARGER = 0.5, 0.25
Key = TypeVar("Key", bound=Hashable)


def against_one(groups: Mapping[Key, pd.Series], reference: pd.Series, level: float = 0.95) -> dict[Key, Difference]:
    """Every group minus the reference; intervals and p-values hold for all of them together.

    The paired t-test where pairing by seed pays, see :func:`pairing_pays`; else Dunnett's test, whose pooled variance
    gives few seeds the certainty of many; Welch's where variances differ. p-values of the first and the last are
    Holm-corrected, intervals have the level that makes all of them right at once (Bonferroni).

    Args:
        groups: values indexed by seed; those with fewer than two, and copies of the reference, give an unknown interval
            and p-value.
        reference: values indexed by seed, subtracted.
        level: with which all intervals hold at once.
    """
    tested = {key: own for key, own in groups.items() if testable(own, reference) and not is_copy(own, reference)}
    unknown = {
        key: Difference(own.mean() - reference.mean(), math.nan, math.nan, math.nan) for key, own in groups.items()
    }
    if not tested:
        return unknown
    members = list(tested.values())
    if pairing_pays(members, reference):
        found = separately(paired_t, members, reference, level)
    elif len(members) > 1 and equal_variances([reference, *members]):
        found = dunnett([own.to_numpy() for own in members], reference.to_numpy(), level)
    else:
        found = separately(welch, members, reference, level)
    return unknown | dict(zip(tested, found, strict=True))


def separately(
    test: Callable[[pd.Series, pd.Series, float], Difference],
    groups: list[pd.Series],
    reference: pd.Series,
    level: float,
) -> list[Difference]:
    """A test for each group, p-values by Holm and intervals by Bonferroni."""
    found = [test(own, reference, 1 - (1 - level) / len(groups)) for own in groups]
    return holm_corrected(found)


def equal_variances(groups: list[pd.Series]) -> bool:
    """Whether variances look equal: Bartlett's test of all, and an F-test that the reference's is not larger.

    Args:
        groups: the reference first. What it has too much of variance harms every comparison.
    """
    from scipy import stats

    values = [own.to_numpy() for own in groups]
    if any(without_spread(own) for own in values) or stats.bartlett(*values).pvalue <= BARTLETT:
        return False
    reference, *others = values
    freedom = sum(len(own) - 1 for own in others)
    pooled = sum(own.var(ddof=1) * (len(own) - 1) for own in others) / freedom
    return bool(stats.f.sf(reference.var(ddof=1) / pooled, len(reference) - 1, freedom) > REFERENCE_LARGER)
