"""The noise scale: closed forms, naive per-sample gradients, and what it is an unbiased estimate of."""

import math

import pytest
import torch
import torch.nn as nn
from problems import CLASSES, network, samples, source
from reference import flat, gradient
from states import state

from fbgd.probes import GradientNoiseScale, gradient_moments, noise_scale


def test_two_samples_by_hand():
    """Gradients 3 and -1 of one sample each: mean 1, mean square 5, so tr = (5 - 1) 2 and |G|^2 = 2 - 5."""
    columns = noise_scale(gradient_moments([(1, [torch.tensor([3.0])]), (1, [torch.tensor([-1.0])])]))
    assert columns == {"squared_gradient": -3.0, "trace": 8.0, "noise_scale": -8 / 3}


def test_blocks_of_one_sample_give_the_sample_covariance():
    """Then tr(Sigma) is the unbiased variance of the naive per-sample gradients, summed over entries."""
    model, data = network("mlp"), samples(23)
    pairs = zip(data.inputs.split(1), data.targets.split(1), strict=True)
    each = torch.stack([flat(gradient(model, *pair)[1]) for pair in pairs])
    looked = state(model, source(block_size=1))
    columns = GradientNoiseScale()(looked)
    trace = float(each.var(0, correction=1).sum())
    squared = float(each.mean(0).square().sum()) - trace / 23
    assert columns["trace"] == pytest.approx(trace, rel=1e-12)
    assert columns["squared_gradient"] == pytest.approx(squared, rel=1e-10)
    assert columns["noise_scale"] == pytest.approx(trace / squared, rel=1e-10)
    assert looked.cost.evaluations == 23


def test_equal_blocks_are_the_formulas_of_mccandlish():
    """On a linear model with squared loss, whose block gradients are written out."""
    model, data = nn.Sequential(nn.Flatten(), nn.Linear(12, CLASSES)).double(), samples(24)
    blocks = source(count=24, block_size=6)
    means = []
    for indices in blocks.order.blocks(0):
        inputs = data.inputs[indices].flatten(1)
        error = (inputs @ model[1].weight.T + model[1].bias).softmax(1) - torch.eye(CLASSES)[data.targets[indices]]
        means.append(torch.cat([(error.T @ inputs / 6).flatten(), error.mean(0)]).detach())
    small = sum(float(mean.square().sum()) for mean in means) / 4
    large = float((sum(means) / 4).square().sum())
    columns = GradientNoiseScale()(state(model, blocks))
    assert columns["squared_gradient"] == pytest.approx((24 * large - 6 * small) / 18, rel=1e-10)
    assert columns["trace"] == pytest.approx((small - large) / (1 / 6 - 1 / 24), rel=1e-10)


@pytest.mark.parametrize("sizes", [(5, 5, 5), (6, 6, 5, 5), (9, 1, 3)])
def test_unbiased_for_ragged_blocks(sizes):
    """Gaussian sample gradients of mean G and covariance C: the means of many estimates are |G|^2 and tr(C)."""
    draw = torch.Generator().manual_seed(0)
    mean, spread = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([2.0, 1.0, 3.0]).double()
    repeats = 4000
    found = []
    for _ in range(repeats):
        gradients = [mean + spread * torch.randn(size, 3, generator=draw, dtype=torch.float64) for size in sizes]
        found.append(noise_scale(gradient_moments((len(each), [each.mean(0)]) for each in gradients)))
    for name, value in (("squared_gradient", 5.25), ("trace", 14.0)):
        estimates = torch.tensor([columns[name] for columns in found])
        error = float(estimates.std()) / math.sqrt(repeats)
        assert abs(float(estimates.mean()) - value) < 4 * error, name
        assert error < 0.1 * value


def test_a_single_block_says_nothing():
    columns = GradientNoiseScale()(state(network("mlp"), source(block_size=23)))
    assert all(math.isnan(value) for value in columns.values())
    with pytest.raises(ValueError, match="no blocks"):
        gradient_moments([])
