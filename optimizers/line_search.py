"""Line searches: how far to go along a direction, given the function and its slope along it."""

import math
from collections.abc import Callable
from typing import NamedTuple

Phi = Callable[[float], tuple[float, float]]


class Point(NamedTuple):
    """A step ``t`` along the direction, with value and slope of the function there."""

    t: float
    value: float
    slope: float


class Trials:
    """Evaluations of ``phi``, at most ``left`` of them, and the lowest point so far, from ``start`` on."""

    def __init__(self, phi: Phi, start: Point, left: int):
        self.phi, self.best, self.left = phi, start, left

    def __call__(self, t: float) -> Point:
        """Evaluate at ``t``; what is not finite counts as infinitely high."""
        self.left -= 1
        value, slope = self.phi(t)
        finite = math.isfinite(value) and math.isfinite(slope)
        point = Point(t, value, slope) if finite else Point(t, math.inf, math.nan)
        if point.value < self.best.value:
            self.best = point
        return point


def armijo(
    phi: Phi,
    start: Point,
    first: float,
    *,
    c1: float,
    backtracking: float,
    max_evaluations: int,
    reference: float | None = None,
) -> Point:
    r"""Shorten the step until the function has fallen enough.

    .. math::
        \varphi(t) \le R + c_1\, t\, \varphi'(0), \qquad t = t_0,\; b\,t_0,\; b^2 t_0, \dots

    Args:
        phi: value and slope at a step.
        start: ``phi`` at 0, with a negative slope.
        first: the first step :math:`t_0`.
        c1: share of the linear decrease that is asked for, in (0, 1).
        backtracking: factor :math:`b` in (0, 1).
        max_evaluations: evaluations of ``phi``, at most.
        reference: :math:`R`; ``None``: :math:`\varphi(0)`. The largest of the last losses makes it non-monotone.

    Returns:
        The accepted point; when the evaluations are used up, the lowest one, ``start`` if none lies below it.

    Source: Nocedal & Wright 2006, "Numerical Optimization", algorithm 3.1; non-monotone: Grippo, Lampariello & Lucidi
    1986, "A Nonmonotone Line Search Technique for Newton's Method", equation 2.
    """
    trials = Trials(phi, start, max_evaluations)
    reference = start.value if reference is None else reference
    t = first
    while trials.left:
        point = trials(t)
        if point.value <= reference + c1 * t * start.slope:
            return point
        t *= backtracking
    return trials.best


def strong_wolfe(
    phi: Phi,
    start: Point,
    first: float,
    *,
    c1: float,
    c2: float,
    growth: float,
    max_evaluations: int,
) -> Point:
    r"""Find a step where the function has fallen enough and its slope has flattened.

    .. math::
        \varphi(t) \le \varphi(0) + c_1\, t\, \varphi'(0), \qquad |\varphi'(t)| \le c_2\, |\varphi'(0)|

    Args:
        phi: value and slope at a step.
        start: ``phi`` at 0, with a negative slope.
        first: the first step.
        c1: share of the linear decrease that is asked for, in (0, 1).
        c2: share of the slope that may remain, in (c1, 1).
        growth: factor > 1 on the step while the function still falls too steeply.
        max_evaluations: evaluations of ``phi``, at most.

    Returns:
        The accepted point; when the evaluations are used up, the lowest one, ``start`` if none lies below it.

    Source: Nocedal & Wright 2006, "Numerical Optimization", algorithms 3.5 and 3.6.
    """
    trials = Trials(phi, start, max_evaluations)
    previous, t = start, first
    while trials.left:
        point = trials(t)
        too_high = point.value > start.value + c1 * t * start.slope
        if too_high or (previous is not start and point.value >= previous.value):
            return _zoom(trials, start, previous, point, c1, c2)
        if abs(point.slope) <= -c2 * start.slope:
            return point
        if point.slope >= 0:
            return _zoom(trials, start, point, previous, c1, c2)
        previous, t = point, t * growth
    return trials.best


def _zoom(trials: Trials, start: Point, low: Point, high: Point, c1: float, c2: float) -> Point:
    """Algorithm 3.6: shrink the interval from ``low``, its better end, to ``high`` around an acceptable point."""
    while trials.left and low.t != high.t:
        point = trials(interpolate(low, high))
        if point.value > start.value + c1 * point.t * start.slope or point.value >= low.value:
            high = point
            continue
        if abs(point.slope) <= -c2 * start.slope:
            return point
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return trials.best


def barzilai_borwein(start: Point, end: Point, squared_length: float) -> float:
    r"""The step for the next direction with the curvature of the last one, as if both saw a multiple of one matrix.

    .. math::
        t = \frac{s^\top H^{-1} s}{s^\top y}, \qquad
        s = t_{\text{end}}\, d, \qquad s^\top y = t_{\text{end}} \big(\varphi'(t_{\text{end}}) - \varphi'(0)\big)

    for directions :math:`-H \nabla f`; with :math:`H = \eta` it is :math:`t \eta = s^\top s / s^\top y` gradients long.

    Args:
        start: ``phi`` at 0.
        end: ``phi`` where the last search ended.
        squared_length: :math:`d^\top H^{-1} d` of its direction.

    Returns:
        t; 0.0 where there was no step, or no positive curvature along it.

    Source: Barzilai & Borwein 1988, "Two-Point Step Size Gradient Methods".

    Examples:
        >>> # Of 3 x^2 / 2 from x = 1 along -3, with the slope -9 at first and 0 at the minimum; H = 1.
        >>> barzilai_borwein(Point(0.0, 1.5, -9.0), Point(1 / 3, 0.0, 0.0), squared_length=9.0)
        0.3333333333333333
    """
    curvature = end.slope - start.slope
    return end.t * squared_length / curvature if end.t > 0 and curvature > 0 else 0.0


def interpolate(low: Point, high: Point) -> float:
    """The minimum of the cubic through two points (equation 3.59), or their midpoint if it is too near an end."""
    width = high.t - low.t
    middle = low.t + width / 2
    d1 = low.slope + high.slope - 3 * (low.value - high.value) / (low.t - high.t)
    square = d1 * d1 - low.slope * high.slope
    if not 0 <= square < math.inf:
        return middle
    d2 = math.copysign(math.sqrt(square), width)
    denominator = high.slope - low.slope + 2 * d2
    if denominator == 0:
        return middle
    share = 1 - (high.slope + d2 - d1) / denominator
    return low.t + share * width if 0.1 <= share <= 0.9 else middle
