"""Sharpness: the largest eigenvalues of the Hessian of what training minimises."""

from typing import ClassVar

import torch

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.lanczos import lanczos
from fbgd.probes.products import PRECISIONS, HessianProduct, check_precision


class Sharpness:
    r"""The largest eigenvalues of the Hessian of the training objective, by Lanczos iteration.

    .. math:: \lambda_1 = \max_{\lVert v \rVert = 1} v^T H v, \qquad H = \sum_B \frac{|B|}{N} \nabla^2 L_B(\theta)

    The objective is the one that training minimises, with penalties on parameters, augmentation and block-wise batch
    norm as in the current pass, without gradient penalties. Plain descent with step size h is stable along an
    eigenvector while :math:`\lambda < 2 / h`.

    Returns columns ``sharpness``; with ``count=k`` also ``eigenvalue_2`` to ``eigenvalue_k``; ``error``, a bound on the
    distance of any of them from an eigenvalue; and ``products``, those with the Hessian that it took.

    Args:
        count: so many eigenvalues.
        steps: products with the Hessian, at most; each costs two gradients of every sample.
        tolerance: the iteration ends when ``error`` is at most this share of the sharpness.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: a number that is out of range.

    Source: Cohen et al. 2021, "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability".
    """

    #: The matrix whose eigenvalues are taken, and what the column of the largest is called.
    matrix: ClassVar[type[HessianProduct]] = HessianProduct
    first: ClassVar[str] = "sharpness"

    def __init__(self, count: int = 1, steps: int = 30, tolerance: float = 0.01, precision: str = "as trained"):
        check_iteration(count, steps, tolerance, precision)
        self.count, self.steps, self.tolerance, self.precision = count, steps, tolerance, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        product = self.matrix(state.objective, state.params, state.blocks(), PRECISIONS[self.precision], state.spend)
        start = torch.randn(product.size, generator=state.generator(), dtype=torch.float64)
        found = lanczos(product, start.to(state.params[0].device), self.steps, self.count, self.tolerance)
        values, _, errors = found.top(self.count)
        names = [self.first, *(f"eigenvalue_{place}" for place in range(2, self.count + 1))]
        columns = dict(zip(names, map(float, values), strict=False))
        return {**columns, "error": float(errors.max()), "products": len(found.diagonal)}


def check_iteration(count: int, steps: int, tolerance: float, precision: str) -> None:
    """Raise :class:`ConfigError` where an option of the iteration is out of range."""
    if not 1 <= count <= steps:
        raise ConfigError(f"count = {count!r} must be between 1 and steps = {steps!r}")
    if not 0 <= tolerance < 1:
        raise ConfigError(f"tolerance = {tolerance!r} is outside the valid range [0, 1)")
    check_precision(precision)
