"""The loop: every regime against hand-written loops, metrics, divergence, closures called again."""

import itertools
import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from experiments import experiment
from hypothesis import given
from hypothesis import strategies as st
from problems import network, objective, parameters, samples, source
from reference import gradient, nesterov_sgd, norm

from fbgd.engine.experiment import Progress
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.train import train
from fbgd.schedules import Constant, Cosine, EffectiveRate
from fbgd.seeds import generator
from optimizers import SAM, SGD, FullBatchGD
from regularizers import (
    GradientClipping,
    GradientNoise,
    GradientNormPenalty,
    GradientPenalty,
    GradientValueClipping,
    WeightNoise,
)


def trained(*arguments, **options):
    """Run an experiment and return its rows."""
    rows = []
    progress = train(experiment(*arguments, **options), Progress(), lambda row, _: rows.append(row))
    return rows, progress


@pytest.mark.parametrize("norm_layer", ["none", "batch"])
@pytest.mark.parametrize("order", ["fixed", "reshuffle", "with_replacement"])
def test_one_block_a_step_is_a_hand_written_sgd_loop(norm_layer, order):
    ours, theirs = network("resnet", norm_layer), network("resnet", norm_layer)
    blocks, data = source(blocks_per_step=1, order=order), samples(23)
    schedule = Cosine(warmup=1.0, horizon=4.0)
    optimizer = SGD(ours.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    trained(ours, blocks, optimizer, schedule=schedule)

    batches, rates = [], []
    for step in range(16):
        indices = source(blocks_per_step=1, order=order).order.blocks(step // 4)[step % 4]
        batches.append((data.inputs[indices], data.targets[indices]))
        done = step / 4
        warm = (done + 0.25) / 1.0
        rates.append(0.1 * (warm if done + 0.25 <= 1 else (1 + math.cos(math.pi * (done - 1) / 3)) / 2))
    nesterov_sgd(theirs, batches, rates, momentum=0.9, weight_decay=5e-4)
    for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-11)


@pytest.mark.parametrize("blocks_per_call", [1, 3])
def test_all_blocks_a_step_is_gradient_descent_on_the_whole_set(blocks_per_call):
    ours, theirs = network("resnet", "group"), network("resnet", "group")
    data = samples(23)
    trained(ours, source(), SGD(ours.parameters(), lr=0.1), passes=6, blocks_per_call=blocks_per_call)
    for _ in range(6):
        _, grads = gradient(theirs, data.inputs, data.targets)
        with torch.no_grad():
            for param, entry in zip(theirs.parameters(), grads, strict=True):
                param -= 0.1 * entry
    for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-12)


def test_full_batch_gd_alone_in_a_loop_equals_the_engine():
    """Warm-up, clipping, accumulation and momentum in the user's loop; schedule, transform and SGD in the engine."""
    ours, alone = network("resnet", "batch"), network("resnet", "batch")
    blocks = source()
    options = {"lr": 0.4, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    trained(
        ours,
        blocks,
        SGD(ours.parameters(), **options),
        passes=8,
        schedule=Constant(warmup=5, horizon=8),
        transforms=(GradientClipping(0.25),),
    )
    optimizer = FullBatchGD(alone.parameters(), warmup_steps=5, max_norm=0.25, **options)
    for step in range(8):
        for inputs, targets, _ in blocks.step(step).stacks(1):
            F.cross_entropy(alone(inputs[0]), targets[0]).backward()
            optimizer.accumulate(targets.numel())
        optimizer.step()
    for left, right in zip(ours.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-12)


def test_full_batch_gd_inside_the_engine_equals_it_too():
    ours, alone = network("mlp"), network("mlp")
    options = {"lr": 0.4, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    trained(ours, source(), FullBatchGD(ours.parameters(), max_norm=0.1, **options), passes=5)
    trained(alone, source(), SGD(alone.parameters(), **options), passes=5, transforms=(GradientClipping(0.1),))
    for left, right in zip(ours.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-12)


@given(blocks_per_step=st.integers(1, 4), record_every=st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0]))
def test_costs_and_rows(blocks_per_step, record_every):
    model, blocks = network("mlp"), source(blocks_per_step=blocks_per_step)
    penalties = (GradientPenalty(),)
    rows, progress = trained(
        model,
        blocks,
        SGD(model.parameters(), lr=0.01),
        penalties=penalties,
        record_every=record_every,
        evaluate_every=9,
    )
    steps = 4 * blocks.steps_per_pass
    assert progress.step == rows[-1]["step"] == steps
    assert rows[-1]["passes"] == pytest.approx(4)
    assert progress.gradient_evaluations == rows[-1]["gradient_evaluations"] == 4 * 23 * 2
    assert [row["step"] for row in rows] == sorted({row["step"] for row in rows})


