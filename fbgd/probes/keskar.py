"""Sharpness as the largest rise of the loss in a small box (Keskar et al. 2017)."""

import math

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.products import check_precision
from fbgd.probes.surface import Surface, surface

# Of the box, where the search starts: at a stationary point no step would leave the middle.
START = 0.1


class KeskarSharpness:
    r"""The largest relative rise of the objective f in a box around the parameters x, in percent.

    .. math::
        \phi = 100 \, \frac{\max_{y \in C} f(x + A y) - f(x)}{1 + f(x)}, \qquad
        C = \{ y : |y_i| \le \epsilon (|(A^+ x)_i| + 1) \}

    with A the identity, or D by p normal with columns of length 1 for a random subspace, and its pseudo-inverse. The
    maximum is what so many iterations of L-BFGS-B find from a random point in the middle tenth of the box, and never
    less than f(x): a lower bound.

    Returns columns ``sharpness``, and ``evaluations``, the gradients of the whole set that it took.

    Args:
        epsilon: half the width of the box for a parameter that is 0.
        iterations: of L-BFGS-B, each of which takes one gradient and, now and then, some more.
        subspace: p, dimensions of the random subspace; ``None``: the full space.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: a number that is out of range.

    Source: Keskar, Mudigere, Nocedal, Smelyanskiy & Tang 2017, "On Large-Batch Training for Deep Learning:
    Generalization Gap and Sharp Minima", metric 2.1.
    """

    def __init__(
        self, epsilon: float = 1e-3, iterations: int = 10, subspace: int | None = None, precision: str = "as trained"
    ):
        if not 0 < epsilon < math.inf:
            raise ConfigError(f"epsilon = {epsilon!r} is outside the valid range (0, inf)")
        if iterations < 1:
            raise ConfigError(f"iterations = {iterations!r} must be at least 1")
        if subspace is not None and subspace < 1:
            raise ConfigError(f"subspace = {subspace!r} must be at least 1, or null for the full space")
        check_precision(precision)
        self.epsilon, self.iterations, self.subspace, self.precision = epsilon, iterations, subspace, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        landscape = surface(state, self.precision)
        origin = landscape.origin.double().cpu()
        basis, centre = None, origin
        if self.subspace is not None:
            directions = torch.randn(len(origin), self.subspace, generator=state.generator(0), dtype=torch.float64)
            basis = directions / directions.norm(dim=0)
            centre = torch.linalg.lstsq(basis, origin[:, None]).solution[:, 0]
        bounds = self.epsilon * (centre.abs() + 1)
        place = 2 * torch.rand(len(bounds), generator=state.generator(1), dtype=torch.float64) - 1
        before = landscape.value(landscape.origin)
        largest, evaluations = highest(landscape, basis, bounds, START * place * bounds, self.iterations)
        return {"sharpness": 100 * max(largest - before, 0.0) / (1 + before), "evaluations": 1 + evaluations}


def highest(
    landscape: Surface, basis: Tensor | None, bounds: Tensor, start: Tensor, iterations: int
) -> tuple[float, int]:
    """The largest value that L-BFGS-B finds where ``|y| <= bounds``, and how many gradients of the set it took.

    Args:
        landscape: whose value is wanted at ``origin + basis @ y``.
        basis: (D, p); ``None``: the identity.
        bounds: half the widths of the box (p).
        start: the first y (p).
        iterations: at most.
    """
    values = []

    def descending(place: np.ndarray) -> tuple[float, np.ndarray]:
        step = torch.from_numpy(place)
        moved = step if basis is None else basis @ step
        value, gradient = landscape.value_and_gradient(landscape.origin + moved.to(landscape.origin))
        values.append(value)
        slope = gradient.double().cpu()
        return -value, -(slope if basis is None else basis.T @ slope).numpy()

    box = [(-float(bound), float(bound)) for bound in bounds]
    # No tolerances: near a minimum all slopes are small, and the iterations are the budget.
    minimize(descending, start.numpy(), jac=True, method="L-BFGS-B", bounds=box,
             options={"maxiter": iterations, "ftol": 0.0, "gtol": 0.0})  # fmt: skip
    return max(values), len(values)
