"""The largest rise in a box: at the corner of a convex quadratic, on scipy's own terms, and never below zero."""

import numpy as np
import pytest
import torch
from problems import smooth_network, source
from quadratics import bowl
from states import state

from fbgd.errors import ConfigError
from fbgd.probes import KeskarSharpness, surface

CURVATURES = [4.0, 1.0, 0.5]
AT = [0.3, -2.0, 1.0]


def test_of_a_bowl_it_is_the_corner_of_the_box():
    """A sum of h x^2 / 2 is largest where every |x| is: the corner away from 0."""
    epsilon = 0.01
    curvatures, place = np.array(CURVATURES), np.array(AT)
    corner = np.abs(place) + epsilon * (np.abs(place) + 1)
    before, after = (0.5 * float(curvatures @ (values**2)) for values in (place, corner))
    columns = KeskarSharpness(epsilon=epsilon, iterations=30)(bowl(CURVATURES, AT))
    assert columns["sharpness"] == pytest.approx(100 * (after - before) / (1 + before), rel=1e-9)


def test_at_the_bottom_it_leaves_the_middle():
    """The gradient is 0 there, and any corner is as high."""
    columns = KeskarSharpness(epsilon=0.1, iterations=30)(bowl(CURVATURES, [0.0, 0.0, 0.0]))
    assert columns["sharpness"] == pytest.approx(100 * 0.5 * sum(CURVATURES) * 0.1**2, rel=1e-9)


def test_of_a_subspace_it_stays_within_its_box():
    """The rise is one that a fine grid over the one-dimensional subspace finds, too."""
    looked = bowl(CURVATURES, AT)
    found = KeskarSharpness(epsilon=0.05, iterations=30, subspace=1)(looked)["sharpness"]
    direction = torch.randn(3, 1, generator=looked.generator(0), dtype=torch.float64)[:, 0].numpy()
    direction /= np.linalg.norm(direction)
    bound = 0.05 * (abs(direction @ np.array(AT)) + 1)
    losses = [0.5 * float(np.array(CURVATURES) @ (np.array(AT) + step * direction) ** 2)
              for step in np.linspace(-bound, bound, 1001)]  # fmt: skip
    before = losses[500]
    assert found == pytest.approx(100 * (max(losses) - before) / (1 + before), rel=1e-9)


def test_a_network_is_no_lower_than_random_points_of_its_box_and_the_cost_is_counted():
    model, blocks = smooth_network(), source()
    looked = state(model, blocks)
    columns = KeskarSharpness(epsilon=0.01)(looked)
    assert looked.cost.evaluations == 23 * columns["evaluations"]
    landscape = surface(looked)
    before, bounds = landscape.value(landscape.origin), 0.01 * (landscape.origin.abs() + 1)
    draw = torch.Generator().manual_seed(1)
    for _ in range(50):
        signs = torch.randint(0, 2, bounds.shape, generator=draw) * 2 - 1
        rise = 100 * (landscape.value(landscape.origin + signs * bounds) - before) / (1 + before)
        assert columns["sharpness"] > rise
    with pytest.raises(ConfigError, match="epsilon = -1"):
        KeskarSharpness(epsilon=-1)
