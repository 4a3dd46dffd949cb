"""Directions filter by filter, lines and planes on functions that are known."""

import pytest
import torch
from problems import network, parameters, source
from states import state

from fbgd.probes import flatten, regrouped, surface
from fbgd.probes.landscape import Plane, filter_normalised, grid, line, through


def test_filters_become_as_long_as_those_of_the_weights():
    params = parameters(network("resnet", "batch"))
    direction = [torch.randn_like(param) for param in params]
    for own, scaled, param in zip(direction, filter_normalised(direction, params), params, strict=True):
        if param.dim() < 2:
            assert not scaled.any()
            continue
        for before, after, weights in zip(own, scaled, param, strict=True):
            assert float(after.norm()) == pytest.approx(float(weights.norm()), rel=1e-12)
            cosine = (before * after).sum() / (before.norm() * after.norm())
            assert float(cosine) == pytest.approx(1)
    zero = filter_normalised([torch.zeros(2, 3)], [torch.ones(2, 3)])
    assert not zero[0].any()


def test_a_plane_holds_its_three_points():
    points = [[torch.randn(2, 3, dtype=torch.float64), torch.randn(4, dtype=torch.float64)] for _ in range(3)]
    plane = through(*points)
    for point in points:
        again = plane.point(*plane.coordinates(point))
        torch.testing.assert_close(flatten(again), flatten(point))
    across, up = flatten(plane.across), flatten(plane.up)
    assert float(across @ up) == pytest.approx(0, abs=1e-12)
    assert float(across.norm()) == pytest.approx(1)
    assert plane.coordinates(points[0]) == pytest.approx((0, 0), abs=1e-12)
    with pytest.raises(ValueError, match="on one line"):
        through(points[0], points[1], points[1])


def test_values_along_a_line_and_over_a_plane():
    origin, across, up = [torch.zeros(2)], [torch.tensor([1.0, 0.0])], [torch.tensor([0.0, 2.0])]
    squares = grid(lambda params: [float((params[0] ** 2).sum()), 1.0], Plane(origin, across, up), [(1, 1), (-2, 0.5)])
    assert squares == [[5.0, 1.0], [5.0, 1.0]]
    ends = line(lambda params: [float(params[0].sum())], across, up, [0, 1, 2])
    assert ends == [[1.0], [2.0], [3.0]]


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_blocks_are_regrouped_only_where_nothing_tells_them_apart(norm):
    model, blocks = network("mlp", norm), source()
    looked = state(model, blocks)
    assert len(regrouped(looked)) == (4 if norm == "batch" else 1)
    landscape = surface(looked)
    value, gradient = landscape.value_and_gradient(landscape.origin)
    assert value == pytest.approx(landscape.value(landscape.origin), rel=1e-12)
    expected = sum(size / 23 * flatten(own) for size, own in state(model, blocks).block_gradients())
    torch.testing.assert_close(gradient, expected)
