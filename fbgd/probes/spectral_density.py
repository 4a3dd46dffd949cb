"""The density of the Hessian's eigenvalues, by stochastic Lanczos quadrature."""

from dataclasses import dataclass

import numpy as np
import torch

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.hessian_trace import VECTORS
from fbgd.probes.lanczos import lanczos
from fbgd.probes.metric import check_metric, product_in
from fbgd.probes.products import check_precision

QUANTILES = (0.05, 0.5, 0.95)
# Eigenvalues within this share of the largest are zero: rounding gives them either sign.
ZERO = 1e-6


@dataclass(frozen=True)
class SpectralDensity:
    r"""A distribution of eigenvalues as weights :math:`\tau_j` at nodes :math:`\theta_j`.

    .. math:: \frac{1}{D} \sum_{i=1}^D f(\lambda_i) \approx \sum_j \tau_j f(\theta_j), \qquad \sum_j \tau_j = 1

    Args:
        nodes: ascending.
        weights: as many.

    >>> density = SpectralDensity(np.array([-1.0, 0.0, 3.0]), np.array([0.25, 0.5, 0.25]))
    >>> density.moment(1), density.quantile(0.5), density.below_zero()
    (0.5, 0.0, (0.25, 0.25))
    """

    nodes: np.ndarray
    weights: np.ndarray

    def moment(self, power: int, centre: float = 0.0) -> float:
        """The mean of ``(eigenvalue - centre) ** power``."""
        return float(self.weights @ (self.nodes - centre) ** power)

    def quantile(self, share: float) -> float:
        """The smallest node with at least this share of the eigenvalues at or below it."""
        place = int(np.searchsorted(np.cumsum(self.weights), share - 1e-12))
        return float(self.nodes[min(place, len(self.nodes) - 1)])

    def below_zero(self) -> tuple[float, float]:
        """The share of eigenvalues below 0, and their share of the sum of all absolute values."""
        sizes = self.weights * np.abs(self.nodes)
        negative = self.nodes < -ZERO * np.abs(self.nodes).max()
        return float(self.weights[negative].sum()), float(sizes[negative].sum() / sizes.sum()) if sizes.any() else 0.0

    def on_grid(self, grid: np.ndarray, width: float) -> np.ndarray:
        """The density at every place of ``grid``, each node widened to a Gaussian of standard deviation ``width``."""
        scaled = (np.asarray(grid)[:, None] - self.nodes) / width
        return np.exp(-(scaled**2) / 2) @ self.weights / (width * np.sqrt(2 * np.pi))


class HessianDensity:
    r"""How the eigenvalues of the Hessian of the training objective are distributed.

    K steps of Lanczos iteration from a random unit vector v leave Ritz values :math:`\theta_j` and the first entries
    :math:`s_{1j}` of their vectors; :math:`\sum_j s_{1j}^2 f(\theta_j)` is Gauss's quadrature of
    :math:`v^T f(H) v`, exact for polynomials f of degree 2 K - 1, whose mean over v is
    :math:`\frac{1}{D} \operatorname{tr} f(H)`. The density is the mean over ``vectors`` such rules.

    Returns columns ``mean`` and ``std`` of the eigenvalues; quantiles ``q05``, ``q50``, ``q95``; ``smallest`` and
    ``largest`` Ritz value; ``negative_share``, of the eigenvalues that lie below 0, and ``negative_mass``, their share
    of the sum of all absolute values; zeros that are no more than rounding count as zeros. All are estimates: the bulk
    near 0 is resolved no finer than K nodes can. It costs ``2 vectors steps`` gradients of every sample.

    Args:
        vectors: at least 1.
        steps: K, products with the Hessian for each.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.
        metric: ``"identity"``, or ``"optimizer"`` for the matrix whose largest eigenvalue is that of
            :class:`fbgd.probes.PreconditionedSharpness`.

    Raises:
        ConfigError: an option that is out of range; at a look, an optimizer whose metric is not known.

    Source: Ghorbani, Krishnan & Xiao 2019, "An Investigation into Neural Net Optimization via Hessian Eigenvalue
    Density"; Ubaru, Chen & Saad 2017, "Fast Estimation of tr(f(A)) via Stochastic Lanczos Quadrature".
    """

    def __init__(self, vectors: int = 2, steps: int = 20, precision: str = "as trained", metric: str = "identity"):
        for name, value in (("vectors", vectors), ("steps", steps)):
            if not value >= 1:
                raise ConfigError(f"{name} = {value!r} must be 1 or more")
        check_precision(precision)
        check_metric(metric)
        self.vectors, self.steps, self.precision, self.metric = vectors, steps, precision, metric

    def __call__(self, state: ProbeState) -> dict[str, float]:
        density = self.density(state)
        mean = density.moment(1)
        share, mass = density.below_zero()
        return {
            "mean": mean,
            "std": density.moment(2, mean) ** 0.5,
            **{f"q{round(100 * share):02}": density.quantile(share) for share in QUANTILES},
            "smallest": float(density.nodes[0]),
            "largest": float(density.nodes[-1]),
            "negative_share": share,
            "negative_mass": mass,
        }

    def density(self, state: ProbeState) -> SpectralDensity:
        """The whole distribution, for figures."""
        product = product_in(self.metric, state, self.precision)
        draw = state.generator(VECTORS)
        nodes, weights = [], []
        for _ in range(self.vectors):
            start = torch.randn(product.size, generator=draw, dtype=torch.float64)
            values, vectors = lanczos(product, start.to(state.params[0].device), self.steps).ritz()
            nodes.append(values)
            weights.append(vectors[0] ** 2 / self.vectors)
        together = np.concatenate(nodes)
        order = np.argsort(together)
        return SpectralDensity(together[order], np.concatenate(weights)[order])
