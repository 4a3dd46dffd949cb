"""Line searches on functions with known answers."""

import math
from functools import partial

import numpy as np
import pytest
import scipy.optimize
from hypothesis import assume, given
from hypothesis import strategies as st
from problems import rosenbrock, rosenbrock_slope

from optimizers.line_search import Point, armijo, interpolate, strong_wolfe

FUNCTIONS = {
    "parabola": (lambda t: (t - 1.7) ** 2, lambda t: 2 * (t - 1.7)),
    "quartic": (lambda t: t**4 - 3 * t, lambda t: 4 * t**3 - 3),
    "waves": (lambda t: math.cos(3 * t + 0.5) + 0.05 * t * t, lambda t: -3 * math.sin(3 * t + 0.5) + 0.1 * t),
    "steep": (lambda t: math.exp(5 * t) - 40 * t, lambda t: 5 * math.exp(5 * t) - 40),
    "flat": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    "walled": (lambda t: -t - math.log(1 - t) / 9, lambda t: -1 + 1 / (9 * (1 - t))),
}


def along_rosenbrock(x, y):
    """Rosenbrock's function from a point along its steepest descent."""
    dx, dy = (-entry for entry in rosenbrock_slope(x, y))

    def slope(t):
        gx, gy = rosenbrock_slope(x + t * dx, y + t * dy)
        return gx * dx + gy * dy

    return lambda t: rosenbrock(x + t * dx, y + t * dy), slope


LINES = {
    **FUNCTIONS,
    "rosenbrock": along_rosenbrock(-1.2, 1.0),
    "valley": along_rosenbrock(0.5, 0.2),
}
every_line = pytest.mark.parametrize("name", LINES)


class Phi:
    """Value and slope, not a number outside the function's domain; remembers where it was evaluated."""

    def __init__(self, name):
        self.value, self.slope = LINES[name]
        self.evaluated = []
        self.start = Point(0.0, self.value(0.0), self.slope(0.0))

    def __call__(self, t):
        self.evaluated.append(t)
        try:
            return self.value(t), self.slope(t)
        except (ValueError, ZeroDivisionError, OverflowError):
            return math.nan, math.nan


firsts = st.floats(1e-4, 50.0)


@every_line
@given(firsts, st.sampled_from([1e-4, 0.1, 0.4]), st.sampled_from([0.3, 0.5, 0.8]))
def test_armijo_accepts_the_first_step_that_falls_enough(name, first, c1, backtracking):
    phi = Phi(name)
    found = armijo(phi, phi.start, first, c1=c1, backtracking=backtracking, max_evaluations=200)
    count = len(phi.evaluated)
    assert phi.evaluated == pytest.approx([first * backtracking**index for index in range(count)])
    assert found.t == phi.evaluated[-1]

    def falls_enough(t):
        value = phi(t)[0]
        return value <= phi.start.value + c1 * t * phi.start.slope

    assert falls_enough(found.t)
    assert not any(falls_enough(t) for t in phi.evaluated[: count - 1])


@every_line
@given(firsts, st.sampled_from([1e-4, 0.1]), st.sampled_from([0.2, 0.5, 0.9]))
def test_strong_wolfe_meets_both_conditions(name, first, c1, c2):
    phi = Phi(name)
    found = strong_wolfe(phi, phi.start, first, c1=c1, c2=c2, growth=2.0, max_evaluations=60)
    assert found == (found.t, *phi(found.t))
    assert found.value <= phi.start.value + c1 * found.t * phi.start.slope
    assert abs(found.slope) <= c2 * abs(phi.start.slope)


@pytest.mark.parametrize("name", ["parabola", "steep", "rosenbrock", "valley"])
def test_strong_wolfe_gets_as_low_as_scipy_with_few_evaluations(name):
    """With little slope left both are near the same minimum."""
    phi = Phi(name)
    found = strong_wolfe(phi, phi.start, 1.0, c1=1e-4, c2=0.01, growth=2.0, max_evaluations=40)
    theirs, count, _, lowest, *_ = scipy.optimize.line_search(
        lambda t: phi.value(t[0]),
        lambda t: np.array([phi.slope(t[0])]),
        np.zeros(1),
        np.ones(1),
        c1=1e-4,
        c2=0.01,
        maxiter=40,
    )
    assert found.t == pytest.approx(theirs, rel=0.05)
    assert found.value == pytest.approx(lowest, rel=1e-2)
    assert len(phi.evaluated) <= count + 5


@every_line
@pytest.mark.parametrize(
    "search",
    [
        partial(armijo, c1=1 - 1e-9, backtracking=0.5),
        partial(strong_wolfe, c1=1e-12, c2=1e-9, growth=2.0),
    ],
)
@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("first", [0.3, 1e6])
def test_used_up_evaluations_give_the_lowest_point(name, search, most, first):
    phi = Phi(name)
    found = search(phi, phi.start, first, max_evaluations=most)
    evaluated = list(phi.evaluated)
    assert len(evaluated) <= most
    values = {t: phi(t)[0] for t in evaluated}
    finite = [value for value in values.values() if not math.isnan(value)]
    assert found.value == min([phi.start.value, *finite])
    assert found.t == 0 or found.value < phi.start.value


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 3), st.floats(-5, 5), st.floats(-5, 5))
def test_interpolation_finds_a_cubic_s_minimum(minimum, other, scale, left, right):
    """The cubic with a minimum and a maximum at given places, seen from two points around the minimum."""
    assume(abs(minimum - other) > 0.1)
    sign = math.copysign(scale, minimum - other)

    def cubic(t):
        value = sign * (t**3 / 3 - (minimum + other) * t * t / 2 + minimum * other * t)
        return Point(t, value, sign * (t - minimum) * (t - other))

    assume(min(left, right) < minimum < max(left, right) and 0.11 < (minimum - left) / (right - left) < 0.89)
    assert interpolate(cubic(left), cubic(right)) == pytest.approx(minimum, abs=1e-6)


def test_interpolation_halves_what_is_not_finite():
    assert interpolate(Point(1.0, 0.0, -1.0), Point(3.0, math.inf, math.nan)) == 2.0
    assert interpolate(Point(0.0, 0.0, -1e200), Point(1.0, 1.0, 1e200)) == 0.5
