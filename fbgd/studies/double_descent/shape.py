"""The shape of a curve over model size: its first minimum, its peak, and where interpolation begins."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fbgd.report.statistics import Difference
from fbgd.studies.double_descent.crossfit import Heights, cross_fitted, largest_rise, turning_points

# A model interpolates when its mean train error is at most this: the epsilon of definition 1, Nakkiran et al. 2019.
EPSILON = 0.1


@dataclass(frozen=True)
class Peak:
    """A first minimum, and a maximum after it from which the curve falls again.

    Args:
        minimum: the position of the lowest mean before the peak.
        peak: the position of the peak.
        heights: its rise and fall, cross-fitted.
    """

    minimum: float
    peak: float
    heights: Heights

    @property
    def rise(self) -> Difference:
        """How far the curve rises to its peak."""
        return self.heights.rise

    @property
    def fall(self) -> Difference:
        """How far it falls after it."""
        return self.heights.fall

    @property
    def certain(self) -> bool:
        """Whether the 95 % intervals of rise and fall both lie above zero."""
        return self.heights.certain


def find_peak(table: pd.DataFrame, value: str = "test_error", along: str = "width", level: float = 0.95) -> Peak | None:
    """The interior point of a mean curve that stands out the most, ``None`` where the curve only falls or only rises.

    Its position is that of the mean over all seeds; its heights are measured where other seeds say that it is.

    Args:
        table: rows with ``along``, ``seed`` and ``value``.
        value: the column on the vertical axis.
        along: the column on the horizontal one.
        level: of the intervals of its heights.
    """
    means = table.groupby(along)[value].mean().sort_index()
    heights = find_heights(table, value, along, level)
    if heights is None:
        return None
    values = means.to_numpy(dtype=float)
    minimum, peak, after = map(int, turning_points(values))
    if values[peak] <= max(values[minimum], values[after]):
        return None
    return Peak(means.index[minimum], means.index[peak], heights)


def find_heights(
    table: pd.DataFrame, value: str = "test_error", along: str = "width", level: float = 0.95
) -> Heights | None:
    """Rise and fall, cross-fitted, whether or not there is a peak; ``None`` for fewer than three places.

    Args:
        table: rows with ``along``, ``seed`` and ``value``.
        value: the column on the vertical axis.
        along: the column on the horizontal one.
        level: of the intervals.
    """
    curves = whole_curves(table, value, along)
    return None if curves.shape[1] < 3 else cross_fitted(curves, level)


def find_largest_rise(
    table: pd.DataFrame, value: str = "test_error", along: str = "width", level: float = 0.95
) -> Difference | None:
    """The largest rise of the mean from any place to any later one: too large, a bound for what a curve rises."""
    curves = whole_curves(table, value, along)
    return None if curves.shape[1] < 2 else largest_rise(curves, level)


def whole_curves(table: pd.DataFrame, value: str, along: str) -> np.ndarray:
    """The curves (seeds, places); only their mean, which has no interval, where any seed lacks a value at a place.

    What is left without the seeds that lack one was selected by surviving.
    """
    curves = table.pivot(index="seed", columns=along, values=value).sort_index(axis=1)
    whole = curves.notna().to_numpy().all()
    return (curves if whole else curves.mean().to_frame().T).to_numpy(dtype=float)


def by_seed(table: pd.DataFrame, along: str, place: float, value: str) -> pd.Series:
    """The values at one place, indexed by seed."""
    return table[table[along] == place].set_index("seed")[value]


def threshold(table: pd.DataFrame, along: str = "width", epsilon: float = EPSILON) -> float:
    """Where the mean train error first falls to ``epsilon``, interpolated in the logarithm of ``along``.

    NaN where it never does, or is below it from the beginning.
    """
    means = table.groupby(along)["train_error"].mean().sort_index()
    below = np.flatnonzero(means.to_numpy() <= epsilon)
    if not len(below) or below[0] == 0:
        return math.nan
    right = below[0]
    (left_error, right_error), places = means.iloc[[right - 1, right]], means.index[[right - 1, right]]
    share = (left_error - epsilon) / (left_error - right_error)
    return float(math.exp((1 - share) * math.log(places[0]) + share * math.log(places[1])))
