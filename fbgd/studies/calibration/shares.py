"""Shares of simulated studies: their intervals, and the rules by which claims about them are judged."""

import math

from fbgd.report.claims import OPPOSITE, SUPPORTED, UNDECIDED, Estimate, Rule

# Points of a rate by which its interval may reach beyond the limit that is claimed.
TOLERANCE = 2.5


def wilson(hits: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    r"""Wilson's interval of a share; NaN without trials.

    .. math:: \frac{p + z^2/2n \pm z \sqrt{p (1 - p) / n + z^2/4n^2}}{1 + z^2/n}

    Args:
        hits: at most ``trials``.
        trials: n.
        level: of the interval.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".

    >>> [round(end, 4) for end in wilson(5, 100)]
    [0.0215, 0.1118]
    """
    from scipy import stats

    if not trials:
        return math.nan, math.nan
    z = float(stats.norm.ppf((1 + level) / 2))
    share = hits / trials
    centre = (share + z**2 / 2 / trials) / (1 + z**2 / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / 4 / trials**2) / (1 + z**2 / trials)
    # At the ends exactly, so that the share itself lies inside.
    return min(share, centre - half) if hits else 0.0, max(share, centre + half) if hits < trials else 1.0


def percentage(hits: float, trials: float, level: float, case: str = "") -> Estimate:
    """A share in percent with its interval."""
    low, high = (100 * end for end in wilson(hits, trials, level))
    return Estimate(100 * hits / trials if trials else math.nan, low, high, case)


def at_most(limit: float, tolerance: float = TOLERANCE) -> Rule:
    """Supported where the interval ends at most ``tolerance`` above the limit, opposite where it lies above it.

    >>> at_most(5)(Estimate(4.0, 3.0, 6.0)), at_most(5)(Estimate(9.0, 7.0, 11.0)), at_most(5)(Estimate(6.0, 4.0, 8.0))
    ('supported', 'opposite', 'undecided')
    """

    def rule(estimate: Estimate) -> str:
        if estimate.low > limit:
            return OPPOSITE
        return SUPPORTED if estimate.high <= limit + tolerance else UNDECIDED

    return rule


def at_least(limit: float, tolerance: float = TOLERANCE) -> Rule:
    """Supported where the interval begins at most ``tolerance`` below the limit, opposite where it lies below it."""

    def rule(estimate: Estimate) -> str:
        if estimate.high < limit:
            return OPPOSITE
        return SUPPORTED if estimate.low >= limit - tolerance else UNDECIDED

    return rule


def never(estimate: Estimate) -> str:
    """Supported where a number is 0, opposite where it is not."""
    return SUPPORTED if estimate.value == 0 else OPPOSITE
