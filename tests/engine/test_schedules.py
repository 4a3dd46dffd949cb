"""Learning-rate factors in closed form."""

import math
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from fbgd.schedules import Constant, Cosine, EffectiveRate, InverseSqrt, Linear, Noam, Step, as_schedule

ALL = [Constant, Linear, Cosine, Step, InverseSqrt]


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


def test_the_horizon_counts_from_the_first_pass_or_from_the_end_of_the_warm_up():
    """The published ladder: peak 0.8, 400 passes of warm-up, a cosine of 4000, stopped at pass 3000."""
    rates = {}
    for horizon_from in ("start", "warmup"):
        schedule = Cosine(warmup=400, horizon=4000, horizon_from=horizon_from)
        rates[horizon_from] = [0.8 * schedule(step, 1) for step in (0, 400, 1500, 2999)]
    first, peak = 0.8 / 400, 0.8

    def cosine(passes, length):
        return 0.4 * (1 + math.cos(math.pi * passes / length))

    assert rates["start"] == pytest.approx([first, peak, cosine(1100, 3600), cosine(2599, 3600)], rel=1e-14)
    assert rates["warmup"] == pytest.approx([first, peak, cosine(1100, 4000), cosine(2599, 4000)], rel=1e-14)
    assert [round(rates[name][-1], 3) for name in ("start", "warmup")] == [0.143, 0.219]
    assert Cosine(warmup=400, horizon=4000) == Cosine(warmup=400, horizon=4000, horizon_from="start")


@pytest.mark.parametrize("make", [Constant, Linear, Cosine, Step])
@given(warmup=st.floats(0, 50), length=st.floats(1, 100), passes=st.floats(0, 200), final=st.floats(0, 1))
def test_either_count_gives_the_same_curves(make, warmup, length, passes, final):
    """A decay of so many passes behind the warm-up ends where the warm-up and it together end."""
    behind = make(warmup=warmup, horizon=length, final=final, horizon_from="warmup")
    together = make(warmup=warmup, horizon=warmup + length, final=final)
    # Far from a jump: rounding may move that of a staircase.
    for milestone in (0.5, 0.75):
        if make is Step and abs((passes - warmup) / length - milestone) < 1e-6:
            return
    assert behind(passes, 0.5) == pytest.approx(together(passes, 0.5), abs=1e-9)
    assert behind(warmup + length, 1) == pytest.approx(together(warmup + length, 1), abs=1e-6)


