"""Dunnett's comparison of several groups with one: p-values and intervals that hold for all of them together."""

import math
from functools import lru_cache

import numpy as np

from fbgd.report.statistics import DUNNETT, Difference

NODES = 96


def dunnett(groups: list[np.ndarray], control: np.ndarray, level: float = 0.95) -> list[Difference]:
    """Every group's mean minus the control's, with the variance pooled over all of them.

    .. math:: T_i = \\frac{\\bar y_i - \\bar y_0}{s \\sqrt{1/n_i + 1/n_0}}, \\qquad
        p_i = P(\\max_j |T_j| \\ge |t_i|), \\qquad \\bar y_i - \\bar y_0 \\pm c\\, s \\sqrt{1/n_i + 1/n_0}

    Args:
        groups: values of each, one or more.
        control: the values that they are compared with.
        level: with which all intervals hold at once.

    Source: Dunnett 1955, "A Multiple Comparison Procedure for Comparing Several Treatments with a Control". Other than
    ``scipy.stats.dunnett`` it integrates by quadrature, so equal values give equal numbers to the last digit.

    >>> first, second = dunnett([np.array([1.0, 2.0, 3.0]), np.array([7.0, 8.0, 9.0])], np.array([1.0, 3.0, 2.0]))
    >>> round(first.p_value, 3), round(second.p_value, 3)
    (1.0, 0.001)
    """
    everything = [control, *groups]
    freedom = sum(map(len, everything)) - len(everything)
    deviation = math.sqrt(sum(float(((own - own.mean()) ** 2).sum()) for own in everything) / freedom)
    sizes = tuple(len(own) for own in groups)
    critical = critical_value(sizes, len(control), freedom, level)
    found = []
    for own in groups:
        delta = float(own.mean() - control.mean())
        error = deviation * math.sqrt(1 / len(own) + 1 / len(control))
        p_value = 1 - probability_within(abs(delta) / error, sizes, len(control), freedom)
        found.append(Difference(delta, delta - critical * error, delta + critical * error, max(p_value, 0.0), DUNNETT))
    return found


@lru_cache(maxsize=256)
def critical_value(sizes: tuple[int, ...], control: int, freedom: int, level: float) -> float:
    """The c within which all ``|T_i|`` stay with probability ``level``.

    Args:
        sizes: of the groups.
        control: size of the control.
        freedom: degrees of freedom of the pooled variance.
        level: of the intervals.
    """
    from scipy import optimize, stats

    # One comparison needs least, and Bonferroni's correction of all is enough.
    one, all_of_them = (float(stats.t.ppf(1 - (1 - level) / 2 / count, freedom)) for count in (1, len(sizes)))
    if len(sizes) == 1:
        return one
    return float(
        optimize.brentq(
            lambda bound: probability_within(bound, sizes, control, freedom) - level, 0.99 * one, 1.01 * all_of_them
        )
    )


def probability_within(bound: float, sizes: tuple[int, ...], control: int, freedom: int) -> float:
    """:math:`P(\\max_i |T_i| \\le` ``bound``:math:`)` where all means are equal.

    Given the control's mean and the pooled deviation the groups are independent, so that a product of normal
    probabilities is left to integrate over these two.
    """
    from scipy import special

    means, weights, deviations, shares = quadrature(freedom)
    inside = np.ones((len(means), len(deviations)))
    for size in set(sizes):
        loading = math.sqrt(size / (size + control))
        centre = loading * means[:, None]
        reach = bound * deviations[None, :]
        rest = math.sqrt(1 - loading**2)
        one = special.ndtr((reach - centre) / rest) - special.ndtr((-reach - centre) / rest)
        inside *= one ** sizes.count(size)
    return float(weights @ inside @ shares)


@lru_cache(maxsize=64)
def quadrature(freedom: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nodes and weights for a standard normal variable, and for the root of a mean square with so many degrees."""
    from scipy import special

    points, weights = np.polynomial.legendre.leggauss(NODES)
    normal = 8.5 * points
    share = 8.5 * weights * np.exp(-(normal**2) / 2) / math.sqrt(2 * math.pi)
    uniform = (points + 1) / 2
    deviations = np.sqrt(special.chdtri(freedom, 1 - uniform) / freedom)
    return normal, share, deviations, weights / 2
