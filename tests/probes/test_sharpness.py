"""Hessian products and their largest eigenvalues: dense Hessians in float64, closed forms, and scipy's own solver."""

import numpy as np
import pytest
import torch
from problems import network, objective, parameters, smooth_network, source
from reference import dense_hessian
from scipy.sparse.linalg import LinearOperator, eigsh
from states import state

import optimizers
from fbgd.data import Samples, TrainingSet
from fbgd.engine.blocks import BlockSource
from fbgd.probes import GaussNewton, PreconditionedSharpness, Sharpness, flatten, lanczos, unflatten
from fbgd.probes.products import HessianProduct


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "group"])
def test_products_are_those_of_the_dense_hessian(norm):
    """Ragged blocks of different samples; batch norm is where other tools go wrong."""
    model, blocks = network("mlp", norm), source().training_pass(0)
    spent = []
    product = HessianProduct(objective(model), parameters(model), blocks, spend=spent.append)
    vector = torch.randn(product.size, dtype=torch.float64)
    matrix = dense_hessian(model, blocks)
    torch.testing.assert_close(product(vector), matrix @ vector, rtol=1e-9, atol=1e-12)
    assert sum(spent) == 2 * 23
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "group"])
def test_the_probe_finds_the_largest_eigenvalues(norm):
    model, blocks = network("mlp", norm), source()
    exact = torch.linalg.eigvalsh(dense_hessian(model, blocks.training_pass(0))).flip(0)
    looked = state(model, blocks)
    columns = Sharpness(count=3, steps=200, tolerance=1e-8)(looked)
    names = ["sharpness", "eigenvalue_2", "eigenvalue_3"]
    assert [columns[name] for name in names] == pytest.approx(exact[:3].tolist(), rel=1e-6)
    assert looked.cost.evaluations == 2 * 23 * columns["products"]
    assert columns["error"] <= 1e-8 * columns["sharpness"]


@pytest.mark.parametrize("probe", [Sharpness, PreconditionedSharpness, GaussNewton])
def test_a_look_costs_at_most_sixty_gradients_of_the_set(probe):
    """As the documentation says, by default; where nothing converges it is exactly that."""
    model, blocks = network("mlp", "none"), source()
    assert sum(param.numel() for param in model.parameters()) > 30
    for optimizer, more in (
        (optimizers.SGD(model.parameters(), lr=0.1), 0),
        (optimizers.SAM(model.parameters(), lr=0.1), 1),
    ):
        most = 60 + more * (probe is PreconditionedSharpness)
        looked = state(model, blocks, optimizer)
        probe()(looked)
        assert 0 < looked.cost.evaluations <= most * 23
        endless = state(model, blocks, optimizer)
        probe(tolerance=0)(endless)
        assert endless.cost.evaluations == most * 23


def test_a_single_precision_network_is_looked_at_in_double_on_request():
    model, blocks = smooth_network(), source()
    exact = float(torch.linalg.eigvalsh(dense_hessian(model, blocks.training_pass(0)))[-1])
    single, data = smooth_network().float(), blocks.data.samples
    rounded = BlockSource(TrainingSet(Samples(data.inputs.float(), data.targets)), blocks.order)
    double = Sharpness(steps=100, tolerance=1e-9, precision="fp64")(state(single, rounded))["sharpness"]
    coarse = Sharpness(steps=100, tolerance=1e-9)(state(single, rounded))["sharpness"]
    # Weights and inputs were rounded once; every product is then rounded again, or not.
    assert double == pytest.approx(exact, rel=1e-5)
    assert coarse == pytest.approx(double, rel=1e-4)
    assert coarse != double


def test_of_a_quadratic_it_is_the_matrix():
    matrix = torch.diag(torch.tensor([5.0, -7.0, 2.0, 0.5])).double()
    found = lanczos(lambda vector: matrix @ vector, torch.ones(4).double(), steps=10)
    values, vectors, errors = found.top(4)
    assert values == pytest.approx([5, 2, 0.5, -7])
    assert errors.max() < 1e-12
    torch.testing.assert_close(matrix @ vectors.T, vectors.T * torch.from_numpy(values.copy()))


def test_an_exhausted_space_ends_the_iteration():
    """Two different eigenvalues, so that two steps know all there is to know."""
    matrix = torch.diag(torch.tensor([3.0, 3.0, 3.0, 1.0])).double()
    found = lanczos(lambda vector: matrix @ vector, torch.ones(4).double(), steps=4)
    assert len(found.diagonal) == 2
    assert found.top(2)[0] == pytest.approx([3, 1])
    with pytest.raises(ValueError, match="length 0"):
        lanczos(lambda vector: vector, torch.zeros(3), steps=2)


@pytest.mark.parametrize("seed", range(3))
def test_error_bounds_hold_and_scipy_agrees(seed):
    draw = torch.Generator().manual_seed(seed)
    square = torch.randn(60, 60, generator=draw, dtype=torch.float64)
    matrix = square + square.T
    exact = torch.linalg.eigvalsh(matrix).numpy()
    start = torch.randn(60, generator=draw, dtype=torch.float64)
    for steps in (5, 15, 30):
        values, _, bounds = lanczos(lambda vector: matrix @ vector, start, steps).top(3)
        for value, bound in zip(values, bounds, strict=True):
            assert np.abs(exact - value).min() <= bound + 1e-10
    operator = LinearOperator((60, 60), matvec=lambda vector: matrix.numpy() @ vector, dtype=float)
    values = lanczos(lambda vector: matrix @ vector, start, 60, count=4, tolerance=1e-10).top(4)[0]
    assert np.sort(values) == pytest.approx(np.sort(eigsh(operator, 4, which="LA")[0]), rel=1e-8)


def test_vectors_and_lists_of_tensors():
    tensors = [torch.randn(2, 3), torch.randn(()), torch.randn(4)]
    again = unflatten(flatten(tensors), tensors)
    assert all(torch.equal(left, right) for left, right in zip(tensors, again, strict=True))
