"""Adaptive sharpness of bowls in closed form, per block, and under rescaling."""

import numpy as np
import pytest
import torch
from problems import smooth_network, source
from quadratics import bowl
from scipy.optimize import brentq
from states import state

from fbgd.errors import ConfigError
from fbgd.probes import AdaptiveSharpness, signed_ascent
from fbgd.probes.adaptive import normed_ascent
from optimizers import SAM

CURVATURES = [4.0, 1.0, 0.5]
AT = [0.3, -2.0, 1.0]
WEIGHTED = sum(h * x * x for h, x in zip(CURVATURES, AT, strict=True))


def test_of_a_bowl():
    """At worst every weight grows by its share: h x^2 (rho + rho^2 / 2); on average rho^2 h x^2 / 2."""
    rho = 0.1
    columns = AdaptiveSharpness(rho=rho, steps=10, samples=20_000)(bowl(CURVATURES, AT))
    assert columns["worst"] == pytest.approx(WEIGHTED * (rho + rho**2 / 2), rel=1e-12)
    assert columns["average"] == pytest.approx(WEIGHTED * rho**2 / 2, rel=0.03)


def test_of_a_bowl_in_a_ball():
    """The largest of sum a (1 + u)^2 / 2 with norm(u) = rho: u = a / (m - a), with the multiplier m by its norm."""
    rho = 0.3
    weights = np.array([h * x * x for h, x in zip(CURVATURES, AT, strict=True)])
    multiplier = brentq(lambda m: np.linalg.norm(weights / (m - weights)) - rho, 1.001 * weights.max(), 1e4)
    shares = weights / (multiplier - weights)
    expected = (weights * ((1 + shares) ** 2 - 1)).sum() / 2
    columns = AdaptiveSharpness(rho=rho, steps=60, samples=0, norm="l2")(bowl(CURVATURES, AT))
    assert columns["worst"] == pytest.approx(expected, rel=1e-6)


def test_the_first_step_in_a_ball_is_asam_s():
    """The closure of ASAM's second evaluation is at the same point."""
    origin, seen = torch.tensor([0.5, -2.0, 0.0], dtype=torch.float64), []

    def slope(x):
        seen.append(x.clone())
        return float((x**3).sum() + x.sum()), 3 * x**2 + 1

    normed_ascent(slope, origin, 0.2, 1)
    weight, places = torch.nn.Parameter(origin.clone()), []
    optimizer = SAM([weight], lr=0.0, rho=0.2, adaptive=True, eta=0.0)

    def closure():
        places.append(weight.detach().clone())
        weight.grad = 3 * weight.detach() ** 2 + 1
        return weight.sum()

    optimizer.step(closure)
    assert places[1].tolist() == pytest.approx(seen[1].tolist(), rel=1e-9)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_rescaling_weights_changes_nothing(norm):
    """x -> a x with h -> h / a^2 is the same function."""
    scales = [10.0, 0.1, 3.0]
    other = bowl([h / a**2 for h, a in zip(CURVATURES, scales, strict=True)],
                 [a * x for a, x in zip(scales, AT, strict=True)])  # fmt: skip
    probe = AdaptiveSharpness(rho=0.1, norm=norm)
    assert probe(other) == pytest.approx(probe(bowl(CURVATURES, AT)), rel=1e-9)


def test_ascent_halves_its_steps_where_the_top_is_inside():
    """The top of -(x - 1.05)^2 lies half way to the edge of the box around 1."""
    rise = signed_ascent(lambda x: (-float((x - 1.05) ** 2), -2 * (x - 1.05)), torch.ones(1).double(), 0.1, 40)
    assert rise == pytest.approx(0.05**2, rel=1e-6)


def test_blocks_of_their_own_rise_more_and_the_cost_is_counted():
    model, blocks = smooth_network(), source()
    looked = state(model, blocks)
    shared = AdaptiveSharpness(steps=8, samples=4)(looked)["worst"]
    assert looked.cost.evaluations == 23 * (1 + 8 + 4 + 1)
    own = AdaptiveSharpness(steps=8, samples=0, per="block")(state(model, blocks))
    assert own["worst"] > shared > 0
    assert "average" not in own
    with pytest.raises(ConfigError, match="rho = 0"):
        AdaptiveSharpness(rho=0)
    with pytest.raises(ConfigError, match="norm = 'l1' must be one of linf, l2"):
        AdaptiveSharpness(norm="l1")
