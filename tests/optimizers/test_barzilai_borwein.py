"""Line searches that begin at Barzilai and Borwein's length."""

import copy
import itertools
import math

import pytest
import torch
from problems import curved, leaves, make_closure, rosenbrock, run
from reference import gradient_of, norm

from optimizers import LineSearchGD

CURVATURES = torch.tensor([1.0, 4.0, 10.0], dtype=torch.float64)
START = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def quadratic(params):
    return (CURVATURES * params[0] ** 2).sum() / 2


def point(values=START):
    return [values.clone().requires_grad_()]


def step(optimizer, params, function):
    """One step; the value before it, and the displacement."""
    before = [param.detach().clone() for param in params]
    value = float(optimizer.step(make_closure(optimizer, params, function)).detach())
    return value, [param.detach() - old for param, old in zip(params, before, strict=True)]


@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize("method", ["nonmonotone", "armijo", "strong_wolfe"])
def test_the_length_on_a_quadratic_by_hand(decay, method):
    """The first trial of every later step is s.s / s.y gradients long, with y = (A + decay) s."""
    params = point()
    options = {"method": method, "initial": "barzilai_borwein", "c1": 1e-6, "c2": 0.999, "weight_decay": decay}
    optimizer = LineSearchGD(params, lr=0.05, max_evaluations=1, **options)
    _, moved = step(optimizer, params, quadratic)
    start = START + moved[0]
    for _ in range(4):
        matrix = CURVATURES + decay
        length = float((moved[0] ** 2).sum() / (matrix * moved[0] ** 2).sum())
        assert optimizer.param_groups[0]["bb_length"] == pytest.approx(length, rel=1e-9)
        tried = start - length * matrix * start
        lower = float((matrix * tried**2).sum()) < float((matrix * start**2).sum())
        _, moved = step(optimizer, params, quadratic)
        if not lower and method != "nonmonotone":
            return
        torch.testing.assert_close(params[0].detach(), tried, rtol=1e-9, atol=1e-12)
        start = tried


def test_the_first_two_steps_of_two_entries_in_numbers():
    """Of (x^2 + 4 y^2) / 2 from (1, 1) with rate 0.1: s = -(0.1, 0.4), so 0.17 / 0.65."""
    params = point(torch.ones(2, dtype=torch.float64))
    optimizer = LineSearchGD(params, lr=0.1, method="nonmonotone")

    def function(values):
        return (torch.tensor([1.0, 4.0], dtype=torch.float64) * values[0] ** 2).sum() / 2

    step(optimizer, params, function)
    assert params[0].tolist() == pytest.approx([0.9, 0.6])
    step(optimizer, params, function)
    length = 0.17 / 0.65
    assert params[0].tolist() == pytest.approx([0.9 - length * 0.9, 0.6 - length * 2.4])


def test_rates_of_groups_are_a_metric_and_a_schedule_cancels():
    """With rates h of their own s.y and s.(s / h) decide; when all rates fall together the step stays."""
    rates = torch.tensor([0.05, 0.01], dtype=torch.float64)
    curvatures = (1.0, 7.0)
    params = [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (2.0, -1.0)]

    def function(values):
        return sum(c * (value**2).sum() / 2 for c, value in zip(curvatures, values, strict=True))

    groups = [{"params": params[:1], "lr": float(rates[0])}, {"params": params[1:], "lr": float(rates[1])}]
    optimizer = LineSearchGD(groups, method="nonmonotone", max_evaluations=1)
    _, moved = step(optimizer, params, function)
    s, before = torch.cat(moved), torch.cat([param.detach().clone() for param in params])
    matrix = torch.tensor(curvatures, dtype=torch.float64)
    t = (s**2 / rates).sum() / (matrix * s**2).sum()
    for group in optimizer.param_groups:
        group["lr"] *= 0.125
    step(optimizer, params, function)
    torch.testing.assert_close(torch.cat(params).detach(), before - t * rates * matrix * before, rtol=1e-10, atol=0)


def test_a_rate_of_zero_has_no_say():
    frozen, free = point(), point()
    alone = LineSearchGD(free, lr=0.05, method="nonmonotone")
    groups = [{"params": leaves()[:1], "lr": 0.0}, {"params": frozen}]
    both = LineSearchGD(groups, lr=0.05, method="nonmonotone")
    kept = groups[0]["params"][0].detach().clone()
    for _ in range(6):
        alone.step(make_closure(alone, free, quadratic))
        both.step(
            make_closure(both, frozen, lambda params: quadratic(params) + 0 * (groups[0]["params"][0] ** 2).sum())
        )
    torch.testing.assert_close(frozen, free, rtol=1e-12, atol=1e-14)
    assert torch.equal(groups[0]["params"][0], kept)


