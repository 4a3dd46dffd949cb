"""Dropout and stochastic depth: hashed masks, the same for every vectorisation."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cases import MODELS
from problems import CLASSES, objective, parameters, samples, source
from scipy import stats

from fbgd.engine.evaluate import evaluate, population_statistics
from fbgd.engine.gradient import MeanGradient
from fbgd.models import CNN, MLP, Dropout, ResNet, StochasticDepth
from fbgd.models.random_layers import uniform
from fbgd.seeds import block_key
from regularizers import GradientPenalty

MASK = 2**64 - 1


def split_mix(state):
    """SplitMix64 with Python's unbounded integers."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
    return state, (mixed ^ (mixed >> 31)) >> 11


def test_uniform_is_split_mix_and_uniform():
    for key in (0, 1, 2**62 - 1, block_key(3, 4, 5)):
        state, expected = key, []
        for _ in range(50):
            state, high = split_mix(state)
            expected.append(high * 2.0**-53)
        assert uniform(torch.tensor(key), (5, 10)).flatten().tolist() == expected
    many = uniform(torch.tensor(block_key(0, 0, 0)), (20000,)).numpy()
    assert stats.kstest(many, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(many[1:], many[:-1])[0, 1]) < 0.03


def test_keys_of_neighbours_have_nothing_in_common():
    keys = {block_key(seed, number, block) for seed in range(5) for number in range(20) for block in range(20)}
    assert len(keys) == 2000
    assert all(0 <= key < 2**62 for key in keys)
    firsts = [float(uniform(torch.tensor(key), (1,))) for key in sorted(keys)]
    assert stats.kstest(firsts, "uniform").pvalue > 0.01


@pytest.mark.parametrize("p", [0.2, 0.75])
def test_dropout_keeps_the_mean_and_drops_its_share(p):
    layer, inputs = Dropout(p), torch.ones(100, 200, dtype=torch.float64)
    layer.key.fill_(block_key(0, 0, 0))
    outputs = layer(inputs)
    assert set(outputs.unique().tolist()) == {0.0, 1 / (1 - p)}
    # Twenty thousand draws: five standard errors of a share are below 0.018.
    assert (outputs == 0).double().mean() == pytest.approx(p, abs=0.018)
    assert torch.equal(layer.eval()(inputs), inputs)


def test_stochastic_depth_drops_whole_samples():
    layer, inputs = StochasticDepth(0.5), torch.rand(400, 3, 4, dtype=torch.float64) + 1
    layer.key.fill_(block_key(1, 2, 3))
    outputs = layer(inputs)
    dropped = (outputs == 0).flatten(1).all(1)
    torch.testing.assert_close(outputs[~dropped], 2 * inputs[~dropped])
    assert dropped.double().mean() == pytest.approx(0.5, abs=0.13)


def dropping(kind, norm=None):
    """A small network in float64 that drops something."""
    torch.manual_seed(0)
    return MODELS[kind].network(norm, **MODELS[kind].random).double()


@pytest.mark.parametrize("kind", MODELS)
def test_every_vectorisation_drops_the_same(kind):
    shape = MODELS[kind].shape
    model, step = dropping(kind), source(shape=shape).step(0)
    results = [MeanGradient(objective(model), (), count)(parameters(model), step, 0.1) for count in (1, 2, 100)]
    for result in results[1:]:
        torch.testing.assert_close(result.gradient, results[0].gradient, rtol=0, atol=1e-12)
    again = MeanGradient(objective(model), (), 2)(parameters(model), source(shape=shape).step(0), 0.1)
    torch.testing.assert_close(again.gradient, results[1].gradient, rtol=0, atol=0)
    other = MeanGradient(objective(model), (), 2)(parameters(model), source(shape=shape).step(1), 0.1)
    assert float(other.loss) != float(results[0].loss)


@pytest.mark.parametrize("blocks_per_call", [1, 4])
def test_a_penalty_s_second_gradient_sees_the_same_mask(blocks_per_call):
    """The exact product of the masked network, against differentiating it twice, mask by mask."""
    model, blocks = dropping("mlp", "group"), source()
    penalty = GradientPenalty(5.0, method="exact")
    result = MeanGradient(objective(model), (penalty,), blocks_per_call)(parameters(model), blocks.step(0), 0.3)
    expected = [torch.zeros_like(param) for param in model.parameters()]
    loss_of = objective(model)
    for stack in blocks.step(0).stacks(1):
        leaves = [param.detach().requires_grad_() for param in model.parameters()]
        loss, _ = loss_of(leaves, *(part[0] for part in stack))
        first = torch.autograd.grad(loss, leaves, create_graph=True)
        total = loss + 5.0 * 0.3 / 4 * sum((entry**2).sum() for entry in first)
        for sum_, entry in zip(expected, torch.autograd.grad(total, leaves), strict=True):
            sum_ += stack.targets.shape[1] / 23 * entry
    torch.testing.assert_close(list(result.gradient), expected, rtol=0, atol=1e-10)


def test_layers_do_not_share_a_mask():
    """Two equal layers in a row: if both dropped the same units, the second would drop nothing more."""
    model = torch.nn.Sequential(torch.nn.Flatten(), Dropout(0.5), Dropout(0.5), torch.nn.Linear(12, CLASSES)).double()
    kept = []
    model[2].register_forward_hook(lambda *call: kept.append((call[2] != 0).double().mean().item()))
    data = samples(200)
    objective(model)(parameters(model), data.inputs, data.targets, torch.tensor(block_key(0, 0, 0)))
    assert kept[0] == pytest.approx(0.25, abs=0.06)


def test_evaluation_drops_nothing():
    model = dropping("resnet")
    population_statistics(model, source().whole_pass(0))
    data = samples(23)
    loss, _ = evaluate(model, data)
    twin = ResNet(input_shape=(1, 12), classes=CLASSES, depth=8, width=4, norm="batch").double()
    weights = zip(twin.parameters(), model.parameters(), strict=True)
    with torch.no_grad():
        for param, value in weights:
            param.copy_(value)
    population_statistics(twin, source().whole_pass(0))
    assert loss == pytest.approx(F.cross_entropy(twin.eval()(data.inputs), data.targets).item(), abs=1e-12)


def test_branches_are_dropped_more_often_with_depth():
    rates = [m.p for m in dropping("resnet").modules() if isinstance(m, StochasticDepth)]
    assert rates == pytest.approx([0.5 / 3, 1 / 3, 0.5])


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (MLP, {"dropout": 1.0}, "model.dropout = 1.0"),
        (CNN, {"dropout": -0.1}, "model.dropout = -0.1"),
        (ResNet, {"stochastic_depth": 1.0}, "model.stochastic_depth = 1.0"),
    ],
)
def test_probabilities_are_checked(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(input_shape=(1, 12), classes=CLASSES, **options)
