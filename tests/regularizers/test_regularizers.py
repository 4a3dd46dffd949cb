"""Hessian-vector products, the penalty and clipping, each against a closed form or autograd."""

import math
import re

import pytest
import torch
from cases import REGULARIZERS
from hypothesis import given
from hypothesis import strategies as st
from reference import norm
from scipy import stats

import regularizers
from regularizers import (
    HVP_METHODS,
    GradientClipping,
    GradientNoise,
    GradientPenalty,
    GradientValueClipping,
    Moment,
    WeightNoise,
    clip_by_global_norm,
    global_norm,
    hvp,
)

every_method = pytest.mark.parametrize("method", HVP_METHODS)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_arguments(name):
    case = REGULARIZERS[name]
    for options in case.valid:
        case.make(**options)
    for argument, refused in case.invalid.items():
        for options in refused:
            with pytest.raises(ValueError, match=re.escape(argument)):
                case.make(**options)


def test_every_public_regulariser_is_in_the_registry():
    roles = {"BlockGradientPenalty", "BlockNoise", "BlockTransform", "GradientTransform", "LossPenalty", "Moment"}
    roles |= {"ParameterNoise", "WeightAverage"}
    public = {name for name in regularizers.__all__ if isinstance(getattr(regularizers, name), type)}
    assert public - roles == set(REGULARIZERS)


def quadratic(size=6, seed=0):
    """A symmetric matrix and the gradient function of 1/2 x A x, over two tensors."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(size, size, generator=generator, dtype=torch.float64)
    matrix = root + root.T

    def grad_fn(params):
        flat = torch.cat([params[0].flatten(), params[1]])
        product = matrix @ flat
        return [product[:4].view(2, 2), product[4:]]

    params = [torch.randn(2, 2, generator=generator).double(), torch.randn(2, generator=generator).double()]
    return matrix, grad_fn, params


@every_method
@given(radius=st.sampled_from([1e-3, 0.01, 0.5]), known=st.booleans())
def test_hvp_of_a_quadratic_is_the_matrix(method, radius, known):
    """A quadratic has no third derivative, so all three forms are exact up to rounding, 1e-16 / radius."""
    matrix, grad_fn, params = quadratic()
    vector = [torch.ones(2, 2).double(), torch.tensor([0.5, -2.0]).double()]
    gradient = grad_fn(params) if known else None
    product = hvp(grad_fn, params, vector, method=method, radius=radius, gradient=gradient)
    expected = matrix @ torch.cat([vector[0].flatten(), vector[1]])
    torch.testing.assert_close(torch.cat([product[0].flatten(), product[1]]), expected, rtol=0, atol=1e-11)


def test_differences_of_a_cubic_have_their_textbook_errors():
    """g(x) = x^2: the forward quotient is 2 x v + eps v^2 and the central one exact, with eps = radius / |v|."""
    x, v, radius = torch.tensor([1.5]).double(), torch.tensor([-3.0]).double(), 0.2

    def grad_fn(params):
        return [params[0] ** 2]

    forward = hvp(grad_fn, [x], [v], method="forward", radius=radius)[0]
    central = hvp(grad_fn, [x], [v], method="central", radius=radius)[0]
    torch.testing.assert_close(forward, 2 * x * v + radius / v.abs() * v**2, rtol=0, atol=1e-12)
    torch.testing.assert_close(central, 2 * x * v, rtol=0, atol=1e-12)


@every_method
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hvp_with_zero_is_zero(method, dtype):
    def grad_fn(params):
        return [params[0] ** 3]

    product = hvp(grad_fn, [torch.ones(3, dtype=dtype)], [torch.zeros(3, dtype=dtype)], method=method)[0]
    assert torch.equal(product, torch.zeros(3, dtype=dtype))
    assert product.dtype is dtype


@pytest.mark.parametrize("size", [1e-19, 1e-23, 1e-30, 1e-44])
def test_vectors_near_underflow_move_the_parameters_by_no_more_than_the_radius(size):
    moved = []

    def grad_fn(params):
        moved.append(params[0])
        return [params[0] ** 3]

    hvp(grad_fn, [torch.zeros(3)], [torch.full((3,), size)], method="central", radius=0.01)
    assert all(point.isfinite().all() and point.abs().max() <= 0.011 for point in moved)


@every_method
def test_hvp_changes_nothing_in_place(method):
    _, grad_fn, params = quadratic()
    before = [param.clone() for param in params]
    vector = [torch.ones_like(param) for param in params]
    hvp(grad_fn, params, vector, method=method)
    assert all(torch.equal(left, right) for left, right in zip(params, before, strict=True))
    assert all(torch.equal(entry, torch.ones_like(entry)) for entry in vector)


@every_method
def test_penalty_gradient_of_a_quadratic_in_closed_form(method):
    """||A x||^2 has the gradient 2 A A x; the coefficient is strength lr / 4."""
    matrix, grad_fn, params = quadratic()
    penalty = GradientPenalty(strength=0.6, method=method)
    added = penalty.gradient(grad_fn, params, grad_fn(params), lr=0.2)
    flat = torch.cat([params[0].flatten(), params[1]])
    expected = 0.6 * 0.2 / 4 * 2 * matrix @ (matrix @ flat)
    torch.testing.assert_close(torch.cat([added[0].flatten(), added[1]]), expected, rtol=0, atol=1e-11)


def test_published_strength():
    """The published code's s = 0.5 adds (lr s / 4) H g; our strength 0.25 adds 2 (0.25 lr / 4) H g: the same."""
    lr, s = 0.8, 0.5
    assert 2 * GradientPenalty(strength=s / 2).coefficient(lr) == pytest.approx(lr * s / 4, rel=1e-15)


