"""The index of the Hessian: dense Hessians in float64 made without torch.func, and saddles of known index."""

import numpy as np
import pytest
import torch
import torch.nn as nn
from problems import network, smooth_network, source
from states import state

from fbgd.errors import ConfigError
from fbgd.probes import HessianIndex, flatten, unflatten
from fbgd.probes.hessian_index import mean_gradient

CURVATURES = [5.0, 3.0, 2.0, 1.0, 0.0, -0.5, -2.0, -7.0]


class Point(nn.Module):
    """Eight numbers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(1.0, 9.0, dtype=torch.float64))


def dense_hessian(model, blocks):
    """The weighted mean of block Hessians by two reverse passes."""
    names, params = zip(*model.named_parameters(), strict=True)

    def loss_of(stack):
        return lambda vector: nn.functional.cross_entropy(
            torch.func.functional_call(
                model, dict(zip(names, unflatten(vector, params), strict=True)), stack.inputs[0]
            ),
            stack.targets[0],
        )

    start = flatten([param.detach() for param in params])
    return sum(
        len(stack.targets[0]) / blocks.samples * torch.autograd.functional.hessian(loss_of(stack), start)
        for stack in blocks.stacks(1)
    )


def saddle():
    """The state of a quadratic with three downward directions out of eight, one of them flat."""
    curvatures = torch.tensor(CURVATURES, dtype=torch.float64)

    def objective(params, inputs, targets, key):
        value = (curvatures * params[0] ** 2).sum() / 2
        return value, (value.detach(), targets[0])

    return state(Point(), source(block_size=23), objective=objective)


def test_of_a_saddle_it_is_the_index():
    """The gradient is the curvature times the point, 1 to 8: its share along the downward ones by hand."""
    columns = HessianIndex(method="dense")(saddle())
    squares = np.array(CURVATURES) ** 2 * np.arange(1, 9) ** 2
    assert (columns["negative"], columns["share"], columns["share_error"]) == (3, 3 / 8, 0)
    assert (columns["smallest"], columns["largest"]) == pytest.approx((-7, 5))
    assert columns["gradient_norm"] == pytest.approx(np.sqrt(squares.sum()))
    assert columns["gradient_share"] == pytest.approx(squares[-3:].sum() / squares.sum())


def test_quadrature_of_a_saddle_is_its_index_within_its_error():
    """Eight steps know all eight eigenvalues; what is left is the error of the random directions."""
    columns = HessianIndex(directions=60, steps=8)(saddle())
    assert abs(columns["share"] - 3 / 8) < 3 * columns["share_error"] < 0.2
    assert columns["negative"] == pytest.approx(8 * columns["share"])
    assert (columns["smallest"], columns["largest"]) == pytest.approx((-7, 5))
    exact = HessianIndex(method="dense")(saddle())
    assert columns["gradient_share"] == pytest.approx(exact["gradient_share"], rel=1e-9)


def test_what_is_nearly_flat_counts_by_the_threshold():
    counts = [HessianIndex(method="dense", threshold=threshold)(saddle())["negative"] for threshold in (0.0, 0.1, 0.5)]
    assert counts == [3, 2, 1]


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_of_a_network_it_is_that_of_the_dense_hessian(norm):
    model, blocks = network("mlp", norm), source()
    matrix = dense_hessian(model, blocks.training_pass(0))
    values, vectors = torch.linalg.eigh(matrix)
    looked = state(model, blocks)
    columns = HessianIndex(method="dense", threshold=1e-6)(looked)
    negative = values < -1e-6 * values.abs().max()
    assert 0 < columns["negative"] == int(negative.sum()) < len(values)
    assert columns["smallest"] == pytest.approx(float(values[0]), rel=1e-6)
    assert columns["largest"] == pytest.approx(float(values[-1]), rel=1e-6)
    gradient = mean_gradient(state(model, blocks))
    share = float((vectors[:, negative].T @ gradient).square().sum() / gradient.square().sum())
    assert columns["gradient_share"] == pytest.approx(share, rel=1e-6)
    assert looked.cost.evaluations == 23 * (2 * len(values) + 1)


def test_quadrature_of_a_network_agrees_with_its_dense_hessian():
    model, blocks = smooth_network(), source(block_size=12)
    exact = HessianIndex(method="dense")(state(model, blocks))
    looked = state(model, blocks)
    found = HessianIndex(directions=8, steps=40)(looked)
    assert abs(found["share"] - exact["share"]) < 4 * found["share_error"] < 0.2
    assert found["smallest"] == pytest.approx(exact["smallest"], rel=1e-3)
    assert found["largest"] == pytest.approx(exact["largest"], rel=1e-6)
    assert found["gradient_share"] == pytest.approx(exact["gradient_share"], abs=1e-3)


def test_the_gradient_is_that_of_all_samples_at_once():
    model, blocks = smooth_network(), source()
    samples = blocks.data.samples
    loss = nn.functional.cross_entropy(model(samples.inputs), samples.targets)
    expected = flatten(list(torch.autograd.grad(loss, list(model.parameters()))))
    torch.testing.assert_close(mean_gradient(state(model, blocks)), expected)


def test_a_network_that_is_too_large_is_refused():
    with pytest.raises(
        ConfigError, match=r"dense Hessian of 113 parameters is beyond limit = 100: take method=lanczos"
    ):
        HessianIndex(method="dense", limit=100)(state(smooth_network(), source()))
