"""What rows say of a step: whose norm, which call of the closure, at what cost; also of a run that diverges."""

import pytest
import torch
from experiments import experiment
from problems import network, objective, parameters, samples, source
from reference import gradient, norm

from fbgd.engine.experiment import Progress
from fbgd.engine.gradient import MeanGradient, gradients_per_sample
from fbgd.engine.train import train
from optimizers import SAM, SGD
from regularizers import GradientClipping, GradientPenalty, WeightNoise

PENALTY = GradientPenalty(5.0, method="exact")
FULL = GradientPenalty(5.0, of="full_gradient", method="exact")


def rows_of(model, blocks, optimizer, **options):
    """The rows of a run, and how far it came."""
    rows = []
    progress = train(experiment(model, blocks, optimizer, **options), Progress(), lambda row, _: rows.append(row))
    return rows, progress


@pytest.mark.parametrize(
    ("penalties", "clipping"),
    [((), ()), ((PENALTY,), ()), ((FULL,), ()), ((PENALTY, FULL), ()), ((), (GradientClipping(0.1, of="block"),))],
    ids=["plain", "block", "full", "both", "clipped"],
)
def test_the_norms_of_a_step_of_one_block(penalties, clipping):
    """One is the gradient that the optimizer gets, penalties and clipping included; the other the block's own."""
    model, blocks, data = network("resnet", "none"), source(blocks_per_step=1), samples(23)
    indices = blocks.step(0).indices[0]
    own = norm(gradient(model, data.inputs[indices], data.targets[indices])[1])
    result = MeanGradient(objective(model), penalties, 1, clipping=clipping)(parameters(model), blocks.step(0), 0.3)
    assert float(result.norm) == pytest.approx(norm(result.gradient), rel=1e-12)
    assert float(result.block_norm) == pytest.approx(own, rel=1e-12)
    changed = bool(penalties or clipping)
    assert (abs(float(result.norm) - own) > 1e-6 * own) == changed


@pytest.mark.parametrize(
    ("penalties", "clipping", "times"),
    [
        ((), (), 1),
        ((PENALTY,), (), 3),
        ((FULL,), (), 3),
        # The plain full gradient takes a pass of its own where the first has penalties or clipping on blocks.
        ((PENALTY, FULL), (), 6),
        ((), (GradientClipping(0.1, of="block"),), 1),
        ((FULL,), (GradientClipping(0.1, of="block"),), 4),
        ((PENALTY,), (GradientClipping(0.1, of="block"),), 3),
    ],
)
def test_what_is_counted_is_what_is_evaluated(penalties, clipping, times):
    model, step = network("mlp"), source().step(0)
    inner, seen = objective(model), []

    def counted(params, inputs, targets, key):
        seen.append(len(targets))
        return inner(params, inputs, targets, key)

    result = MeanGradient(counted, penalties, 1, clipping=clipping)(parameters(model), step, 0.1)
    # An exact product differentiates twice where it evaluates the objective once.
    exact = sum(penalty.method == "exact" for penalty in penalties)
    assert gradients_per_sample(penalties, clipping) == times
    assert result.evaluations == times * 23
    assert sum(seen) == (times - exact) * 23


@pytest.mark.parametrize(
    "make", [lambda params: SAM(params, lr=0.1, rho=5.0), lambda params: torch.optim.LBFGS(params)]
)
def test_the_first_call_of_a_step_s_closure_is_recorded(make):
    """That at the weights themselves: SAM and L-BFGS evaluate elsewhere too."""
    model, data = network("mlp"), samples(23)
    loss, grads = gradient(model, data.inputs, data.targets)
    right = (model(data.inputs).argmax(1) == data.targets).double().mean()
    length = norm(grads)
    rows, progress = rows_of(
        model, source(), make(model.parameters()), passes=1, transforms=(GradientClipping(length * 0.999),)
    )
    assert progress.gradient_evaluations > 23
    assert rows[0]["loss"] == pytest.approx(float(loss.detach()), rel=1e-12)
    assert rows[0]["accuracy"] == pytest.approx(float(right))
    assert rows[0]["gradient_norm"] == pytest.approx(length, rel=1e-12)
    assert rows[0]["clipped"] == 1.0


def test_all_calls_of_a_step_see_the_same_noise():
    """Else a line search would not search along one function."""
    model = network("mlp")
    losses = []

    class Twice(SGD):
        def step(self, closure=None):
            losses.append([float(closure().detach()), float(closure().detach())])
            return super().step(closure)

    rows_of(model, source(), Twice(model.parameters(), lr=0.1), noises=(WeightNoise(0.5),), passes=3)
    assert len(losses) == 3
    assert all(first == second for first, second in losses)


@pytest.mark.parametrize(
    ("blocks_per_step", "penalties", "times"), [("all", (), 1), (1, (), 1), ("all", (PENALTY,), 3)]
)
def test_a_run_that_diverges_costs_the_steps_that_it_took(blocks_per_step, penalties, times):
    model = network("resnet", "none")
    blocks = source(blocks_per_step=blocks_per_step)
    rows, progress = rows_of(model, blocks, SGD(model.parameters(), lr=1e200), passes=50, penalties=penalties)
    assert progress.diverged
    assert not progress.stopped
    passes = rows[-1]["passes"]
    assert passes == len(rows) < 50
    assert progress.step == rows[-1]["step"] == passes * blocks.steps_per_pass
    assert progress.gradient_evaluations == rows[-1]["gradient_evaluations"] == times * 23 * passes