@given(scale=st.floats(1e-6, 1e6), max_norm=st.floats(1e-3, 1e3))
def test_clipping_is_exact(scale, max_norm):
    generator = torch.Generator().manual_seed(0)
    gradient = [scale * torch.randn(shape, generator=generator).double() for shape in ((3, 2), (4,))]
    length = norm(gradient)
    clipped = clip_by_global_norm(gradient, max_norm)
    if length <= max_norm:
        assert all(torch.equal(left, right) for left, right in zip(clipped, gradient, strict=True))
    else:
        assert norm(clipped) == pytest.approx(max_norm, rel=1e-12)
        torch.testing.assert_close(clipped[0] / clipped[0].norm(), gradient[0] / gradient[0].norm())
    assert float(global_norm(gradient)) == pytest.approx(length, rel=1e-12)


@given(limit=st.floats(1e-3, 10))
def test_block_clipping_equals_the_step_s_on_one_gradient(limit):
    gradient = [torch.randn(shape).double() for shape in ((3, 2), (4,))]
    both = [GradientClipping(limit, of=of)(gradient) for of in ("step", "block")]
    torch.testing.assert_close(*both, rtol=1e-12, atol=0)


@given(limit=st.floats(1e-3, 3))
def test_value_clipping_is_torch_s(limit):
    gradient = [torch.randn(shape).double() for shape in ((3, 2), (4,))]
    params = [torch.zeros_like(entry).requires_grad_() for entry in gradient]
    for param, entry in zip(params, gradient, strict=True):
        param.grad = entry.clone()
    torch.nn.utils.clip_grad_value_(params, limit)
    assert all(
        torch.equal(left, param.grad)
        for left, param in zip(GradientValueClipping(limit)(gradient), params, strict=True)
    )


def moment(passes=0.0, seed=0):
    """A moment whose random numbers begin at ``seed``."""
    return Moment(passes, lambda: torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("passes", [0.0, 3.0, 99.0])
@pytest.mark.parametrize("decay", [0.0, 0.55])
def test_gradient_noise_has_its_annealed_deviation(passes, decay):
    gradient = [torch.full((60, 50), 2.0).double(), torch.zeros(70).double()]
    std = 0.3 / (1 + passes) ** (decay / 2)
    added = GradientNoise(0.3, decay=decay)(gradient, moment(passes))
    assert stats.kstest((added[0] - 2).flatten().numpy(), stats.norm(0, std).cdf).pvalue > 0.01
    assert (added[1] != 0).all()
    scaled = GradientNoise(0.3, kind="multiplicative", decay=decay)(gradient, moment(passes))
    assert stats.kstest((scaled[0] / 2 - 1).flatten().numpy(), stats.norm(0, std).cdf).pvalue > 0.01
    assert torch.equal(scaled[1], gradient[1])


def test_noise_is_drawn_anew_every_step_and_again_within_one():
    gradient = [torch.zeros(5), torch.zeros(5)]
    first, again, later = (GradientNoise()(gradient, moment(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], later[0])


def test_weight_noise_has_its_deviation_and_leaves_the_weights():
    params = [torch.full((60, 50), 2.0).double()]
    noisy = WeightNoise(0.2)(params, moment())
    assert stats.kstest((noisy[0] - 2).flatten().numpy(), stats.norm(0, 0.2).cdf).pvalue > 0.01
    assert torch.equal(params[0], torch.full((60, 50), 2.0).double())


def test_clipping_zero_is_zero():
    clipped = clip_by_global_norm([torch.zeros(3)], 0.25)
    assert torch.equal(clipped[0], torch.zeros(3))
    assert not math.isnan(float(clipped[0].sum()))
