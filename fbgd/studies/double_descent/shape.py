"""The shape of a curve over model size: its first minimum, its peak, and where interpolation begins."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fbgd.report.statistics import Difference, difference

# A model interpolates when its mean train error is at most this: the epsilon of definition 1, Nakkiran et al. 2019.
EPSILON = 0.1


@dataclass(frozen=True)
class Peak:
    """A first minimum, and a maximum after it from which the curve falls again.

    Args:
        minimum: the position of the lowest mean before the peak.
        peak: the position of the peak.
        rise: the peak's mean minus the minimum's, paired by seed.
        fall: the peak's mean minus the lowest mean after it, paired by seed.
    """

    minimum: float
    peak: float
    rise: Difference
    fall: Difference

    @property
    def certain(self) -> bool:
        """Whether the 95 % intervals of rise and fall both lie above zero."""
        return self.rise.low > 0 and self.fall.low > 0


def find_peak(table: pd.DataFrame, value: str = "test_error", along: str = "width") -> Peak | None:
    """The interior point of a mean curve that stands out the most, ``None`` where the curve only falls or only rises.

    .. math:: i^* = \\arg\\max_i \\min(y_i - \\min_{j < i} y_j,\\; y_i - \\min_{j > i} y_j)

    The point is chosen by the same means that its rise is measured on, so a small rise has a favourable bias.

    Args:
        table: rows with ``along``, ``seed`` and ``value``.
        value: the column on the vertical axis.
        along: the column on the horizontal one.
    """
    means = table.groupby(along)[value].mean().sort_index()
    values = means.to_numpy()
    if len(values) < 3:
        return None
    heights = np.array(
        [min(values[i] - values[:i].min(), values[i] - values[i + 1 :].min()) for i in range(1, len(values) - 1)]
    )
    best = int(heights.argmax()) + 1
    if heights[best - 1] <= 0:
        return None
    before, after = int(values[:best].argmin()), best + 1 + int(values[best + 1 :].argmin())
    series = {index: by_seed(table, along, means.index[index], value) for index in (before, best, after)}
    return Peak(
        means.index[before],
        means.index[best],
        difference(series[best], series[before]),
        difference(series[best], series[after]),
    )


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
