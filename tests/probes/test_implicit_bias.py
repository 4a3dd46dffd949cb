"""The modified loss: matrix exponentials, autograd and roots of polynomials against flows, passes and the meter."""

import copy
import math

import numpy as np
import pytest
import torch
from probe_cases import PROBES
from problems import network, objective, parameters, smooth_network, source
from states import state

from fbgd.probes import ImplicitBias, InMetric, NetworkLosses, Scaled, Whole, fit_bias, flatten, flow, mean_pass, orders
from fbgd.probes.modified_flow import BLOCKS, MEAN, descend
from fbgd.studies.implicit_bias.optimizers import FULL_BATCH, STEPS, heavy_ball, reading, walk
from fbgd.studies.implicit_bias.problems import Quadratic, TwoParameters

RATES = 0.02 / 2.0 ** np.arange(4)


def slope(errors):
    """Of log error over log rate."""
    return np.polyfit(np.log(RATES), np.log(errors), 1)[0]


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_gradients_and_products_are_those_of_autograd(norm):
    """Ragged blocks of different samples, one by one, and as one."""
    model, blocks = network("mlp", norm), source().training_pass(0)
    spent = []
    losses = NetworkLosses(objective(model), parameters(model), blocks, spend=spent.append)
    at = flatten(losses.params)
    direction = torch.randn(4, len(at), dtype=torch.float64)
    torch.testing.assert_close(losses.weights, torch.tensor([6, 6, 6, 5], dtype=torch.float64) / 23)
    products = losses.products(at, direction)
    assert sum(spent) == 2 * 23
    params = list(model.parameters())
    for stack, own, gradient, product in zip(blocks.stacks(1), direction, losses.gradients(at), products, strict=True):
        loss = torch.nn.functional.cross_entropy(model(stack.inputs[0]), stack.targets[0])
        first = flatten(torch.autograd.grad(loss, params, create_graph=True))
        torch.testing.assert_close(gradient, first.detach(), rtol=1e-10, atol=1e-13)
        # Reverse over reverse.
        second = torch.autograd.grad(first @ own, params, materialize_grads=True)
        torch.testing.assert_close(product, flatten(list(second)), rtol=1e-9, atol=1e-12)
    mean = Whole(losses).products(at, direction[:1])
    torch.testing.assert_close(mean[0], losses.weights @ losses.products(at, direction[:1].expand(4, -1)))


def test_the_two_parameters_are_those_of_their_samples():
    problem = TwoParameters.draw(0)
    draw = np.random.default_rng(0)
    at = torch.tensor([2.0, -0.7], dtype=torch.float64, requires_grad=True)
    direction = torch.tensor([0.3, 0.9], dtype=torch.float64)
    for block, size in enumerate((1, 2, 3, 4)):
        x, y = (torch.from_numpy(mean + 0.3 * draw.normal(size=size)) for mean in (1, 0.6))
        loss = ((y - at[0] * at[1] * x) ** 2).mean() / 2
        (gradient,) = torch.autograd.grad(loss, at, create_graph=True)
        (product,) = torch.autograd.grad(gradient @ direction, at)
        torch.testing.assert_close(problem.gradient(at.detach(), block), gradient.detach())
        directions = direction.expand(4, -1)
        torch.testing.assert_close(problem.products(at.detach(), directions)[block], product)


@pytest.mark.parametrize("penalty", [0.0, 0.05])
@pytest.mark.parametrize("of", [BLOCKS, MEAN])
def test_flows_are_matrix_exponentials(penalty, of):
    problem = Quadratic.draw(1)
    scales = torch.tensor([0.5, 1.0, 2.0, 1.5], dtype=torch.float64)
    exact = problem.exact_flow(0.7, penalty, scales, whole=of == MEAN)
    found = flow(Scaled(problem, scales), problem.start, 0.7, penalty, of)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-11)