@pytest.mark.parametrize(
    ("function", "name"),
    [(lambda params: torch.cos(params[0]).sum(), "concave"), (lambda params: 3 * params[0].sum(), "straight")],
)
def test_without_positive_curvature_a_search_begins_with_growth(function, name):
    params, grown = point(torch.tensor([0.1], dtype=torch.float64)), point(torch.tensor([0.1], dtype=torch.float64))
    ours = LineSearchGD(params, lr=0.1, method="nonmonotone")
    plain = LineSearchGD(grown, lr=0.1, method="nonmonotone", initial="growth")
    for _ in range(5):
        step(ours, params, function)
        step(plain, grown, function)
        assert ours.param_groups[0]["bb_length"] == 0
    assert torch.equal(params[0], grown[0]), name


@pytest.mark.parametrize("curvature", [1e-11, 1e11])
def test_lengths_beyond_the_published_bounds_are_not_taken(curvature):
    params = point(torch.ones(1, dtype=torch.float64))
    optimizer = LineSearchGD(params, lr=0.1 / curvature, method="nonmonotone", growth=1.5)

    def function(values):
        return curvature * (values[0] ** 2).sum() / 2

    step(optimizer, params, function)
    assert optimizer.param_groups[0]["bb_length"] == pytest.approx(1 / curvature)
    step(optimizer, params, function)
    assert params[0].item() == pytest.approx(0.81)


def evaluations_to(tolerance, function, start, **options):
    """Evaluations of the closure until the gradient's norm is below ``tolerance``."""
    params, count = [start.clone().requires_grad_()], 0
    optimizer = LineSearchGD(params, **options)
    evaluate = make_closure(optimizer, params, function)

    def closure():
        nonlocal count
        count += 1
        return evaluate()

    while norm(gradient_of(function)(params)) > tolerance and count < 20000:
        optimizer.step(closure)
    return count


def test_far_fewer_evaluations_than_armijo_where_curvatures_differ():
    """A thousand between the largest and the smallest."""
    curvatures = torch.logspace(-3, 0, 20, dtype=torch.float64)

    def narrow(params):
        return (curvatures * params[0] ** 2).sum() / 2

    start = torch.ones(20, dtype=torch.float64)
    spectral = evaluations_to(1e-4, narrow, start, method="nonmonotone")
    assert spectral < evaluations_to(1e-4, narrow, start, method="armijo") / 5
    assert spectral < evaluations_to(1e-4, narrow, start, method="nonmonotone", initial="growth") / 5


def test_converges_where_growth_does_not():
    params = leaves()
    run(LineSearchGD(params, method="nonmonotone"), params, 60)
    assert norm(gradient_of(curved)(params)) < 1e-8


def test_the_largest_of_the_last_losses_bounds_every_step():
    """Of Grippo, Lampariello and Lucidi; some steps rise, and the valley's end is reached."""
    params = point(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    optimizer = LineSearchGD(params, method="nonmonotone", memory=7, c1=0.01)
    losses = []
    for _ in range(150):
        value, _ = step(optimizer, params, lambda p: rosenbrock(*p[0]))
        losses.append(value)
        group = optimizer.param_groups[0]
        bound = max(losses[-7:]) + 0.01 * group["last_t"] * group["last_slope"]
        assert float(rosenbrock(*params[0].detach())) <= bound or math.isclose(value, 0, abs_tol=1e-20)
    assert any(after > before for before, after in itertools.pairwise(losses))
    assert losses[-1] < 1e-8


def test_a_resumed_search_is_the_same_to_the_bit():
    straight, first = leaves(), leaves()
    run(LineSearchGD(straight, method="nonmonotone"), straight, 12)
    optimizer = LineSearchGD(first, method="nonmonotone")
    run(optimizer, first, 5)
    second = copy.deepcopy(first)
    resumed = LineSearchGD(second)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(resumed, second, 7)
    assert all(torch.equal(left, right) for left, right in zip(straight, second, strict=True))


def test_a_state_from_before_goes_on_with_growth():
    params, straight = leaves(), leaves()
    plain = LineSearchGD(straight, method="nonmonotone", initial="growth")
    run(plain, straight, 5)
    optimizer = LineSearchGD(params, method="nonmonotone", initial="growth")
    run(optimizer, params, 2)
    state = copy.deepcopy(optimizer.state_dict())
    for group in state["param_groups"]:
        for later in ("initial", "bb_length", "last_slope"):
            del group[later]
    resumed = LineSearchGD(params, method="nonmonotone")
    resumed.load_state_dict(state)
    run(resumed, params, 3)
    assert all(torch.equal(left, right) for left, right in zip(straight, params, strict=True))
