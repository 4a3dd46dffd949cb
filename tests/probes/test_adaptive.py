"""Adaptive sharpness of bowls in closed form, per block, and under rescaling."""

import pytest
import torch
from problems import smooth_network, source
from quadratics import bowl
from states import state

from fbgd.errors import ConfigError
from fbgd.probes import AdaptiveSharpness, signed_ascent

CURVATURES = [4.0, 1.0, 0.5]
AT = [0.3, -2.0, 1.0]
WEIGHTED = sum(h * x * x for h, x in zip(CURVATURES, AT, strict=True))


def test_of_a_bowl():
    """At worst every weight grows by its share: h x^2 (rho + rho^2 / 2); on average rho^2 h x^2 / 2."""
    rho = 0.1
    columns = AdaptiveSharpness(rho=rho, steps=10, samples=20_000)(bowl(CURVATURES, AT))
    assert columns["worst"] == pytest.approx(WEIGHTED * (rho + rho**2 / 2), rel=1e-12)
    assert columns["average"] == pytest.approx(WEIGHTED * rho**2 / 2, rel=0.03)


def test_rescaling_weights_changes_nothing():
    """x -> a x with h -> h / a^2 is the same function."""
    scales = [10.0, 0.1, 3.0]
    other = bowl([h / a**2 for h, a in zip(CURVATURES, scales, strict=True)],
                 [a * x for a, x in zip(scales, AT, strict=True)])  # fmt: skip
    probe = AdaptiveSharpness(rho=0.1)
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
