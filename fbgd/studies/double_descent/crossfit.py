r"""How far a curve rises to its peak and falls after it, measured where *other* seeds say that the peak is.

A peak is a maximum, and chosen and measured on the same seeds it is too high: of flat curves with 19 places and 5
seeds a third then has a rise whose 95 % interval lies above zero. Here the places are chosen without the seed that is
measured there.
"""

import math
from typing import NamedTuple

import numpy as np

from fbgd.report.statistics import Difference, t_interval, without_spread

CROSS_FITTED = (
    "Rise and fall are cross-fitted and paired by seed: each seed's are measured at the first minimum, the peak and "
    "the lowest point after it that the smoothed mean of the other seeds chooses, so a rise can be negative; their "
    "95 % t-interval is widened for what these means have in common (Nadeau & Bengio 2003)."
)
TEST = "cross-fitted t"


class Turns(NamedTuple):
    """Indices of the lowest point before a peak, of the peak, and of the lowest point after it."""

    minimum: np.ndarray
    peak: np.ndarray
    after: np.ndarray


class Heights(NamedTuple):
    """How far a curve rises to its peak and falls after it."""

    rise: Difference
    fall: Difference

    @property
    def certain(self) -> bool:
        """Whether both intervals lie above zero."""
        return self.rise.low > 0 and self.fall.low > 0


def turning_points(curves: np.ndarray) -> Turns:
    r"""The interior point of every curve that stands out the most, or comes nearest to it, and the minima beside it.

    .. math:: i^* = \arg\max_i \min(y_i - \min_{j < i} y_j,\; y_i - \min_{j > i} y_j)

    Args:
        curves: (..., places), at least three places.

    Raises:
        ValueError: fewer places.

    >>> turning_points(np.array([6.0, 4.0, 4.5, 5.5, 5.0, 3.0]))
    Turns(minimum=array(1), peak=array(3), after=array(5))
    """
    places = curves.shape[-1]
    if places < 3:
        raise ValueError(f"{places} places have no interior one: need at least 3")
    before = np.minimum.accumulate(curves, -1)[..., :-2]
    after = np.minimum.accumulate(curves[..., ::-1], -1)[..., ::-1][..., 2:]
    peak = np.asarray((curves[..., 1:-1] - np.maximum(before, after)).argmax(-1) + 1)
    left = np.arange(places) < peak[..., None]
    right = np.arange(places) > peak[..., None]
    minima = (np.where(side, curves, math.inf).argmin(-1) for side in (left, right))
    return Turns(np.asarray(next(minima)), peak, np.asarray(next(minima)))


def smooth(curves: np.ndarray) -> np.ndarray:
    """Binomial smoothing over neighbouring places with weights 1/4, 1/2, 1/4; the ends stand for their neighbours.

    >>> smooth(np.array([0.0, 4.0, 0.0]))
    array([1., 2., 1.])
    """
    left, right = (np.concatenate(parts, -1) for parts in ((curves[..., :1], curves[..., :-1]),
                                                            (curves[..., 1:], curves[..., -1:])))  # fmt: skip
    return (left + 2 * curves + right) / 4


def rises_and_falls(curves: np.ndarray, turns: Turns) -> tuple[np.ndarray, np.ndarray]:
    """Each curve's peak minus its minimum, and minus its lowest point after, at given indices (broadcast)."""
    minimum, peak, after = (
        np.take_along_axis(curves, np.broadcast_to(where, curves.shape[:-1])[..., None], -1)[..., 0] for where in turns
    )
    return peak - minimum, peak - after