def test_metrics_are_those_of_the_step():
    model, data = network("resnet", "none"), samples(23)
    loss, grads = gradient(model, data.inputs, data.targets)
    length = norm(grads)
    right = (model(data.inputs).argmax(1) == data.targets).double().mean()
    blocks = source()
    block_norm = sum(
        targets.numel() / 23 * norm(gradient(model, inputs[0], targets[0])[1])
        for inputs, targets, _ in blocks.step(0).stacks(1)
    )
    optimizer = SGD(model.parameters(), lr=0.02)
    rows, _ = trained(model, blocks, optimizer, passes=1, transforms=(GradientClipping(length / 2),))
    row = rows[0]
    assert row["loss"] == pytest.approx(float(loss.detach()), abs=1e-12)
    assert row["accuracy"] == pytest.approx(float(right), abs=1e-12)
    assert row["gradient_norm"] == pytest.approx(length, abs=1e-12)
    assert row["block_gradient_norm"] == pytest.approx(block_norm, abs=1e-12)
    assert row["clipped"] == 1.0
    assert row["learning_rate"] == 0.02
    assert row["parameter_norm"] == pytest.approx(norm(list(model.parameters())), rel=1e-12)
    rows, _ = trained(model, blocks, optimizer, passes=1, transforms=(GradientClipping(1e6),))
    assert rows[0]["clipped"] == 0.0


def test_rows_are_means_over_the_steps_between_them():
    """Four blocks a pass: the pass's row is the mean of the four rows of single steps."""
    models = [network("mlp") for _ in range(2)]
    fine, coarse = (
        trained(model, source(blocks_per_step=1), SGD(model.parameters(), lr=0.05), passes=1, record_every=every)[0]
        for model, every in zip(models, (0.25, 1.0), strict=True)
    )
    assert len(fine) == 4
    assert len(coarse) == 1
    for name in ("loss", "accuracy", "gradient_norm", "block_gradient_norm"):
        assert coarse[0][name] == pytest.approx(sum(row[name] for row in fine) / 4, rel=1e-12)


