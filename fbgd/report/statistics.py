"""What a table says about its means: intervals, differences with theirs, and p-values corrected over the table."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

PAIRED, WELCH = "paired t", "Welch"


class Difference(NamedTuple):
    """Left mean minus right mean, its 95 % interval, the two-sided p-value that the means are equal, and its test."""

    delta: float
    low: float
    high: float
    p_value: float
    test: str = ""


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's confidence interval of the mean; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def paired(left: pd.Series, right: pd.Series) -> bool:
    """Whether two series, indexed by seed, are over the same two or more seeds, each of them once."""
    unique = left.index.is_unique and right.index.is_unique
    return len(left) > 1 and unique and set(left.index) == set(right.index)


def difference(left: pd.Series, right: pd.Series, level: float = 0.95) -> Difference:
    """The difference of two means: paired t-test over the same seeds, else Welch's.

    Interval and p-value are NaN where they are not defined: fewer than two values on a side, or no spread at all.

    Args:
        left: values indexed by seed.
        right: values indexed by seed, subtracted.
        level: of the interval.
    """
    delta = left.mean() - right.mean()
    undefined = Difference(delta, math.nan, math.nan, math.nan)
    if len(left) < 2 or len(right) < 2:
        return undefined
    if paired(left, right):
        differences = (left - right.loc[left.index]).to_numpy()
        if without_spread(differences):
            return undefined
        name, test = PAIRED, stats.ttest_1samp(differences, 0.0)
    else:
        if without_spread(left.to_numpy()) and without_spread(right.to_numpy()):
            return undefined
        name, test = WELCH, stats.ttest_ind(left.to_numpy(), right.to_numpy(), equal_var=False)
    interval = test.confidence_interval(level)
    return Difference(delta, float(interval.low), float(interval.high), float(test.pvalue), name)


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
