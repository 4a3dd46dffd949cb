"""The trace and the density of the Hessian's eigenvalues, against dense Hessians in float64."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from noise_oracles import dense_hessian
from problems import network, smooth_network, source
from scipy.integrate import trapezoid
from states import state

from fbgd.probes import HessianDensity, HessianTrace, SpectralDensity
from fbgd.probes.hessian_trace import mean_form


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_trace_lies_within_its_error(norm):
    model, blocks = network("mlp", norm), source()
    exact = float(dense_hessian(model, blocks.training_pass(0)).trace())
    looked = state(model, blocks)
    columns = HessianTrace(vectors=80)(looked)
    assert columns["trace"] == pytest.approx(exact, abs=4 * columns["error"])
    assert columns["error"] < 0.3 * abs(exact)
    assert looked.cost.evaluations == 2 * 80 * 23
    size = sum(param.numel() for param in model.parameters())
    assert columns["mean_eigenvalue"] == columns["trace"] / size


def test_signs_know_the_diagonal_and_the_error_has_its_closed_form():
    """Of a diagonal matrix every vector of signs gives the trace; else the variance is twice that of the rest."""
    draw = torch.Generator().manual_seed(0)
    vectors = (2.0 * torch.randint(2, (4000, 3), generator=draw) - 1).double()
    diagonal = torch.diag(torch.tensor([1.0, -4.0, 2.0])).double()
    assert mean_form(partial(torch.mv, diagonal), vectors[:9]) == (-1.0, 0.0)
    matrix = torch.tensor([[1.0, 3, 0], [3, 1, 1], [0, 1, 1]]).double()
    found = mean_form(partial(torch.mv, matrix), vectors)
    assert found.value == pytest.approx(3, abs=4 * found.error)
    assert found.error == pytest.approx(math.sqrt(2 * 2 * (9 + 1) / 4000), rel=0.05)


def test_enough_vectors_find_the_whole_density():
    """Moments, extremes and negative share are those of all eigenvalues; the rule is exact for low powers."""
    model, blocks = smooth_network(), source()
    exact = torch.linalg.eigvalsh(dense_hessian(model, blocks.training_pass(0))).numpy()
    looked = state(model, blocks)
    columns = HessianDensity(vectors=20, steps=30)(looked)
    assert looked.cost.evaluations == 2 * 20 * 30 * 23
    assert columns["largest"] == pytest.approx(exact[-1], rel=1e-6)
    assert columns["smallest"] == pytest.approx(exact[0], rel=1e-6)
    # A mean over vectors from the sphere, whose standard deviation is about the root of 2 / (20 D).
    assert columns["mean"] == pytest.approx(exact.mean(), abs=0.1 * exact.std())
    assert columns["std"] == pytest.approx(exact.std(), rel=0.15)
    negative = exact < -1e-6 * np.abs(exact).max()
    assert columns["negative_share"] == pytest.approx(negative.mean(), abs=0.05)
    mass = -exact[negative].sum() / np.abs(exact).sum()
    assert columns["negative_mass"] == pytest.approx(mass, rel=0.3)
    assert columns["q05"] <= columns["q50"] <= columns["q95"]
    assert columns["q95"] == pytest.approx(np.quantile(exact, 0.95), rel=0.3)


def test_one_vector_is_a_quadrature_exact_for_polynomials():
    """v' H^p v of the vector that was drawn, for p up to 2 K - 1 with K = 3 nodes."""
    model, blocks = smooth_network(), source()
    looked = state(model, blocks)
    hessian = dense_hessian(model, blocks.training_pass(0))
    density = HessianDensity(vectors=1, steps=3).density(looked)
    start = torch.randn(len(hessian), generator=looked.generator(1), dtype=torch.float64)
    start /= start.norm()
    assert density.weights.sum() == pytest.approx(1)
    for power in range(6):
        exact = float(start @ torch.linalg.matrix_power(hessian, power) @ start)
        assert density.moment(power) == pytest.approx(exact, rel=1e-8, abs=1e-12)


def test_the_density_on_a_grid_integrates_to_one():
    density = SpectralDensity(np.array([-1.0, 0.0, 4.0]), np.array([0.2, 0.5, 0.3]))
    grid = np.linspace(-4, 8, 4001)
    curve = density.on_grid(grid, 0.3)
    assert trapezoid(curve, grid) == pytest.approx(1, rel=1e-9)
    assert trapezoid(curve * grid, grid) == pytest.approx(density.moment(1), rel=1e-9)
    assert curve.argmax() == np.abs(grid).argmin()
    assert [density.quantile(share) for share in (0.1, 0.2, 0.3, 0.7, 0.71, 1.0)] == [-1, -1, 0, 0, 4, 4]
