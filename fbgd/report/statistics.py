"""Intervals of means, differences of two means, and the correction of p-values over a family."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

PAIRED, WELCH, DUNNETT = "paired t", "Welch", "Dunnett"
# What a page says of differences by :func:`difference`.
BY_RULE = "by Welch's t-test, or of pairs by seed where these surely go together"


class Difference(NamedTuple):
    """Left mean minus right mean, its 95 % interval, the two-sided p-value that the means are equal, and its test."""

    delta: float
    low: float
    high: float
    p_value: float
    test: str = ""


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's confidence interval of the mean; NaN for fewer than two values."""
    from scipy import stats

    if len(values) < 2:
        return math.nan, math.nan
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def paired(left: pd.Series, right: pd.Series) -> bool:
    """Whether two series, indexed by seed, are over the same two or more seeds, each of them once."""
    unique = left.index.is_unique and right.index.is_unique
    return len(left) > 1 and unique and set(left.index) == set(right.index)


def paired_t(left: pd.Series, right: pd.Series, level: float = 0.95) -> Difference:
    """The mean of the differences seed by seed, by the paired t-test."""
    changes = (left - right.loc[left.index]).to_numpy()
    error = changes.std(ddof=1) / math.sqrt(len(changes))
    return by_student(left.mean() - right.mean(), error, len(changes) - 1, level, PAIRED)


def welch(left: pd.Series, right: pd.Series, level: float = 0.95) -> Difference:
    r"""The difference of two means with unequal variances, by Welch's t-test.

    .. math:: \nu = \frac{(e_1 + e_2)^2}{e_1^2 / (n_1 - 1) + e_2^2 / (n_2 - 1)}, \qquad e_i = s_i^2 / n_i
    """
    errors = [own.var() / len(own) for own in (left, right)]
    freedom = sum(errors) ** 2 / sum(
        error**2 / (len(own) - 1) for error, own in zip(errors, (left, right), strict=True)
    )
    return by_student(left.mean() - right.mean(), math.sqrt(sum(errors)), freedom, level, WELCH)


def by_student(delta: float, error: float, freedom: float, level: float, test: str) -> Difference:
    """A difference with a standard error of so many degrees of freedom: its interval and its two-sided p-value."""
    from scipy import stats

    half = stats.t.ppf((1 + level) / 2, freedom) * error
    p_value = 2 * stats.t.sf(abs(delta) / error, freedom)
    return Difference(float(delta), float(delta - half), float(delta + half), float(p_value), test)


def is_copy(left: pd.Series, right: pd.Series) -> bool:
    """Whether two groups differ by the same number with every seed, mostly by nothing: an ingredient never acted."""
    return paired(left, right) and without_spread((left - right.loc[left.index]).to_numpy())


def without_spread(values: np.ndarray) -> bool:
    """Whether all values are equal up to rounding: their tiny spread would pass for certainty in a t-test."""
    return np.ptp(values) <= 1e-9 * max(1.0, np.abs(values).max())


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction; NaN entries stay and do not count as tests (Holm 1979)."""
    corrected = np.full(len(p_values), math.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    running = 0.0
    for rank, index in enumerate(tested[np.argsort(p_values[tested], kind="stable")]):
        running = max(running, min(1.0, (len(tested) - rank) * p_values[index]))
        corrected[index] = running
    return corrected


def holm_corrected(changes: Sequence[Difference]) -> list[Difference]:
    """Differences with their p-values Holm-corrected among themselves."""
    p_values = holm(np.array([change.p_value for change in changes]))
    return [change._replace(p_value=float(p_value)) for change, p_value in zip(changes, p_values, strict=True)]


def difference(left: pd.Series, right: pd.Series, level: float = 0.95, *, pairs: bool = False) -> Difference:
    """The difference of two means: Welch's t-test, or the paired one where pairing by seed pays.

    Interval and p-value are NaN where they are not defined: fewer than two values on a side, or no spread at all.

    Args:
        left: values indexed by seed.
        right: values indexed by seed, subtracted.
        level: of the interval.
        pairs: pair the same seeds in any case: by design they share more than a number, the order of their data say.
    """
    undefined = Difference(left.mean() - right.mean(), math.nan, math.nan, math.nan)
    if not testable(left, right):
        return undefined
    if (pairs and paired(left, right)) or pairing_pays([left], right):
        return undefined if is_copy(left, right) else paired_t(left, right, level)
    return welch(left, right, level)


def testable(left: pd.Series, right: pd.Series) -> bool:
    """Whether two groups have at least two values each, and these are not all the same."""
    return min(len(left), len(right)) > 1 and not all(without_spread(own.to_numpy()) for own in (left, right))


def pairing_pays(groups: list[pd.Series], reference: pd.Series) -> bool:
    """Whether differences seed by seed are surely more precise than differences of means.

    Pairing takes the shared variation of a seed away, ``1 - r`` of the variance stays, and costs half of the degrees
    of freedom. It pays where the correlation is above ``1 - (t_unpaired / t_paired)^2``. So that it is not chosen
    because of a lucky correlation, the lower 95 % limit of the mean correlation (Fisher's z; the groups share the
    reference, so they count as one) has to be above that.
    """
    from scipy import stats

    seeds = len(reference)
    if seeds < 4 or not all(paired(own, reference) for own in groups):
        return False
    quantiles = stats.t.ppf(0.975, [2 * seeds - 2, seeds - 1])
    needed = 1 - (quantiles[0] / quantiles[1]) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = [np.corrcoef(own.loc[reference.index], reference)[0, 1] for own in groups]
    z = np.arctanh(np.clip(correlations, -1 + 1e-12, 1 - 1e-12)).mean() - stats.norm.ppf(0.95) / math.sqrt(seeds - 3)
    return bool(z > math.atanh(needed))