@pytest.mark.parametrize("limit", [1, 45, 46, 47, 10**6])
def test_the_budget_in_gradient_evaluations_ends_training(limit):
    """A full-batch step of SAM takes 46 gradients: training ends with the first step that reaches the limit."""
    model = network("mlp")
    seen = []
    rows, progress = trained(
        model,
        source(),
        SAM(model.parameters(), lr=0.1),
        passes=4,
        evaluate_every=100,
        measure=lambda pass_index: seen.append(pass_index) or {"test_accuracy": 0.5},
        most_evaluations=limit,
    )
    steps = min(4, -(-limit // 46))
    assert progress.step == steps
    assert progress.gradient_evaluations == 46 * steps
    assert progress.stopped is (limit <= 4 * 46)
    assert rows[-1]["test_accuracy"] == 0.5
    assert seen == [steps - 1]


def test_evaluations_when_due_and_at_the_end():
    model = network("mlp")
    rows, _ = trained(
        model,
        source(blocks_per_step=1),
        SGD(model.parameters(), lr=0.01),
        passes=5,
        evaluate_every=2,
        measure=lambda pass_index: {"test_accuracy": float(pass_index)},
    )
    assert [row["passes"] for row in rows if "test_accuracy" in row] == [2, 4, 5]


def test_evaluations_grow_apart_evenly_on_a_logarithmic_axis():
    model = network("mlp")
    made = experiment(
        model,
        source(blocks_per_step=1),
        SGD(model.parameters(), lr=0.01),
        passes=1000,
        evaluate_every=1,
        evaluation_growth=1.1,
    )
    length = made.source.steps_per_pass
    passes = [step / length for step in sorted(made.evaluation_steps())]
    assert passes[:12] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert passes[-1] == 1000
    for before, after in itertools.pairwise(passes[:-1]):
        # A tenth more, to the nearest whole pass, and at least one pass.
        assert after == max(before + 1, round(1.1 * before))


def test_a_rate_that_follows_the_norm():
    """Every step's rate is the peak times the ratio times the norm before the step, in a hand-written loop."""
    ours, theirs, data = network("mlp"), network("mlp"), samples(23)
    rows, _ = trained(
        ours,
        source(),
        SGD(ours.parameters(), lr=0.5),
        schedule=EffectiveRate(horizon=4, ratios=(0.3, 0.1)),
        record_layers=True,
    )
    assert len(rows) == 4
    for step, row in enumerate(rows):
        rate = 0.5 * (0.3 - 0.2 * (step + 1) / 4) * norm([param for param in parameters(theirs) if param.dim() > 1])
        _, grads = gradient(theirs, data.inputs, data.targets)
        with torch.no_grad():
            for param, entry in zip(theirs.parameters(), grads, strict=True):
                param -= rate * entry
        assert row["learning_rate"] == pytest.approx(float(rate), rel=1e-12)
        assert row["parameter_norm"] == pytest.approx(float(norm(parameters(theirs))), rel=1e-12)
        matrices = float(norm([param for param in parameters(theirs) if param.dim() > 1]))
        assert row["norm/matrices"] == pytest.approx(matrices, rel=1e-12)
        for name, param in theirs.named_parameters():
            assert row[f"norm/{name}"] == pytest.approx(float(norm([param.detach()])), rel=1e-12)


def test_divergence_ends_the_run_as_a_result():
    model = network("resnet", "none")
    rows, progress = trained(
        model,
        source(),
        SGD(model.parameters(), lr=1e200),
        passes=50,
        evaluate_every=50,
        measure=lambda pass_index: {"test_accuracy": 0.1},
    )
    assert progress.diverged
    assert progress.step < 50
    assert not all(math.isfinite(rows[-1][name]) for name in ("loss", "gradient_norm", "parameter_norm"))
    assert rows[-1]["test_accuracy"] == 0.1


@pytest.mark.parametrize("blocks_per_step", [1, "all"])
def test_sam_is_the_unsquared_penalty_with_alpha_one(blocks_per_step):
    """As an optimizer around SGD, and as a penalty on the whole step's gradient: two implementations, one method."""
    optimizer_of = {
        "optimizer": lambda params: SAM(params, lr=0.2, rho=0.1, base=partial(SGD, momentum=0.9)),
        "penalty": lambda params: SGD(params, lr=0.2, momentum=0.9),
    }
    penalties = {"optimizer": (), "penalty": (GradientNormPenalty(1.0, 0.1, of="full_gradient"),)}
    found = {}
    for kind, make in optimizer_of.items():
        model = network("mlp")
        blocks = source(blocks_per_step=blocks_per_step)
        _, progress = trained(model, blocks, make(model.parameters()), passes=5, penalties=penalties[kind])
        found[kind] = parameters(model)
        assert progress.gradient_evaluations == 5 * 2 * 23
    torch.testing.assert_close(found["optimizer"], found["penalty"], rtol=0, atol=1e-11)


@pytest.mark.parametrize("blocks_per_step", [1, "all"])
def test_weight_noise_moves_where_the_gradient_is_taken(blocks_per_step):
    """Every step's gradient is that at the noisy weights; the weights themselves take the step."""
    ours, theirs = network("mlp"), network("mlp")
    data = samples(23)
    trained(ours, source(blocks_per_step=blocks_per_step), SGD(ours.parameters(), lr=0.2), noises=(WeightNoise(0.3),))
    blocks = source(blocks_per_step=blocks_per_step)
    for step in range(4 * blocks.steps_per_pass):
        draw = generator(0, "WeightNoise", step)
        shifts = [0.3 * torch.randn(p.shape, generator=draw, dtype=p.dtype) for p in theirs.parameters()]
        indices = torch.cat(blocks.step(step).indices)
        with torch.no_grad():
            torch._foreach_add_(list(theirs.parameters()), shifts)
        _, grads = gradient(theirs, data.inputs[indices], data.targets[indices])
        with torch.no_grad():
            torch._foreach_sub_(list(theirs.parameters()), shifts)
            torch._foreach_add_(list(theirs.parameters()), grads, alpha=-0.2)
    torch.testing.assert_close(parameters(ours), parameters(theirs), rtol=0, atol=1e-10)


def test_the_clipped_share_counts_clipping_and_not_noise():
    model = network("mlp")
    shrinking = GradientNoise(0.9, kind="multiplicative")
    optimizer = SGD(model.parameters(), lr=0.01)
    rows, _ = trained(model, source(), optimizer, transforms=(shrinking, GradientClipping(1e9)))
    assert {row["clipped"] for row in rows} == {0.0}
    rows, _ = trained(model, source(), optimizer, transforms=(GradientValueClipping(1e-6), shrinking))
    assert {row["clipped"] for row in rows} == {1.0}


def test_optimizers_that_call_the_closure_again():
    """L-BFGS evaluates the blocks several times a step: all evaluations are counted, the first is recorded."""
    model = network("mlp")
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    rows, progress = trained(model, source(), optimizer, passes=10)
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert progress.gradient_evaluations > 10 * 23
    assert progress.gradient_evaluations % 23 == 0


@pytest.mark.parametrize("of", ["block", "full_gradient"])
def test_the_closure_s_loss_is_what_its_gradient_is_of(of):
    """Central differences of the returned loss along a direction, error O(h^2), against the gradient."""
    model, blocks = network("resnet", "batch"), source()
    mean_gradient = MeanGradient(objective(model), (GradientPenalty(20.0, of=of, method="exact"),))
    params = [param.detach() for param in model.parameters()]
    direction = [torch.randn_like(param) for param in params]
    slope = sum(
        (g * d).sum() for g, d in zip(mean_gradient(params, blocks.step(0), 0.3).gradient, direction, strict=True)
    )
    h = 1e-6
    ahead, behind = (
        mean_gradient([p + s * d for p, d in zip(params, direction, strict=True)], blocks.step(0), 0.3).objective
        for s in (h, -h)
    )
    assert float((ahead - behind) / (2 * h)) == pytest.approx(float(slope), rel=1e-5)


def test_parameters_that_overflow_in_the_last_step_are_a_divergence():
    model = network("mlp")
    _, progress = trained(model, source(), SGD(model.parameters(), lr=1e308), passes=1)
    assert progress.diverged


def test_penalty_uses_the_current_learning_rate():
    """With the rate at a tenth in warm-up, the step differs from the plain one by the penalty at that rate."""
    plain, penalised = network("resnet", "batch"), network("resnet", "batch")
    schedule = Constant(warmup=10, horizon=11)
    expected = GradientPenalty(1.0, method="exact")
    blocks = source()
    for model, penalties in ((plain, ()), (penalised, (expected,))):
        optimizer = SGD(model.parameters(), lr=0.4)
        trained(model, blocks, optimizer, passes=1, schedule=schedule, penalties=penalties)
    start = network("resnet", "batch")
    params = [param.detach() for param in start.parameters()]
    with_penalty, without = (
        MeanGradient(objective(start), penalties)(params, blocks.step(0), 0.04).gradient
        for penalties in ((expected,), ())
    )
    for p, q, g, h in zip(plain.parameters(), penalised.parameters(), without, with_penalty, strict=True):
        torch.testing.assert_close((p - q).detach(), 0.04 * (h - g), rtol=0, atol=1e-14)
