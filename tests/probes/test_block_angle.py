"""Angles between block gradients, pair by pair, and in closed form."""

import itertools
import math

import pytest
import torch
from noise_oracles import covariance
from problems import network, smooth_network, source
from states import state

from fbgd.probes import BlockAngle
from fbgd.probes.block_angle import angle_columns


def naive(weights, gradients):
    """One pair after another."""

    def cosine(left, right):
        return float(left @ right / (left @ left * (right @ right)).sqrt())

    mean = sum(weight * entries for weight, entries in zip(weights, gradients, strict=True))
    pairs = [
        (float(weights[i] * weights[j]), cosine(gradients[i], gradients[j]))
        for i, j in itertools.combinations(range(len(weights)), 2)
    ]
    alone = [(float(weight), cosine(entries, mean)) for weight, entries in zip(weights, gradients, strict=True)]

    def averages(found):
        total = sum(weight for weight, _ in found)
        return (
            sum(weight * value for weight, value in found) / total,
            sum(weight * math.degrees(math.acos(value)) for weight, value in found) / total,
        )

    return dict(
        zip(("cosine", "angle", "mean_cosine", "mean_angle"), (*averages(pairs), *averages(alone)), strict=True)
    )


@pytest.mark.parametrize(("of", "norm"), [("blocks", "batch"), ("blocks", "none"), ("samples", "none")])
def test_angles_are_those_of_all_pairs(of, norm):
    model, blocks = network("mlp", norm), source()
    weights, gradients, _ = covariance(model, blocks.training_pass(0), of)
    looked = state(model, blocks)
    columns = BlockAngle(of=of)(looked)
    assert columns == pytest.approx(naive(weights, gradients), rel=1e-9)
    assert looked.cost.evaluations == 23


def test_a_choice_of_blocks_costs_as_much_as_they_have_samples():
    looked = state(smooth_network(), source(24, 4))
    BlockAngle(most=3)(looked)
    assert looked.cost.evaluations == 12
    samples = state(smooth_network(), source(24, 4))
    BlockAngle(of="samples", most=5)(samples)
    assert samples.cost.evaluations == 5


def test_signal_and_noise_in_closed_form():
    """Orthogonal noise of length 2 around a mean of length 1: the cosine is 1 / (1 + 4)."""
    gradients = torch.cat([2 * torch.eye(50), torch.ones(50, 1)], dim=1).double()
    columns = angle_columns(torch.full((50,), 1 / 50).double(), gradients)
    assert columns["cosine"] == pytest.approx(1 / 5)
    assert columns["angle"] == pytest.approx(math.degrees(math.acos(1 / 5)))


def test_gradients_of_zero_have_no_direction():
    third = torch.full((3,), 1 / 3).double()
    columns = angle_columns(third, torch.tensor([[1.0, 0], [0, 0], [1, 0]]).double())
    assert columns == {"cosine": 1, "angle": 0, "mean_cosine": 1, "mean_angle": 0}
    alone = angle_columns(third, torch.tensor([[1.0, 0], [0, 0], [0, 0]]).double())
    assert math.isnan(alone["cosine"])
    assert alone["mean_cosine"] == 1
