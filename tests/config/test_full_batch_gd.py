"""FullBatchGD's warm-up and clipping in a run: the schedule's and the regulariser's, the same as in a hand loop."""

import pytest
import torch
import torch.nn.functional as F

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from fbgd.runs.provenance import identity
from optimizers import FullBatchGD

RUN = [
    "data.source.train=60",
    "data.source.test=20",
    "model=mlp",
    "model.width=5",
    "optimizer=full_batch_gd",
    "regime=full_batch",
    "regime.block_size=9",
    "schedule=constant",
    "budget.passes=8",
    "precision=fp64",
    "impl.blocks_per_call=1",
]
OWN = ["optimizer.warmup_steps=5", "optimizer.max_norm=0.1"]
SPELT_OUT = ["schedule.warmup=5", "regularizer=gradient_clipping", "regularizer.gradient_clipping.max_norm=0.1"]


def test_a_run_is_the_hand_loop():
    experiment, alone = (build(compose([*RUN, *OWN])).experiment for _ in range(2))
    rows = []
    train(experiment, Progress(), lambda row, _: rows.append(row))
    options = {"lr": 0.4, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    optimizer = FullBatchGD(alone.model.parameters(), warmup_steps=5, max_norm=0.1, **options)
    for step in range(8):
        for inputs, targets, _ in alone.source.step(step).stacks(1):
            F.cross_entropy(alone.model(inputs[0]), targets[0]).backward()
            optimizer.accumulate(targets.numel())
        optimizer.step()
    for left, right in zip(experiment.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-12)
    # Recorded, and so what penalties scale with.
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.4 * min(1, t / 5) for t in range(1, 9)])
    assert rows[0]["clipped"] == 1.0


def test_penalties_see_the_rate_in_warm_up():
    penalty = ["regularizer=gradient_penalty", "regularizer.gradient_penalty.strength=50"]
    words = [*RUN, "budget.passes=6"]
    weights = []
    for ways in ([*penalty, OWN[0]], [*penalty, SPELT_OUT[0]], penalty):
        experiment = build(compose([*words, *ways])).experiment
        train(experiment, Progress(), lambda *_: None)
        weights.append(torch.cat([param.detach().flatten() for param in experiment.model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.allclose(weights[0], weights[2], atol=1e-3)


def test_both_ways_of_saying_it_are_one_experiment():
    own, spelt_out = compose([*RUN, *OWN]), compose([*RUN, *SPELT_OUT])
    assert own == spelt_out
    assert identity(own) == identity(spelt_out) != identity(compose(RUN))
    # It acts last, just before the step.
    noisy = compose([*RUN, *OWN, "regularizer=gradient_noise"])
    assert list(noisy.regularizer) == ["gradient_noise", "gradient_clipping"]


@pytest.mark.parametrize("words", [["optimizer.warmup_steps=0"], ["optimizer.max_norm=null"]])
def test_what_says_nothing_stays_as_it_is(words):
    """So configurations of older runs keep their identity."""
    assert words[0].split("=")[0].split(".")[1] in compose([*RUN, *words]).optimizer
    build(compose([*RUN, *words]))


def test_clipping_needs_no_full_batch():
    assert compose([*RUN, "regime=sgd", OWN[1]]).regularizer["gradient_clipping"]["max_norm"] == 0.1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*OWN, "schedule.warmup=2"], r"optimizer\.warmup_steps = 5 and schedule\.warmup = 2 .*twice"),
        ([*OWN, "schedule=noam"], r"schedule\.warmup = 1\.0 .*twice"),
        ([*OWN, "regularizer=gradient_clipping"], r"optimizer\.max_norm = 0\.1 and regularizer=gradient_clipping"),
        ([*OWN, "regime=sgd"], r"only under regime=full_batch, .*set schedule\.warmup in passes"),
        (["optimizer.warmup_steps=-1"], r"optimizer\.warmup_steps = -1 is outside the valid range"),
        (["optimizer.warmup_steps=2.5"], r"optimizer\.warmup_steps = 2\.5 is not .*: a whole number"),
        (["optimizer.max_norm=-1"], r"optimizer\.max_norm = -1 is outside the valid range: \(0, inf\)"),
        (["optimizer.max_norm=0"], r"optimizer\.max_norm = 0 is outside"),
    ],
)
def test_mistakes_are_named(words, message):
    with pytest.raises(ConfigError, match=message):
        compose([*RUN, *words])
