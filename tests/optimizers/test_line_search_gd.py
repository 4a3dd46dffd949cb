"""Gradient descent with a line search: which step it takes, and what it leaves behind."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import curved, leaves, make_closure, rosenbrock, rosenbrock_slope, run
from reference import gradient_of, norm

from optimizers import LineSearchGD


def evaluations(optimizer, params, function=curved):
    """One step, and the losses that it evaluated with the parameters there."""
    evaluate, seen = make_closure(optimizer, params, function), []

    def closure():
        loss = evaluate()
        seen.append((float(loss.detach()), [param.detach().clone() for param in params]))
        return loss

    optimizer.step(closure)
    return seen


@given(st.sampled_from([0.05, 1.0, 20.0]), st.sampled_from([0.0, 0.3]), st.sampled_from([1e-4, 0.3]))
def test_armijo_with_rates_and_decays_of_groups(lr, decay, c1):
    """Against the definition: the longest of the tried steps that falls enough."""
    params = leaves()
    rates, decays = [lr, lr, 0.1 * lr, 0.1 * lr], [decay, decay, 0.1, 0.1]
    start = [param.detach().clone() for param in params]

    def objective(values):
        return curved(values) + sum(d / 2 * (value**2).sum() for d, value in zip(decays, values, strict=True))

    gradients = gradient_of(objective)(start)
    slope = -sum(rate * norm([gradient]) ** 2 for rate, gradient in zip(rates, gradients, strict=True))
    t, value = 1.0, float(objective(start))
    while True:
        moved = [p - t * rate * g for p, rate, g in zip(start, rates, gradients, strict=True)]
        if float(objective(moved)) <= value + c1 * t * slope:
            break
        t *= 0.5
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.1 * lr, "weight_decay": 0.1}]
    optimizer = LineSearchGD(groups, lr=lr, weight_decay=decay, c1=c1)
    seen = evaluations(optimizer, params)
    torch.testing.assert_close([param.detach() for param in params], moved, rtol=1e-12, atol=1e-12)
    assert optimizer.param_groups[0]["last_t"] == optimizer.param_groups[1]["last_t"] == t
    assert len(seen) == 2 + round(math.log2(1 / t))
    torch.testing.assert_close([param.grad for param in params], list(gradient_of(curved)(start)))


@pytest.mark.parametrize("method", ["armijo", "strong_wolfe"])
def test_the_loss_never_rises(method):
    params = [torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)]
    optimizer = LineSearchGD(params, method=method)
    losses = [evaluations(optimizer, params, lambda p: rosenbrock(*p[0]))[0][0] for _ in range(200)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2 * losses[0]


def test_strong_wolfe_conditions_hold_between_steps():
    params = [torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)]
    optimizer = LineSearchGD(params, method="strong_wolfe", c2=0.5)
    for _ in range(20):
        start = params[0].detach().clone()
        value, (gx, gy) = rosenbrock(*start.tolist()), rosenbrock_slope(*start.tolist())
        evaluations(optimizer, params, lambda p: rosenbrock(*p[0]))
        t = optimizer.param_groups[0]["last_t"]
        hx, hy = rosenbrock_slope(*params[0].tolist())
        steepness = gx * gx + gy * gy
        assert rosenbrock(*params[0].tolist()) <= value - 1e-4 * t * steepness
        assert abs(hx * gx + hy * gy) <= 0.5 * steepness * (1 + 1e-9)


def test_nonmonotone_compares_with_the_largest_of_the_last_losses():
    """Steps that Armijo refuses are taken, but none above that bound; with a memory of one it is Armijo."""

    def narrow(params):
        return (torch.tensor([1.0, 30.0], dtype=torch.float64) * params[0] ** 2).sum() / 2

    def path(**options):
        params = [torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)]
        optimizer = LineSearchGD(params, lr=0.08, growth=4.0, **options)
        return [evaluations(optimizer, params, narrow)[0][0] for _ in range(40)]

    free = path(method="nonmonotone", memory=5, initial="growth")
    rises = [index for index in range(1, 40) if free[index] > free[index - 1]]
    assert rises
    assert all(free[index] <= max(free[max(0, index - 5) : index]) for index in range(1, 40))
    assert path(method="nonmonotone", memory=1, initial="growth") == path(method="armijo")
    assert path(method="armijo") == sorted(path(method="armijo"), reverse=True)


def test_begins_at_the_grown_last_step_and_never_beyond_the_rate():
    params = [torch.tensor([4.0], dtype=torch.float64, requires_grad=True)]
    optimizer = LineSearchGD(params, lr=16.0, c1=0.4, growth=2.0)

    def parabola(p):
        return (p[0] ** 2).sum() / 2

    # t = 1/16 would be exact, and 2/16 comes back to the same height.
    first = evaluations(optimizer, params, parabola)
    assert len(first) == 6
    assert optimizer.param_groups[0]["last_t"] == 1 / 16
    params[0].data.fill_(4.0)
    assert len(evaluations(optimizer, params, parabola)) == 3
    optimizer.param_groups[0]["lr"] = 1e-3
    for _ in range(8):
        start = params[0].item() or params[0].data.fill_(1.0).item()
        evaluations(optimizer, params, parabola)
    assert params[0].item() == pytest.approx(start * (1 - 1e-3))


@pytest.mark.parametrize("method", ["armijo", "nonmonotone", "strong_wolfe"])
@pytest.mark.parametrize("clear_in_place", [False, True])
def test_stays_exactly_where_nothing_is_lower(method, clear_in_place):
    """The slope is a lie: the function rises wherever it is evaluated."""
    params = leaves()
    before = [param.detach().clone() for param in params]
    calls = []
    optimizer = LineSearchGD(params, method=method, max_evaluations=7)

    def closure():
        optimizer.zero_grad(set_to_none=not clear_in_place)
        curved(params).backward()
        calls.append(None)
        return torch.tensor(float(len(calls)))

    assert optimizer.step(closure) == 1
    assert len(calls) <= 8
    assert all(torch.equal(left, right) for left, right in zip(params, before, strict=True))
    torch.testing.assert_close([param.grad for param in params], list(gradient_of(curved)(before)))
    assert optimizer.param_groups[0]["last_t"] == 1.0


def test_takes_the_lowest_point_when_evaluations_run_out():
    params = [torch.tensor([4.0], dtype=torch.float64, requires_grad=True)]
    optimizer = LineSearchGD(params, lr=1.9, c1=0.5, max_evaluations=1)
    evaluations(optimizer, params, lambda p: (p[0] ** 2).sum() / 2)
    assert params[0].item() == pytest.approx(4.0 * (1 - 1.9))


@pytest.mark.parametrize("method", ["armijo", "strong_wolfe"])
def test_not_a_number_counts_as_too_far(method):
    params = [torch.tensor([1.0], dtype=torch.float64, requires_grad=True)]
    run(LineSearchGD(params, lr=1e3, method=method), params, 5, lambda p: (p[0] - torch.log(p[0]) * 2).sum())
    assert params[0].item() == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_stays_where_the_loss_is_not_finite(bad):
    params = leaves()
    before = [param.detach().clone() for param in params]
    seen = evaluations(LineSearchGD(params), params, lambda params: curved(params) + bad)
    assert len(seen) == 1
    assert all(torch.equal(left, right) for left, right in zip(params, before, strict=True))


def test_an_error_in_the_closure_restores_the_parameters():
    params = leaves()
    before = [param.detach().clone() for param in params]
    optimizer = LineSearchGD(params)
    evaluate, calls = make_closure(optimizer, params), []

    def closure():
        calls.append(None)
        if len(calls) == 3:
            raise ArithmeticError
        evaluate()
        return torch.tensor(float(len(calls)))

    with pytest.raises(ArithmeticError):
        optimizer.step(closure)
    assert all(torch.equal(left, right) for left, right in zip(params, before, strict=True))