def test_the_published_chain_of_schedulers():
    """torch's own: a linear warm-up, then a cosine of its own length; the warm-up there is a step behind."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.8)
    ramp = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 40)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)
    chain = torch.optim.lr_scheduler.SequentialLR(optimizer, [ramp, cosine], milestones=[40])
    rates = []
    for _ in range(300):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        chain.step()
    schedule = Cosine(warmup=40, horizon=400, horizon_from="warmup")
    assert [0.8 * schedule(step, 1) for step in range(40, 300)] == pytest.approx(rates[40:], rel=1e-10)
    assert [0.8 * schedule(step, 1) for step in range(39)] == pytest.approx(rates[1:40], rel=1e-10)


@given(
    steps_per_pass=st.integers(1, 500),
    steps=st.integers(1, 600),
    step=st.integers(0, 500_000),
    warmup=st.integers(0, 9),
)
def test_inverse_root_drops_at_the_very_step(steps_per_pass, steps, step, warmup):
    """Counted in whole steps, as published, against the schedule's own count in passes; warm-up only delays it."""
    schedule = InverseSqrt(warmup=warmup, horizon=10, period=steps / steps_per_pass)
    expected = 1 / math.sqrt(1 + step // steps)
    assert schedule((warmup * steps_per_pass + step) * (1 / steps_per_pass), 1 / steps_per_pass) == expected
    assert schedule(warmup + step // steps * steps / steps_per_pass, 1 / steps_per_pass) == expected


def test_inverse_root_of_the_paper():
    """CIFAR-10 in blocks of 128: 391 steps a pass, a drop every 512 steps."""
    schedule = InverseSqrt(period=512 / 391)
    rates = [0.1 * schedule(step / 391, 1 / 391) for step in (0, 511, 512, 1023, 1024, 1535, 1536, 499_712)]
    expected = [0.1, 0.1, 0.1 / 2**0.5, 0.1 / 2**0.5, 0.1 / 3**0.5, 0.1 / 3**0.5, 0.05, 0.1 / 977**0.5]
    assert rates == pytest.approx(expected, rel=1e-15)
    assert [InverseSqrt(final=1.0, horizon=h)(8, 1) for h in (1, 99)] == [1 / 3, 1 / 3]


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
        (Cosine, {"horizon_from": "end"}, "horizon_from = 'end' is not one of 'start', 'warmup'"),
        (Cosine, {"horizon_from": "warmup", "warmup": 3, "horizon": 0}, r"horizon = 0 is outside .* \(0, inf\)"),
        (Linear, {"horizon_from": "warmup", "horizon": math.inf}, "horizon = inf"),
        (Linear, {"horizon_from": "warmup", "horizon": float("nan")}, "horizon = nan"),
        (Linear, {"final": 1.5}, "final"),
        (Step, {"milestones": (0.5, 1.0)}, "milestones"),
        (Step, {"gamma": 1.0}, "gamma"),
        (InverseSqrt, {"period": 0}, "period = 0"),
        (InverseSqrt, {"period": float("inf")}, "period = inf"),
        (InverseSqrt, {"period": float("nan")}, "period = nan"),
        (InverseSqrt, {"warmup": -1}, "warmup"),
        (Noam, {"warmup": 0}, "warmup = 0"),
        (Noam, {"warmup": math.inf}, "warmup = inf"),
    ],
)
def test_invalid_options_are_named(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_course_of_the_effective_rate_is_linear_between_its_values():
    schedule = EffectiveRate(horizon=10, ratios=[1.0, 3.0, 2.0])
    assert [schedule(passes - 1, 1) for passes in (0, 2.5, 5, 7.5, 10, 99)] == pytest.approx([1, 2, 3, 2.5, 2, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratios": [1.0]}, "two or more"),
        ({"ratios": [1.0, -1.0]}, "two or more"),
        ({"ratios": [1.0, 1.0], "warmup": 1}, "warmup"),
        ({"ratios": [1.0, 1.0], "horizon": 0}, "horizon"),
    ],
)
def test_a_course_that_is_none_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EffectiveRate(**{"horizon": 10, **options})


def test_a_factor_is_a_call_unless_the_weights_matter():
    weights = [torch.full((2, 2), 3.0), torch.full((7,), 100.0)]
    assert Cosine(horizon=10).factor(5, 1, weights) == Cosine(horizon=10)(5, 1)
    course = EffectiveRate(horizon=4, ratios=(0.3, 0.1))
    assert course.factor(0, 1, weights) == pytest.approx(6 * course(0, 1))
    assert (Cosine.needs_weights, EffectiveRate.needs_weights) == (False, True)


def test_a_run_says_where_its_horizon_counts_from():
    """Older runs do not, and so keep their settings and their identity."""
    assert "horizon_from" not in compose(["schedule=cosine"]).schedule
    words = ["schedule=cosine", "schedule.warmup=9", "schedule.horizon=5"]
    check(compose([*words, "schedule.horizon_from=warmup"]))
    with pytest.raises(ConfigError, match=r"schedule\.horizon = 5 must be larger than schedule\.warmup = 9"):
        check(compose(words))
    for name in ("noam", "effective_rate"):
        with pytest.raises(ConfigError, match=r"schedule\.horizon_from: .* takes no such argument"):
            compose([f"schedule={name}", "schedule.horizon_from=warmup"])


def falling():
    return lambda passes, step: 1 / (1 + passes)


def wordy():
    return lambda passes, step: "fast"


def greedy():
    return lambda passes, step, more: 1.0


def test_a_plain_function_of_the_passes_is_a_schedule(monkeypatch):
    """In a run too: by the factory that the configuration names."""
    monkeypatch.setitem(sys.modules, "test_schedules", sys.modules[__name__])
    words = ["data.source.train=40", "data.source.test=10", "model=mlp", "regime.block_size=10", "budget.passes=2"]
    config = compose([*words, "impl.blocks_per_call=1"])
    rows = []
    experiment = build(replace(config, schedule={"_target_": "test_schedules.falling"})).experiment
    train(experiment, Progress(), lambda row, _: rows.append(row["learning_rate"]))
    assert rows == pytest.approx([0.1 / 1.75, 0.1 / 2.75])
    for name, message in (
        ("wordy", "the factor is 'fast', and must be a number"),
        ("greedy", "after 0 passes the function failed"),
    ):
        with pytest.raises(ConfigError, match=rf"schedule \(test_schedules\.{name}\).*{message}"):
            check(replace(config, schedule={"_target_": f"test_schedules.{name}"}))
    with pytest.raises(ConfigError, match=r"0\.1 is no function"):
        as_schedule(0.1)
