"""Takeuchi's criterion: linear regression and softmax regression in closed form, a network's dense Hessian."""

import pytest
import torch
import torch.nn.functional as F
from problems import network, smooth_network, source
from quadratics import least_squares
from states import state

from fbgd.errors import ConfigError
from fbgd.probes import InformationCriterion, criterion, flatten


def regression(count=40, size=3):
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, size, generator=draw, dtype=torch.float64)
    targets = inputs @ torch.ones(size).double() + torch.randn(count, generator=draw, dtype=torch.float64)
    return inputs, targets, torch.linalg.lstsq(inputs, targets[:, None]).solution[:, 0]


def test_of_least_squares():
    """H = X^T X / n, and C = X^T diag(r^2) X / n at the minimum, where the mean gradient is zero."""
    inputs, targets, at = regression()
    columns = InformationCriterion(damping=0)(least_squares(inputs, targets, at))
    hessian = inputs.T @ inputs / len(inputs)
    noise = inputs.T @ torch.diag((targets - inputs @ at) ** 2) @ inputs / len(inputs)
    expected = torch.trace(noise @ torch.linalg.inv(hessian)) / len(inputs)
    assert columns["tic"] == pytest.approx(float(expected), rel=1e-9)
    assert columns["hessian"] == pytest.approx(float(torch.trace(hessian)), rel=1e-9)
    assert columns["covariance"] == pytest.approx(float(torch.trace(noise)), rel=1e-9)
    assert columns["ratio"] == pytest.approx(float(torch.trace(noise) / torch.trace(hessian)) / len(inputs), rel=1e-9)
    assert columns["positive"] == 1


def test_it_predicts_the_gap_of_a_well_specified_regression():
    """Over data sets, half the squared error of fresh labels minus that of the training set is p / n."""
    draw, gaps, told = torch.Generator().manual_seed(1), [], []
    inputs = torch.randn(50, 4, generator=draw, dtype=torch.float64)
    for _ in range(400):
        labels, fresh = (torch.randn(50, generator=draw, dtype=torch.float64) for _ in range(2))
        at = torch.linalg.lstsq(inputs, labels[:, None]).solution[:, 0]
        losses = [float((inputs @ at - own).square().mean()) / 2 for own in (fresh, labels)]
        gaps.append(losses[0] - losses[1])
        residuals = labels - inputs @ at
        told.append(criterion(inputs.T @ inputs / 50, inputs * residuals[:, None], 0.0)["tic"])
    gap, told = torch.tensor(gaps).mean(), torch.tensor(told).mean()
    assert float(gap) == pytest.approx(4 / 50, abs=0.02)
    # Residuals are smaller than the noise, by p / n to first order.
    assert float(told) == pytest.approx(4 / 50, rel=0.2)


def test_reparametrisation_changes_nothing_without_damping():
    """H -> A^T H A and g -> A^T g keep tr(C H^-1)."""
    inputs, targets, at = regression()
    gradients, hessian = inputs * (inputs @ at - targets)[:, None], inputs.T @ inputs / len(inputs)
    change = torch.diag(torch.tensor([100.0, 1.0, 0.01])).double()
    there = criterion(change @ hessian @ change, gradients @ change, 0.0)
    here = criterion(hessian, gradients, 0.0)
    assert there["tic"] == pytest.approx(here["tic"], rel=1e-6)
    assert there["largest"] > 100 * here["largest"]
    assert criterion(change @ hessian @ change, gradients @ change, 1e-2)["tic"] < 0.9 * here["tic"]


@pytest.mark.parametrize("norm", ["none", "layer", "group"])
def test_of_a_network_with_its_dense_hessian(norm):
    """By plain autograd over all samples at once, row by row, and inverses entry by entry."""
    model, blocks = smooth_network() if norm == "none" else network("mlp", norm), source()
    looked = state(model, blocks)
    columns = InformationCriterion(damping=0.1)(looked)
    names = [name for name, _ in model.named_parameters()]
    data = blocks.data.samples

    def losses(vector):
        parts = vector.split([param.numel() for param in model.parameters()])
        shaped = {name: part.view(param.shape)
                  for name, part, param in zip(names, parts, model.parameters(), strict=True)}  # fmt: skip
        return F.cross_entropy(torch.func.functional_call(model, shaped, data.inputs), data.targets, reduction="none")

    at = torch.cat([param.detach().flatten() for param in model.parameters()])
    point = at.clone().requires_grad_()
    slope = torch.autograd.grad(losses(point).mean(), point, create_graph=True)[0]
    hessian = torch.stack([torch.autograd.grad(entry, point, retain_graph=True)[0] for entry in slope])
    rows = torch.stack([torch.autograd.grad(own, point, retain_graph=True)[0] for own in losses(point)])
    noise = torch.cov(rows.T, correction=0)
    values, vectors = torch.linalg.eigh(hessian)
    positive = values > 1e-10 * values.abs().max()
    inverse = vectors[:, positive] @ torch.diag(1 / (values[positive] + 0.1 * values[-1])) @ vectors[:, positive].T
    assert columns["tic"] == pytest.approx(float(torch.trace(noise @ inverse)) / 23, rel=1e-7)
    assert columns["largest"] == pytest.approx(float(values[-1]), rel=1e-9)
    assert columns["smallest"] == pytest.approx(float(values[0]), rel=1e-7)
    assert looked.cost.evaluations == 23 * (2 * len(at) + 1)


def test_with_batch_norm_blocks_take_the_place_of_samples():
    """The mean of block Hessians row by row, and the covariance of block gradients times their mean size."""
    model, blocks = network("mlp", "batch"), source()
    columns = InformationCriterion(damping=0.1)(state(model, blocks))
    params, rows, sizes, hessian = list(model.parameters()), [], [], 0
    for stack in blocks.training_pass(0).stacks(1):
        loss = F.cross_entropy(model(stack.inputs[0]), stack.targets[0])
        slope = flatten(torch.autograd.grad(loss, params, create_graph=True))
        sizes.append(len(stack.targets[0]))
        rows.append(slope.detach())
        second = [flatten(torch.autograd.grad(entry, params, retain_graph=True)) for entry in slope]
        hessian = hessian + sizes[-1] / 23 * torch.stack(second)
    noise = 23 / 4 * torch.cov(torch.stack(rows).T, correction=0, fweights=torch.tensor(sizes))
    values, vectors = torch.linalg.eigh(hessian)
    positive = values > 1e-10 * values.abs().max()
    inverse = vectors[:, positive] @ torch.diag(1 / (values[positive] + 0.1 * values[-1])) @ vectors[:, positive].T
    assert columns["tic"] == pytest.approx(float(torch.trace(noise @ inverse)) / 23, rel=1e-7)
    assert columns["hessian"] == pytest.approx(float(torch.trace(hessian)), rel=1e-9)


def test_too_large_a_network_is_refused():
    with pytest.raises(ConfigError, match=r"beyond limit = 20: .* choose a smaller network"):
        InformationCriterion(limit=20)(state(network("mlp"), source()))