def held_out(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every seed's rise and fall at the turning points of the smoothed mean of the other seeds.

    Args:
        curves: (..., seeds, places), at least two seeds and three places.

    Returns:
        Two arrays (..., seeds); they may be negative, since every seed has some, whatever its curve looks like.
    """
    others = (curves.sum(-2, keepdims=True) - curves) / (curves.shape[-2] - 1)
    return rises_and_falls(curves, turning_points(smooth(others)))


def widening(seeds: int) -> float:
    r"""How many times wider than Student's the interval of ``seeds`` held-out values is.

    .. math:: \sqrt{n (1/n + n_\text{test} / n_\text{train})} = \sqrt{1 + n / (n - 1)}

    Two seeds that choose places for each other count their likeness twice, so their rises are correlated, and a plain
    t-interval is too narrow. Source: Nadeau & Bengio 2003, "Inference for the Generalization Error", section 3.

    >>> round(widening(5), 3)
    1.5
    """
    return math.sqrt(1 + seeds / (seeds - 1))


def corrected(values: np.ndarray, level: float = 0.95) -> Difference:
    """The mean of held-out values, its widened t-interval and p-value; NaN for fewer than two, or no spread."""
    from scipy import stats

    if len(values) < 2 or without_spread(values):
        return Difference(float(values.mean()), math.nan, math.nan, math.nan)
    mean, wider = values.mean(), widening(len(values))
    half = wider * (t_interval(values, level)[1] - mean)
    error = wider * values.std(ddof=1) / math.sqrt(len(values))
    p_value = 2 * stats.t.sf(abs(mean) / error, len(values) - 1)
    return Difference(float(mean), float(mean - half), float(mean + half), float(p_value), TEST)


def cross_fitted(curves: np.ndarray, level: float = 0.95) -> Heights:
    """Rise and fall of a peak that may not be there: none of it comes from having looked for the largest.

    Of one seed alone they are those at its own turning points, too large and without an interval.

    Args:
        curves: (seeds, places), at least three places.
        level: of the intervals.
    """
    if len(curves) < 2:
        return chosen_by_all(curves, level)
    rise, fall = (corrected(values, level) for values in held_out(curves))
    return Heights(rise, fall)


def chosen_by_all(curves: np.ndarray, level: float = 0.95) -> Heights:
    """Rise and fall at the turning points of the mean of all seeds, with plain t-intervals: too large.

    Args:
        curves: (seeds, places), at least three places.
        level: of the intervals.
    """
    rise, fall = (plain(values, level) for values in rises_and_falls(curves, turning_points(curves.mean(0))))
    return Heights(rise, fall)


def largest_rise(curves: np.ndarray, level: float = 0.95) -> Difference:
    """The mean's largest rise from any place to any later one, with a plain t-interval: too large.

    So it bounds from above what a curve rises anywhere, which a claim of *no* rise needs: cross-fitted rises miss the
    exact places, and are too small for that.

    Args:
        curves: (seeds, places), at least two places.
        level: of the interval.

    >>> largest_rise(np.array([[3.0, 1.0, 2.0, 4.0], [3.0, 1.0, 2.0, 5.0]])).delta
    3.5
    """
    mean = curves.mean(0)
    rises = np.where(np.triu(np.ones((len(mean), len(mean)), dtype=bool), 1), mean[None, :] - mean[:, None], -np.inf)
    low, high = divmod(int(rises.argmax()), len(mean))
    return plain(curves[:, high] - curves[:, low], level)


def relative_rise(curves: np.ndarray, level: float = 0.95) -> Difference:
    r"""The largest relative rise of a curve, :math:`y_j / y_i - 1` for :math:`i < j`, which may be negative.

    Cross-fitted as in :func:`held_out`; the upper end is at least that of the pair which all seeds choose, as a bound
    for what the curve rises anywhere. Of one seed alone it is its own, without an interval.

    Args:
        curves: (seeds, places) of positive values, at least two places.
        level: of the interval.
    """
    if len(curves) < 2:
        return plain(ratios(curves, largest_ratio(curves)), level)
    others = (curves.sum(0) - curves) / (len(curves) - 1)
    found = corrected(ratios(curves, largest_ratio(smooth(others))), level)
    most = plain(ratios(curves, largest_ratio(curves.mean(0))), level)
    return found._replace(high=float(np.maximum(found.high, most.high)))


def largest_ratio(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices i < j with the largest :math:`y_j / y_i` of every curve (..., places)."""
    places = curves.shape[-1]
    table = np.where(np.triu(np.ones((places, places), dtype=bool), 1), curves[..., None, :] / curves[..., :, None], 0)
    low, high = np.divmod(table.reshape(*curves.shape[:-1], -1).argmax(-1), places)
    return np.asarray(low), np.asarray(high)


def ratios(curves: np.ndarray, pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Each seed's :math:`y_j / y_i - 1` at given indices, its own or common ones."""
    seeds = np.arange(len(curves))
    return curves[seeds, pair[1]] / curves[seeds, pair[0]] - 1


def plain(values: np.ndarray, level: float = 0.95) -> Difference:
    """A mean with its t-interval; NaN for fewer than two values, or no spread."""
    low, high = (math.nan, math.nan) if without_spread(values) else t_interval(values, level)
    return Difference(float(values.mean()), float(low), float(high), math.nan)
