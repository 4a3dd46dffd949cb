"""The index of the Hessian: in how many directions the training objective curves downwards."""

import numpy as np
import torch
from torch import Tensor

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.dense import dense_hessian
from fbgd.probes.lanczos import Tridiagonal, lanczos
from fbgd.probes.products import (
    HessianProduct,
    check_precision,
    hessian_product,
    mean_gradient,
)

DENSE, LANCZOS = "dense", "lanczos"


class HessianIndex:
    r"""How many eigenvalues of the Hessian of the training objective are negative, and the smallest of them all.

    .. math::
        k = \# \{ j : \lambda_j < -\epsilon \max_i |\lambda_i| \}, \qquad
        H = \sum_B \frac{|B|}{N} \nabla^2 L_B(\theta)

    A critical point with k > 0 is a saddle; descent leaves it along an eigenvector with :math:`\lambda < 0` like
    :math:`(1 + h |\lambda|)^t`.

    ``method="dense"`` makes the matrix, which counts as D products, and all its eigenvalues. ``"lanczos"``
    estimates the share of negative ones by stochastic Lanczos quadrature, and the smallest by Lanczos iteration on -H:

    .. math::
        \frac{k}{D} \approx \frac{1}{n} \sum_{i=1}^n \sum_{j : \theta_{ij} < -\epsilon \max |\theta|} \tau_{ij}^2

    with the Ritz values :math:`\theta_{ij}` of so many steps from the random direction i, and :math:`\tau_{ij}` the
    first entries of their vectors. Eigenvalues much nearer to 0 than the range of all over ``steps`` are smeared over
    it, so where most are nearly 0 the share is a coarse estimate; the standard error tells of the directions alone.

    Returns columns ``negative`` (k) and ``share`` (k / D); ``share_error``, its standard error, 0 where exact;
    ``smallest``, the smallest eigenvalue, or with Lanczos the smallest Ritz value, an upper bound; ``largest``;
    ``gradient_norm``, of the mean gradient over all samples; ``gradient_share``, the share of its squared norm that
    lies in the eigenspaces counted as negative, with Lanczos by the quadrature from the gradient itself.

    Args:
        method: ``"dense"`` or ``"lanczos"``.
        limit: the most parameters for ``"dense"``.
        directions: random ones, at least 2; each costs ``steps`` products.
        steps: of every Lanczos iteration; a product costs two gradients of every sample.
        threshold: :math:`\epsilon`; what is nearer to 0 counts as 0.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: an option is out of range; when it looks: the network is larger than ``limit``.

    Source: Dauphin et al. 2014, "Identifying and attacking the saddle point problem in high-dimensional non-convex
    optimization"; Ubaru, Chen & Saad 2017, "Fast Estimation of tr(f(A)) via Stochastic Lanczos Quadrature".
    """

    def __init__(
        self,
        method: str = LANCZOS,
        limit: int = 2000,
        directions: int = 4,
        steps: int = 30,
        threshold: float = 1e-4,
        precision: str = "as trained",
    ):
        if method not in (DENSE, LANCZOS):
            raise ConfigError(f"method = {method!r} must be one of {DENSE}, {LANCZOS}")
        if directions < 2:
            raise ConfigError(f"directions = {directions!r} must be at least 2: their spread gives the error")
        if steps < 1 or limit < 1:
            raise ConfigError(f"steps = {steps!r} and limit = {limit!r} must be at least 1")
        if not 0 <= threshold < 1:
            raise ConfigError(f"threshold = {threshold!r} is outside the valid range [0, 1)")
        check_precision(precision)
        self.method, self.limit, self.directions, self.steps = method, limit, directions, steps
        self.threshold, self.precision = threshold, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        product = hessian_product(state, self.precision)
        if self.method == DENSE and product.size > self.limit:
            raise ConfigError(
                f"a dense Hessian of {product.size} parameters is beyond limit = {self.limit}: "
                f"take method={LANCZOS}, or raise the limit"
            )
        gradient = mean_gradient(state)
        columns = (
            self.exact(state, product, gradient) if self.method == DENSE else self.estimate(state, product, gradient)
        )
        return {**columns, "gradient_norm": float(gradient.norm())}

    def exact(self, state: ProbeState, product: HessianProduct, gradient: Tensor) -> dict[str, float]:
        """The columns from all eigenvalues."""
        values, vectors = torch.linalg.eigh(
            dense_hessian(state.objective, product.params, product.blocks, product.spend)
        )
        negative = values < -self.threshold * values.abs().max()
        part = vectors[:, negative].T @ gradient.to(vectors)
        return {
            "negative": int(negative.sum()),
            "share": float(negative.double().mean()),
            "share_error": 0.0,
            "smallest": float(values[0]),
            "largest": float(values[-1]),
            "gradient_share": ratio(float(part.square().sum()), float(gradient.square().sum())),
        }

    def estimate(self, state: ProbeState, product: HessianProduct, gradient: Tensor) -> dict[str, float]:
        """The columns by Lanczos iterations from random directions and from the gradient."""
        device = state.params[0].device
        starts = [
            torch.randn(product.size, generator=state.generator(index), dtype=torch.float64).to(device)
            for index in range(self.directions)
        ]
        found = [lanczos(product, start, self.steps) for start in starts]
        scale = max(float(np.abs(iteration.ritz()[0]).max()) for iteration in found)
        shares = np.array([share_below(iteration, -self.threshold * scale) for iteration in found])
        below = lanczos(lambda vector: -product(vector), starts[0], self.steps, count=1, tolerance=1e-3)
        along = 0.0
        if float(gradient.norm()) > 0:
            along = share_below(lanczos(product, gradient, self.steps), -self.threshold * scale)
        return {
            "negative": float(shares.mean() * product.size),
            "share": float(shares.mean()),
            "share_error": float(shares.std(ddof=1) / np.sqrt(len(shares))),
            "smallest": -float(below.top()[0][0]),
            "largest": max(float(iteration.top()[0][0]) for iteration in found),
            "gradient_share": along,
        }


def share_below(iteration: Tridiagonal, bound: float) -> float:
    """The share of the squared length of the first vector that lies at Ritz values below ``bound``."""
    values, vectors = iteration.ritz()
    return float((vectors[0, values < bound] ** 2).sum())


def ratio(part: float, whole: float) -> float:
    """A part of a whole; none of nothing."""
    return part / whole if whole else 0.0
