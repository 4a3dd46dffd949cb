"""Lecture figures: closed forms against NumPy's recursions, PyTorch's optimizers and SciPy's minima."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize

from fbgd.studies.lectures import adagrad, epsilon, surfaces, valley
from fbgd.studies.lectures.functions import SURFACES
from fbgd.studies.lectures.paths import path


@pytest.mark.parametrize("condition", [10.0, 100.0, 1000.0])
@pytest.mark.parametrize("method", valley.METHODS)
def test_factors_are_the_largest_roots_of_the_recursions(method, condition):
    """Of x(t+1) in x(t) and x(t-1), for either curvature; a double root is known to half the digits."""
    lr, momentum, factor = valley.best_setting(method, condition)
    sizes = []
    for curvature in (1 / condition, 1.0):
        shrunk = 1 - lr * curvature
        polynomial = {
            "GD": [1, -shrunk],
            "heavy ball": [1, -(shrunk + momentum), momentum],
            "Nesterov": [1, -(1 + momentum) * shrunk, momentum * shrunk],
        }[method]
        sizes += list(np.abs(np.roots(polynomial)))
    assert max(sizes) == pytest.approx(factor, abs=1e-6)


@pytest.mark.parametrize("method", valley.METHODS)
def test_no_other_setting_is_better(method):
    """A factor of the best setting is below those of settings around it."""

    def factor(lr, momentum):
        sizes = []
        for curvature in (1 / 50, 1.0):
            shrunk = 1 - lr * curvature
            look = momentum * shrunk if method == "Nesterov" else momentum
            sizes += list(np.abs(np.roots([1, -(shrunk + look), look])))
        return max(sizes)

    lr, momentum, best = valley.best_setting(method, 50)
    # Nesterov's step of 1 / L is the standard one and not the best: only its momentum is.
    rates = [1.0] if method == "Nesterov" else [0.97, 1.0, 1.03]
    momenta = [0.0] if method == "GD" else [-0.02, 0.0, 0.02]
    others = [factor(lr * rate, momentum + more) for rate in rates for more in momenta if (rate, more) != (1.0, 0.0)]
    assert all(other > best for other in others)


def test_paths_are_those_of_torch():
    curvatures = np.array([1 / 30, 1.0])
    lr, momentum, _ = valley.best_setting("Nesterov", 30)
    point = torch.nn.Parameter(torch.tensor(valley.START, dtype=torch.float64))
    optimizer = torch.optim.SGD([point], lr=lr, momentum=momentum, nesterov=True)
    for expected in valley.descend("Nesterov", 30, 12)[1:]:
        point.grad = torch.from_numpy(curvatures) * point.detach()
        optimizer.step()
        assert point.detach().numpy() == pytest.approx(expected, rel=1e-12)


def test_a_path_ends_with_its_evaluations_or_beyond_the_finite_numbers():
    square = lambda x: x.square().sum()  # noqa: E731
    start = torch.tensor([1.0])
    assert len(path(lambda params: torch.optim.LBFGS(params, lr=0.1, max_iter=4), square, start, 9)) <= 4
    assert len(path(lambda params: torch.optim.SGD(params, lr=1e200), square, start, 50)) < 5


@pytest.mark.parametrize("name", SURFACES)
def test_minima_are_where_the_surfaces_are_lowest(name):
    surface = SURFACES[name]

    def value(point):
        return float(surface.function(torch.tensor(point, dtype=torch.float64)))

    for known in surface.minima:
        found = minimize(value, np.array(known) + 0.01, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
        assert found.x == pytest.approx(known, abs=2e-5)
        assert value(list(known)) == pytest.approx(surface.lowest, abs=1e-5)


class TestAdagrad:
    def test_half_way_counts_from_the_jump(self):
        rows = [("a", 0, step, 0.0 if step <= 4 else 1.0, place)
                for step, place in enumerate([-0.9, -0.6, -0.4, 0.0, 0.1, 0.2, 0.5, 0.9], 1)]  # fmt: skip
        part = pd.DataFrame(rows, columns=["method", "seed", "step", "target", "place"])
        assert adagrad.half_ways(part, 0.0).tolist() == [3]
        assert adagrad.half_ways(part, 1.0).tolist() == [3]
        assert math.isnan(adagrad.half_ways(part.assign(place=-1.0), 1.0).iloc[0])

    def test_exponents_are_those_of_powers(self):
        steps = np.arange(1, 200)
        part = pd.DataFrame({"seed": 0, "step": steps, "target": 0.0, "rate": 0.3 * steps**-0.5})
        assert adagrad.exponents(part).tolist() == pytest.approx([-0.5])

    def test_rates_are_those_of_the_formula(self):
        """The rate of a step is lr over the root of the sum of squared gradients, which the places give back."""
        table = adagrad.follow("Adagrad", steps=2, followers=1, seeds=1)
        first, second = table["rate"]
        places = [adagrad.START, *table["place"]]
        gradients = [(places[0] - places[1]) / first, (places[1] - places[2]) / second]
        assert first == pytest.approx(0.3 / abs(gradients[0]), rel=1e-6)
        assert second == pytest.approx(0.3 / math.hypot(*gradients), rel=1e-6)

    def test_every_seed_has_its_own_noise(self):
        table = adagrad.follow("SGD", steps=4, followers=1, seeds=2)
        assert table.groupby("seed")["place"].first().nunique() == 2


@pytest.mark.parametrize("value", [1e-8, 1e-2, 1.0, 1e4])
def test_ratios_are_those_of_torch_s_adam(value):
    point = torch.nn.Parameter(torch.tensor(epsilon.START, dtype=torch.float64))
    optimizer = torch.optim.Adam([point], lr=1e-3, eps=value)
    point.grad = epsilon.CURVATURES * point.detach()
    optimizer.step()
    rates = (torch.tensor(epsilon.START) - point.detach()) / (epsilon.CURVATURES * torch.tensor(epsilon.START))
    assert epsilon.look(value)["ratio"] == pytest.approx(float(rates[0] / rates[1]), rel=1e-6)
    assert epsilon.theory(value) == pytest.approx(float(rates[0] / rates[1]), rel=1e-6)


@pytest.mark.parametrize("name", surfaces.GROUPS)
def test_every_optimizer_gets_lower_in_a_valley(name):
    preset = surfaces.SurfacesPreset(evaluations=40, rates=(0.01, 0.1, 1.0))
    lr, points, values = surfaces.lowest_path(name, SURFACES["valley"], preset)
    assert lr in preset.rates
    assert values[-1] < values[0]
    assert len(points) == len(values)
