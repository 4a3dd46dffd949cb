"""The covariance of block gradients and its alignment with the Hessian, against dense matrices and closed forms."""

import math

import pytest
import torch
from noise_oracles import covariance, dense_hessian
from problems import network, smooth_network, source
from states import state

from fbgd.data import Samples, TrainingSet
from fbgd.engine.blocks import BlockOrder, BlockSource
from fbgd.probes import GradientCovariance, block_matrix, gradient_moments


@pytest.mark.parametrize(("of", "norm"), [("blocks", "none"), ("blocks", "batch"), ("samples", "layer")])
def test_spectrum_and_alignment_are_those_of_dense_matrices(of, norm):
    """Ragged blocks of different samples; exact, since there are no more blocks than vectors."""
    model, blocks = network("mlp", norm), source()
    looked = state(model, blocks)
    columns = GradientCovariance(count=4, of=of, vectors=23)(looked)
    one_pass = blocks.training_pass(0)
    _, _, matrix = covariance(model, one_pass, of)
    hessian = dense_hessian(model, one_pass)
    exact = torch.linalg.eigvalsh(matrix).flip(0)
    # Four blocks have a covariance of rank three.
    expected = exact[:4].tolist() if of == "samples" else [*exact[:3].tolist(), 0.0]
    found = [columns[f"eigenvalue_{place}"] for place in range(1, 5)]
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-14)
    assert columns["trace"] == pytest.approx(float(matrix.trace()), rel=1e-10)
    assert columns["participation"] == pytest.approx(float(matrix.trace() ** 2 / (matrix @ matrix).trace()), rel=1e-9)
    assert columns["alignment"] == pytest.approx(float((hessian @ matrix).trace()), rel=1e-9)
    assert columns["alignment_error"] == 0
    ratio = len(hessian) * columns["alignment"] / (columns["hessian_trace"] * columns["trace"])
    assert columns["anisotropy"] == pytest.approx(ratio, rel=1e-12)
    assert abs(columns["hessian_trace"] - float(hessian.trace())) < 5 * columns["hessian_trace_error"]
    products = 23 + (4 if of == "blocks" else 23)
    assert looked.cost.evaluations == 23 + 2 * 23 * products


def test_the_trace_is_that_of_the_moments():
    model, blocks = smooth_network(), source()
    looked = state(model, blocks)
    columns = GradientCovariance(vectors=0)(looked)
    assert columns["trace"] == pytest.approx(gradient_moments(looked.block_gradients()).trace, rel=1e-12)
    assert "anisotropy" not in columns


def seeded_state(model, blocks, seed, **options):
    """A state whose generators depend on a seed."""
    made = state(model, blocks, **options)
    object.__setattr__(made, "generator", lambda *index: torch.Generator().manual_seed(1000 * seed + sum(index)))
    return made


def test_estimates_scatter_about_the_truth_by_their_errors():
    """With fewer vectors than blocks both traces are means over random vectors."""
    model, blocks = smooth_network(), source(23, 4)
    one_pass = blocks.training_pass(0)
    _, _, matrix = covariance(model, one_pass)
    hessian = dense_hessian(model, one_pass)
    truths = {"alignment": float((hessian @ matrix).trace()), "hessian_trace": float(hessian.trace())}
    looks = [GradientCovariance(vectors=4)(seeded_state(model, blocks, seed)) for seed in range(25)]
    for name, truth in truths.items():
        values = torch.tensor([look[name] for look in looks], dtype=torch.float64)
        errors = torch.tensor([look[f"{name}_error"] for look in looks], dtype=torch.float64)
        assert values.mean() == pytest.approx(truth, abs=4 * float(values.std()) / math.sqrt(25))
        assert float(values.std()) == pytest.approx(float(errors.square().mean().sqrt()), rel=0.35)


def test_a_choice_of_blocks_has_the_covariance_of_all_on_average():
    model, blocks = smooth_network(), source(24, 2)
    whole = GradientCovariance(vectors=0)(state(model, blocks))["trace"]
    looks = [seeded_state(model, blocks, seed) for seed in range(120)]
    traces = torch.tensor([GradientCovariance(vectors=0, most=4)(look)["trace"] for look in looks])
    assert {look.cost.evaluations for look in looks} == {8}
    error = float(traces.std()) / math.sqrt(120)
    assert float(traces.mean()) == pytest.approx(whole, abs=4 * error)
    # The factor is 1.22: without it the mean would be far off.
    assert error < 0.05 * whole
    assert block_matrix(looks[0], most=4).total == 12


def regression(residuals):
    """Linear regression with these residuals at the parameters: its state, its inputs."""
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(len(residuals), 5, generator=draw, dtype=torch.float64) * torch.tensor([3.0, 2, 1, 1, 0.1])
    model = torch.nn.Linear(5, 1, bias=False).double()
    targets = (model(inputs).detach().squeeze(1) - residuals).detach()

    def objective(params, inputs, targets, key):
        loss = ((inputs @ params[0].squeeze(0) - targets) ** 2 / 2).mean()
        return loss, (loss.detach(), loss.detach())

    data = TrainingSet(Samples(inputs, targets))
    blocks = BlockSource(data, BlockOrder(len(residuals), 7, "all", "fixed", 0))
    return state(model, blocks, objective=objective), inputs


def test_of_linear_regression_with_residuals_of_one_size_it_is_the_hessian():
    """g_i = r_i x_i, so with r = 1 or -1 the second moment of sample gradients is H = X'X / N itself."""
    residuals = torch.ones(40, dtype=torch.float64)
    residuals[::2] = -1
    looked, inputs = regression(residuals)
    hessian = inputs.T @ inputs / 40
    mean = (residuals.unsqueeze(1) * inputs).mean(0)
    matrix = hessian - torch.outer(mean, mean)
    columns = GradientCovariance(of="samples", vectors=40)(looked)
    assert columns["trace"] == pytest.approx(float(matrix.trace()), rel=1e-12)
    assert columns["alignment"] == pytest.approx(float((hessian @ matrix).trace()), rel=1e-12)
    spectrum = [columns[f"eigenvalue_{place}"] for place in range(1, 6)]
    assert spectrum == pytest.approx(torch.linalg.eigvalsh(matrix).flip(0).tolist(), rel=1e-9)
    assert columns["anisotropy"] > 1.5


def test_without_noise_there_is_no_ratio():
    looked, _ = regression(torch.zeros(21, dtype=torch.float64))
    columns = GradientCovariance()(looked)
    # The targets were rounded.
    assert columns["trace"] == pytest.approx(0, abs=1e-28)
    single = state(smooth_network(), source(6, 6))
    alone = GradientCovariance()(single)
    assert (alone["trace"], alone["alignment"]) == (0, 0)
    assert math.isnan(alone["anisotropy"])
    assert math.isnan(alone["participation"])
