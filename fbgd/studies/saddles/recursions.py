r"""How many steps every method takes to leave a quadratic saddle: closed forms of its linear recursions.

Along the direction of curvature :math:`-\gamma` gradient descent with step h is :math:`y_{t+1} = (1 + h \gamma) y_t`;
with momentum the next y is a combination of the last two,

.. math:: y_{t+1} = p \, y_t - q \, y_{t-1}, \qquad z^2 - p z + q = 0

with the roots :math:`z_1 > 1 > z_2` of the characteristic polynomial, and
:math:`y_t = c_1 z_1^t + c_2 z_2^t`. Heavy ball in the form of ``torch.optim.SGD`` has
:math:`p = 1 + \mu + h \gamma, q = \mu`; Nesterov's form :math:`p = (1 + \mu)(1 + h \gamma), q = \mu (1 + h \gamma)`.
"""

import math
from dataclasses import dataclass

import numpy as np

# Points of the distribution of a coordinate of a uniform ball at which expectations over it are taken.
QUANTILES = 20_001


@dataclass(frozen=True)
class Momentum:
    """The two terms of a linear recursion from the start ``distance``.

    Args:
        roots: z_1 > z_2 of the characteristic polynomial.
        shares: c_1 and c_2 for a start at 1.
    """

    roots: tuple[float, float]
    shares: tuple[float, float]

    def steps(self, distance: float) -> float:
        """When the recursion from ``distance`` reaches 1, as a real number."""
        from scipy.optimize import brentq

        (large, small), (first, second) = self.roots, self.shares

        def height(step: float) -> float:
            return distance * (first * large**step + second * small**step) - 1

        return float(brentq(height, 0.0, math.log(2 / (distance * first)) / math.log(large) + 1))


def heavy_ball(rate: float, curvature: float, momentum: float) -> Momentum:
    """The recursion of heavy-ball momentum, whose first step is one of gradient descent.

    >>> round(heavy_ball(rate=0.1, curvature=0.5, momentum=0.0).steps(1e-3), 6), round(descent_steps(0.1, 0.5, 1e-3), 6)
    (141.580898, 141.580898)
    """
    growth = rate * curvature
    return recursion(1 + momentum + growth, momentum, 1 + growth)


def nesterov(rate: float, curvature: float, momentum: float) -> Momentum:
    """The recursion of Nesterov's momentum, whose first step is 1 + momentum of gradient descent."""
    growth = rate * curvature
    return recursion((1 + momentum) * (1 + growth), momentum * (1 + growth), 1 + growth * (1 + momentum))


def recursion(p: float, q: float, second: float) -> Momentum:
    """The closed form of y_{t+1} = p y_t - q y_{t-1} with y_0 = 1 and y_1 = ``second``."""
    root = math.sqrt(p * p / 4 - q)
    large, small = p / 2 + root, p / 2 - root
    share = (second - small) / (large - small)
    return Momentum((large, small), (share, 1 - share))


def descent_steps(rate: float, curvature: float, distance: float) -> float:
    """Of gradient descent from ``distance`` to 1: ln(1 / distance) / ln(1 + rate curvature)."""
    return math.log(1 / distance) / math.log1p(rate * curvature)


def noisy_steps(rate: float, curvature: float, distance: float, std: float) -> float:
    r"""Expected steps of SGD with white noise of the gradient, up to crossing back and forth.

    .. math::
        y_t \sim N\!\left(a^t \delta, \; h^2 s^2 \frac{a^{2t} - 1}{a^2 - 1}\right), \qquad a = 1 + h \gamma, \qquad
        E[T] \approx \sum_{t \ge 0} P(|y_t| < 1)

    Args:
        rate: h.
        curvature: gamma.
        distance: delta.
        std: s, of the noise of one step's gradient.
    """
    from scipy.special import ndtr

    growth = 1 + rate * curvature
    steps = np.arange(math.ceil(descent_steps(rate, curvature, distance)) + 2)
    powers = growth**steps
    spread = rate * std * np.sqrt((powers**2 - 1) / (growth**2 - 1))
    inside = (powers * distance < 1).astype(float)
    moved = spread > 0
    mean, spread = powers[moved] * distance, spread[moved]
    inside[moved] = ndtr((1 - mean) / spread) - ndtr((-1 - mean) / spread)
    return float(inside.sum())


def perturbed_steps(rate: float, curvature: float, distance: float, radius: float, threshold: float) -> float:
    r"""Expected steps of perturbed gradient descent in the plane, from (1, distance), with one perturbation.

    Descent shrinks x by :math:`1 - h` a step; where the gradient is at most the threshold, after :math:`t_0` steps, a
    point of the disc of the radius r is added, whose coordinates have the density
    :math:`\frac{2}{\pi r^2} \sqrt{r^2 - u^2}`; then descent goes on from :math:`|a^{t_0} \delta + u|`.

    Args:
        rate: h.
        curvature: gamma.
        distance: delta.
        radius: r.
        threshold: of the norm of the gradient.
    """
    growth = 1 + rate * curvature
    start = next(
        step for step in range(10**6)
        if math.hypot((1 - rate) ** step, curvature * distance * growth**step) <= threshold
        or distance * growth**step >= 1
    )  # fmt: skip
    if distance * growth**start >= 1:
        return float(start)
    # Quantiles of the semicircle: u = r sin(phi) with the probability (phi + sin(phi) cos(phi)) / pi + 1/2.
    angles = np.linspace(-np.pi / 2, np.pi / 2, 40 * QUANTILES)
    shares = (angles + np.sin(angles) * np.cos(angles)) / np.pi + 0.5
    middles = (np.arange(QUANTILES) + 0.5) / QUANTILES
    places = np.abs(distance * growth**start + radius * np.sin(np.interp(middles, shares, angles)))
    return float(start + np.ceil(np.log(1 / places) / math.log(growth)).mean())


def chain_factor(growth: float, kept: float) -> float:
    """How much longer the wait at a saddle is than that at the one before, in a chain, once waits are long.

    While a method waits at a saddle, for so many steps that the coordinate along grows by ``growth`` a step from what
    it was, the coordinates of all later ones shrink to the share ``kept`` a step. So the k-th wait T_k and the sum S_k
    of all until then obey ``T_{k+1} = S_k ln(1 / kept) / ln(growth) + a constant``.

    Args:
        growth: the larger root of the recursion along a saddle's way down, above 1.
        kept: the absolute value of the roots of that across, below 1.

    >>> chain_factor(growth=2.0, kept=0.25)
    3.0
    """
    return 1 + math.log(1 / kept) / math.log(growth)
