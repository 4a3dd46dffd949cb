"""Learning-rate factors in closed form."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbgd.schedules import Constant, Cosine, Linear, Noam, Step

ALL = [Constant, Linear, Cosine, Step]


@pytest.mark.parametrize("make", ALL)
@given(warmup=st.floats(0, 5), length=st.floats(1, 100), passes=st.floats(0, 200), step=st.floats(0.001, 1))
def test_factor_is_between_zero_and_one(make, warmup, length, passes, step):
    schedule = make(warmup=warmup, horizon=warmup + length)
    assert 0 <= schedule(passes, step) <= 1


@pytest.mark.parametrize("make", ALL)
def test_warmup_ends_at_the_peak_and_never_begins_at_zero(make):
    schedule = make(warmup=4, horizon=100)
    assert [schedule(passes, 1) for passes in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert schedule(0, 0.1) == pytest.approx(0.025)
    assert make(horizon=10)(0, 1) == 1.0


def test_closed_forms():
    assert Cosine(warmup=2, horizon=12)(7, 1) == pytest.approx(0.5)
    assert Cosine(warmup=400, horizon=4000)(3000, 1) == pytest.approx((1 + math.cos(math.pi * 2600 / 3600)) / 2)
    assert Cosine(horizon=10, final=0.1)(10, 1) == pytest.approx(0.1)
    assert Cosine(horizon=10, final=0.1)(99, 1) == pytest.approx(0.1)
    assert Linear(horizon=10)(2.5, 1) == pytest.approx(0.75)
    assert Constant(horizon=10)(9999, 1) == 1.0
    step = Step(horizon=100, milestones=(0.5, 0.75), gamma=0.1)
    assert [step(passes, 1) for passes in (0, 49, 50, 74, 75, 99)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@given(warmup=st.integers(1, 50), steps_per_pass=st.integers(1, 20), step=st.integers(1, 4000))
def test_noam_is_the_published_formula(warmup, steps_per_pass, step):
    """Steps count from 1, and the factor is that formula over its largest value."""
    warmup_steps = warmup * steps_per_pass

    def published(number):
        return min(number**-0.5, number * warmup_steps**-1.5)

    schedule = Noam(warmup=warmup)
    factor = schedule((step - 1) / steps_per_pass, 1 / steps_per_pass)
    assert factor == pytest.approx(published(step) / published(warmup_steps), rel=1e-12)
    assert 0 < factor <= 1


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (Cosine, {"warmup": -1}, "warmup"),
        (Cosine, {"warmup": 5, "horizon": 5}, "horizon"),
        (Cosine, {"warmup": float("nan")}, "warmup"),
        (Linear, {"final": 1.5}, "final"),
        (Step, {"milestones": (0.5, 1.0)}, "milestones"),
        (Step, {"gamma": 1.0}, "gamma"),
        (Noam, {"warmup": 0}, "warmup = 0"),
        (Noam, {"warmup": math.inf}, "warmup = inf"),
    ],
)
def test_invalid_options_are_named(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