def test_the_exponential_is_that_of_small_steps():
    """Independent of all formulas for penalties: explicit Euler on the gradient that autograd gives."""
    problem, penalty, steps = Quadratic.draw(2), 0.05, 20_000
    at = problem.start.clone().requires_grad_()

    def penalised(theta):
        moved = theta - problem.centres
        gradients = torch.einsum("kij,kj->ki", problem.curvatures, moved)
        return ((moved * gradients).sum(1) / 2 + penalty * gradients.square().sum(1)).mean()

    for _ in range(steps // 100):
        (gradient,) = torch.autograd.grad(penalised(at), at)
        at = (at - 0.5 * 100 / steps * gradient).detach().requires_grad_()
    exact = problem.exact_flow(0.5, penalty, torch.ones(4).double(), whole=False)
    assert (at.detach() - exact).norm() < 5e-3
    assert (problem.start - exact).norm() > 0.2


PROCESSES = {"GD": Whole, "SGD": lambda losses: losses, "steps by size": Scaled}


@pytest.mark.parametrize("wrap", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("problem", [Quadratic.draw(3), TwoParameters.draw(3)], ids=["quadratic", "two parameters"])
def test_slopes_are_two_and_three_for_blocks_of_unequal_sizes(problem, wrap):
    losses = wrap(problem)
    steps, scale = len(losses.weights), 1 if isinstance(problem, Quadratic) else 0.02
    errors = {0: [], 1: [], 4: []}
    for rate in scale * RATES:
        end = mean_pass(losses, problem.start, rate, orders(steps))
        for factor, own in errors.items():
            own.append(float((end - flow(losses, problem.start, steps * rate, factor * rate / 4)).norm()))
    assert slope(errors[0]) == pytest.approx(2, abs=0.1)
    assert slope(errors[1]) == pytest.approx(3, abs=0.1)
    # A wrong coefficient does not do.
    assert slope(errors[4]) == pytest.approx(2, abs=0.1)


def test_an_order_and_its_reverse_have_the_second_order_of_all():
    problem = Quadratic.draw(4)
    one, pair = [], []
    for rate in RATES:
        target = flow(problem, problem.start, 4 * rate, rate / 4)
        one.append(float((descend(problem, problem.start, rate, (2, 0, 3, 1)) - target).norm()))
        both = mean_pass(problem, problem.start, rate, [(2, 0, 3, 1), (1, 3, 0, 2)])
        pair.append(float((both - target).norm()))
    assert slope(one) == pytest.approx(2, abs=0.1)
    assert slope(pair) == pytest.approx(3, abs=0.1)


def test_orders_are_all_or_pairs():
    assert sorted(orders(3)) == [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    drawn = orders(9, pairs=2, generator=torch.Generator().manual_seed(0))
    assert len(drawn) == 4
    assert drawn[0] == drawn[1][::-1] != drawn[2]
    assert all(sorted(order) == list(range(9)) for order in drawn)


@pytest.mark.parametrize(("blocks", "mean"), [(2.5, 0.0), (0.5, 3.0), (-1.0, 0.0)])
def test_the_meter_reads_what_was_put_in(blocks, mean):
    """A drift that is a flow's, with known coefficients of both penalties."""
    problem, time, rate = Quadratic.draw(5), 0.02, 1e-4
    scales = torch.ones(4, dtype=torch.float64)
    plain = problem.exact_flow(time, 0.0, scales, whole=False)
    end = plain
    for coefficient, whole in ((blocks, False), (mean, True)):
        end = end + problem.exact_flow(time, coefficient * rate / 4, scales, whole=whole) - plain
    found = fit_bias(problem, problem.start, end, time, rate)
    assert found.of_blocks == pytest.approx(blocks, abs=1e-3)
    assert found.of_mean == pytest.approx(mean, abs=1e-3)
    if not mean:
        assert found.coefficient == pytest.approx(blocks, abs=1e-3)
        assert found.explained == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["GD", "SGD", "clipped GD", "momentum 0.5"])
@pytest.mark.parametrize("problem", [Quadratic.draw(6), TwoParameters.draw(6)], ids=["quadratic", "two parameters"])
def test_the_meter_reads_the_theory(problem, name):
    rate = 0.003 if isinstance(problem, Quadratic) else 6e-5
    theory = FULL_BATCH[name].theory if name in FULL_BATCH else 1.0
    assert reading(name, problem, problem.start, rate, 200).coefficient == pytest.approx(theory, rel=0.03)


def one_dimension(curvature):
    """A parabola around 0."""
    matrix = torch.full((1, 1, 1), curvature, dtype=torch.float64)
    ones = torch.ones(1, dtype=torch.float64)
    return Quadratic(matrix, torch.zeros(1, 1, dtype=torch.float64), ones, ones)


def test_momentum_decays_as_its_polynomial_says():
    """The slow root r of r^2 - (1 + b - h c) r + b = 0 is the factor of a step, exp(-h (c + 2 p c^2)) the flow's."""
    curvature, rate, beta = 2.0, 0.001, 0.5
    lr = rate * (1 - beta)
    root = max(np.roots([1, -(1 + beta - lr * curvature), beta]).real)
    penalty = (-math.log(root) / rate - curvature) / (2 * curvature**2)
    problem = one_dimension(curvature)
    found = walk(Whole(problem), problem.start, heavy_ball(beta), rate, 60)
    assert float(found.end / found.start) == pytest.approx(root**STEPS, rel=1e-9)
    assert penalty / (rate / 4) == pytest.approx(3, rel=0.03)
    assert reading("momentum 0.5", problem, problem.start, rate, 60).coefficient == pytest.approx(
        penalty / (rate / 4), rel=0.05
    )


def test_a_clipped_step_takes_its_own_time():
    problem = Quadratic.draw(7)
    whole, rate = Whole(problem), 0.01
    found = walk(whole, problem.start, FULL_BATCH["clipped GD"], rate, 0, steps=1)
    gradient = whole.gradient(problem.start, 0)
    torch.testing.assert_close(found.end, problem.start - rate * gradient / 2)
    assert found.time == pytest.approx(rate / 2)


def test_the_metric_is_a_change_of_coordinates():
    """Preconditioned descent is plain descent inside, and a scalar metric is a factor of the time."""
    problem, metric = Quadratic.draw(8), torch.linspace(0.5, 2, 6, dtype=torch.float64)
    inside = InMetric(problem, metric)
    step = problem.start - 0.1 * metric * problem.gradient(problem.start, 1)
    at = inside.inside(problem.start)
    torch.testing.assert_close(inside.inside(step), at - 0.1 * inside.gradient(at, 1))
    scalar = InMetric(problem, torch.full((6,), 4.0, dtype=torch.float64))
    twice = flow(scalar, scalar.inside(problem.start), 0.1, 0.01) * scalar.root
    torch.testing.assert_close(twice, flow(problem, problem.start, 0.4, 0.04))


@pytest.mark.parametrize("steps", [1, "all"])
def test_the_probe_reads_the_theory_of_a_network(steps):
    """Four ragged blocks, all orders; its cost is counted and nothing is changed."""
    model = smooth_network()
    seen, before = state(model, source()), copy.deepcopy(parameters(model))
    columns = ImplicitBias(steps, rate=0.02, tolerance=1e-10)(seen)
    assert columns["coefficient"] == pytest.approx(1, abs=0.06)
    assert columns["explained"] > 0.99
    assert ("of_blocks" in columns) == (steps == 1)
    assert seen.cost.evaluations % 1 == 0
    assert seen.cost.evaluations > 23 * 30
    assert all(torch.equal(left, right) for left, right in zip(before, parameters(model), strict=True))


def test_the_probe_takes_pairs_of_many_blocks_and_the_current_rate():
    seen = state(smooth_network(), source(count=12, block_size=2), lr=0.005)
    found = ImplicitBias(tolerance=1e-8)(seen)
    assert found["coefficient"] == pytest.approx(1, abs=0.2)
    assert found == ImplicitBias(rate=0.005, tolerance=1e-8)(seen)


def test_the_probe_has_contract_tests():
    assert "implicit_bias" in PROBES
