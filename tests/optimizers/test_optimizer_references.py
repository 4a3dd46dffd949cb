"""Optimizers without a twin in torch.optim against naive ones, and what only they do."""

from functools import partial

import pytest
import torch
from cases import OPTIMIZERS
from hypothesis import given
from hypothesis import strategies as st
from problems import curved, leaves, make_closure, run
from reference import (
    accelerated,
    at_worst_point,
    clipped_by_unit,
    descent,
    gradient_of,
    lars_update,
    lion_update,
    momentum_update,
)
from strategies import lars_options, lion_options

from optimizers import AGC, LARS, SAM, SGD, AcceleratedGD, Lion

base_options = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
SLOW_RATES = st.floats(1e-3, 0.02)


def close(params, expected):
    torch.testing.assert_close([param.detach() for param in params], expected, rtol=1e-10, atol=1e-11)


@given(lion_options)
def test_lion(options):
    params = leaves()
    expected = descent(params, gradient_of(curved), 20, lion_update(**options))
    run(Lion(params, **options), params, 20)
    close(params, expected)


@given(lars_options)
def test_lars_and_larc(options):
    params = leaves()
    expected = descent(params, gradient_of(curved), 20, lars_update(**options))
    run(LARS(params, **options), params, 20)
    close(params, expected)


@given(SLOW_RATES, st.floats(0, 0.3), st.booleans(), st.sampled_from([0.0, 0.01, 1.0]))
def test_sam_and_asam(lr, rho, adaptive, eta):
    params = leaves()
    gradients_at = at_worst_point(gradient_of(curved), rho, adaptive, eta)
    expected = descent(params, gradients_at, 20, momentum_update(lr, **base_options))
    run(SAM(params, lr, partial(SGD, **base_options), rho=rho, adaptive=adaptive, eta=eta), params, 20)
    close(params, expected)


@given(SLOW_RATES, st.floats(1e-3, 1.0), st.sampled_from([1e-3, 1.0]))
def test_agc(lr, clipping, eps):
    params = leaves()
    gradients_at = clipped_by_unit(gradient_of(curved), clipping, eps)
    expected = descent(params, gradients_at, 20, momentum_update(lr, **base_options))
    run(AGC(params, lr, partial(SGD, **base_options), clipping=clipping, eps=eps), params, 20)
    close(params, expected)


@given(OPTIMIZERS["AcceleratedGD"].options)
def test_accelerated_gd(options):
    params = leaves()
    expected, _ = accelerated(curved, params, 20, **options)
    run(AcceleratedGD(params, **options), params, 20)
    close(params, expected)


class TestLARS:
    def test_a_zero_norm_takes_the_plain_rate(self):
        params = [torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)]
        params[0].grad, params[1].grad = torch.ones(2, 3), torch.zeros(2, 3)
        LARS(params, lr=0.5, weight_decay=0.1).step()
        torch.testing.assert_close(params[0].detach(), torch.full((2, 3), -0.5))
        torch.testing.assert_close(params[1].detach(), torch.full((2, 3), 0.95))

    @pytest.mark.parametrize("clip", [False, True])
    def test_a_rate_of_zero_moves_nothing(self, clip):
        params = leaves()
        before = [param.detach().clone() for param in params]
        run(LARS(params, lr=0.0, clip=clip), params, 2)
        assert all(torch.equal(left, right) for left, right in zip(params, before, strict=True))

    def test_larc_never_exceeds_the_global_rate(self):
        """With a large trust coefficient it is SGD."""
        ours, plain = leaves(), leaves()
        run(LARS(ours, lr=0.01, trust_coefficient=1e6, clip=True), ours, 10)
        run(SGD(plain, lr=0.01, momentum=0.9), plain, 10)
        close(ours, [param.detach() for param in plain])


class TestAcceleratedGD:
    CURVATURES = torch.logspace(-3, 0, 30, dtype=torch.float64)

    def quadratic(self, params):
        return (self.CURVATURES * params[0] ** 2).sum() / 2

    def steps_to_converge(self, make, most=20000):
        params = [torch.ones(30, dtype=torch.float64, requires_grad=True)]
        optimizer = make(params)
        closure = make_closure(optimizer, params, self.quadratic)
        for step in range(most):
            if float(optimizer.step(closure).detach()) < 1e-10:
                return step
        return most

    def test_far_fewer_steps_than_plain_descent_and_restarts_save_more(self):
        plain = self.steps_to_converge(partial(SGD, lr=1.0))
        without = self.steps_to_converge(partial(AcceleratedGD, lr=1.0, restart="none"))
        for restart in ("gradient", "function"):
            steps = self.steps_to_converge(partial(AcceleratedGD, lr=1.0, restart=restart))
            assert steps < plain / 10, restart
            assert steps < without / 2, restart

    @pytest.mark.parametrize("restart", ["gradient", "function", "none"])
    def test_restarts_fire_where_the_reference_has_them(self, restart):
        params = [torch.ones(30, dtype=torch.float64, requires_grad=True)]
        _, expected = accelerated(self.quadratic, params, 400, 1.0, 0.0, restart)
        optimizer = AcceleratedGD(params, lr=1.0, restart=restart)
        closure = make_closure(optimizer, params, self.quadratic)
        fired, before = [], 0.0
        for step in range(400):
            optimizer.step(closure)
            if optimizer.param_groups[0]["tau"] < before:
                fired.append(step)
            before = optimizer.param_groups[0]["tau"]
        assert fired == expected
        assert bool(fired) == (restart != "none")

    def test_only_the_function_test_needs_a_closure(self):
        params = leaves()
        curved(params).backward()
        assert AcceleratedGD(params).step() is None
        with pytest.raises(ValueError, match="needs a closure"):
            AcceleratedGD(params, restart="function").step()
