"""SGD's noise put back: its covariance against the one of block gradients, its trace, its cost, when it begins."""

from functools import partial

import pytest
import torch
from noise_oracles import covariance, dense_hessian
from problems import network, parameters, smooth_network, source
from reference import flat

from fbgd.config.build import build, work
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.objective import classification
from fbgd.engine.train import train
from regularizers import Moment, SGDNoise
from regularizers.leading import leading_eigenvector

STRUCTURES = ("isotropic", "diagonal", "covariance", "leading")


def noises(model, blocks, count, blocks_per_call=1, **options):
    """So many draws (count, D) of the noise alone, at the model's parameters, of ragged blocks."""
    mean, params = MeanGradient(classification(model), (), blocks_per_call), parameters(model)
    blocks_at = partial(mean.of_blocks, blocks=blocks)
    still = [torch.zeros_like(param) for param in params]
    noise = SGDNoise(**options)
    draws = [Moment(0.0, lambda seed=seed: torch.Generator().manual_seed(seed)) for seed in range(count)]
    return torch.stack([flat(noise(still, params, blocks_at, moment)) for moment in draws])


def expected_covariance(model, blocks, structure):
    """What the covariance of the noise is to be, in closed form."""
    _, _, matrix = covariance(model, blocks)
    if structure == "covariance":
        return matrix
    if structure == "diagonal":
        return torch.diag(matrix.diag())
    if structure == "isotropic":
        return torch.eye(len(matrix), dtype=matrix.dtype) * matrix.trace() / len(matrix)
    vector = torch.linalg.eigh(dense_hessian(model, blocks)).eigenvectors[:, -1]
    return matrix.trace() * torch.outer(vector, vector)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_noise_has_its_covariance_and_sgd_s_trace(structure):
    model, blocks = smooth_network(), source().training_pass(0)
    count = 150 if structure == "leading" else 1500
    found = noises(model, blocks, count, 10, structure=structure, scale=0.25, products=12)
    expected = 0.25 * expected_covariance(model, blocks, structure)
    squares = found.square().sum(1)
    assert float(squares.mean()) == pytest.approx(float(expected.trace()), abs=4 * float(squares.std()) / count**0.5)
    # The error of a Gaussian's empirical covariance: (|C|^2 + tr(C)^2) / count, in squared Frobenius norm.
    error = (found.T @ found / count - expected).norm()
    bound = ((expected.norm() ** 2 + expected.trace() ** 2) / count).sqrt()
    assert float(error) < 2 * float(bound)
    if structure != "covariance":
        _, _, other = covariance(model, blocks)
        assert float((found.T @ found / count - 0.25 * other).norm()) > 3 * float(bound)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_draws_do_not_depend_on_how_many_blocks_are_taken_at_a_time(structure):
    model, blocks = network("mlp", "batch"), source().training_pass(0)
    single, several = (noises(model, blocks, 2, calls, structure=structure, products=4) for calls in (1, 10))
    torch.testing.assert_close(single, several, rtol=1e-6, atol=1e-9)


def test_the_leading_eigenvector_is_that_of_the_largest_not_of_the_longest():
    draw = torch.Generator().manual_seed(0)
    square = torch.randn(12, 12, generator=draw, dtype=torch.float64)
    matrix = square + square.T - 4 * torch.eye(12)
    values, vectors = torch.linalg.eigh(matrix)
    assert -values[0] > values[-1]
    found = leading_eigenvector(lambda vector: matrix @ vector, torch.ones(12).double(), 12)
    assert float(abs(found @ vectors[:, -1])) == pytest.approx(1, abs=1e-9)
    # Few steps do as well as the Krylov space allows, and a space of one vector is left at once.
    few = leading_eigenvector(lambda vector: matrix @ vector, torch.ones(12).double(), 3)
    assert float(few.norm()) == pytest.approx(1)
    assert float(few @ matrix @ few) > float(torch.ones(12).double() @ matrix @ torch.ones(12).double()) / 12
    assert torch.equal(leading_eigenvector(lambda vector: 2 * vector, torch.eye(3)[0], 3), torch.eye(3)[0])


WORDS = ["data.source.train=60", "data.source.test=20", "model=mlp", "model.width=4", "regime=full_batch",
         "regime.block_size=9", "impl.blocks_per_call=3", "precision=fp64", "schedule=constant",
         "budget.passes=4", "record.evaluate_every=4"]  # fmt: skip


def trained(*words):
    """Rows and weights of a run."""
    config = compose([*WORDS, *words])
    experiment, rows = build(config).experiment, []
    train(experiment, Progress(), lambda row, _: rows.append(row))
    return rows, flat(experiment.model.parameters()), work(config)


def test_what_it_evaluates_is_counted_and_begins_when_it_is_to():
    """Two passes without noise, two with: one gradient more of every sample, and one for each product."""
    plain, weights, _ = trained()
    late, changed, expected = trained("regularizer=sgd_noise", "regularizer.sgd_noise.start=2")
    assert [row["loss"] for row in late[:3]] == [row["loss"] for row in plain[:3]]
    assert not torch.equal(weights, changed)
    assert [row["gradient_evaluations"] for row in late] == [60, 120, 240, 360]
    assert expected == 8
    leading = ("regularizer=sgd_noise", "regularizer.sgd_noise.structure=leading", "regularizer.sgd_noise.products=3")
    rows, _, expected = trained(*leading, "optimizer=sgd")
    assert rows[-1]["gradient_evaluations"] == 60 * expected == 60 * 4 * 5
    assert torch.equal(trained("regularizer=sgd_noise", "regularizer.sgd_noise.scale=0")[1], weights)


def test_clipping_sees_the_noise():
    """It bounds what the optimizer gets, as it does with SGD's own noise."""
    rows, _, _ = trained(
        "regularizer=[sgd_noise,gradient_clipping]",
        "regularizer.sgd_noise.scale=1e6",
        "regularizer.gradient_clipping.max_norm=0.01",
        "optimizer._target_=torch.optim.SGD",
        "optimizer.lr=1",
    )
    quiet, _, _ = trained("optimizer._target_=torch.optim.SGD", "optimizer.lr=1e-9")
    assert rows[-1]["parameter_norm"] == pytest.approx(quiet[-1]["parameter_norm"], abs=0.041)
