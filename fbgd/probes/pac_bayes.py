"""A PAC-Bayes bound of the test error: how much noise the weights bear, against how far they have gone."""

import math
import statistics

import torch

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.products import check_precision
from fbgd.probes.surface import surface
from regularizers.tensor_lists import flatten

# Of the training error, that noise of the tolerated size brings, as in Jiang et al. 2020.
RISE = 0.1


class PacBayes:
    r"""McAllester's bound of the test error of weights with Gaussian noise, the smallest over a grid of its size.

    .. math::
        E_Q \operatorname{err} \;\le\; E_Q \widehat{\operatorname{err}} +
        \sqrt{\frac{\lVert \theta - \theta_0 \rVert^2 / (2 s^2) + \ln(2 K \sqrt n / d)}{2 n}}, \qquad
        Q = N(\theta, s^2 I)

    with the prior :math:`N(\theta_0, s^2 I)` around the initial point, n samples, and the K sizes s of the grid united.
    To second order :math:`E_Q L \approx L + \frac{s^2}{2} \operatorname{tr} H`, so a flat minimum permits a larger s,
    and a shorter way from the start needs a smaller one. The bound holds with probability 1 - d for the expectation
    over Q. ``bound`` puts the mean over m draws, the same for all s, in its place: a measure, and no certificate. What
    the draws leave open is in ``certified``, which holds with probability 1 - 2 d: there the mean over the draws,
    :math:`\widehat{e}`, is replaced by the largest expectation that it does not exclude (Langford & Caruana 2002),

    .. math:: \max \left\{ p : \operatorname{kl}(\widehat{e} \,\Vert\, p) \le \tfrac1m \ln(2 K / d) \right\}

    With a few draws that is far above the mean, so it takes hundreds of ``samples`` to certify anything.
    Wrong predictions are counted, which lie in [0, 1] as the bound wants; the loss does not.

    Returns columns ``bound``; ``deviation``, its s; ``error``, the training error with that noise, and
    ``standard_error``, that of its mean over the draws, unknown of a single one; ``rise``, that of the objective with
    it; ``certified``, the smallest over the grid; ``tolerated``, the s up to which the training error rises by 0.1,
    interpolated, within the grid; and ``reach``, the distance from the initial point in units of it: the root of twice
    the divergence there, which orders networks also where the bound says nothing.

    Args:
        smallest: the first s of the grid.
        largest: the last one.
        sizes: K, spaced by equal factors.
        samples: m, draws, each a pass over the set for every s.
        confidence: d.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: a number that is out of range; the state has no initial point; or R^2 shows that this is a
            regression, whose errors are not bounded.

    Source: McAllester 1999; Langford & Caruana 2002, "(Not) Bounding the True Error", for the error of the draws;
    Dziugaite & Roy 2017, "Computing Nonvacuous Generalization Bounds"; Neyshabur,
    Bhojanapalli, McAllester & Srebro 2017, "Exploring Generalization in Deep Learning"; Jiang et al. 2020 for the
    tolerated noise.
    """

    def __init__(
        self,
        smallest: float = 1e-3,
        largest: float = 1.0,
        sizes: int = 16,
        samples: int = 6,
        confidence: float = 0.05,
        precision: str = "as trained",
    ):
        if not 0 < smallest <= largest < math.inf:
            raise ConfigError(f"smallest = {smallest!r} and largest = {largest!r} must be positive, in this order")
        if sizes < 1 or samples < 1:
            raise ConfigError(f"sizes = {sizes!r} and samples = {samples!r} must be at least 1")
        if not 0 < confidence < 1:
            raise ConfigError(f"confidence = {confidence!r} is outside the valid range (0, 1)")
        check_precision(precision)
        step = (largest / smallest) ** (1 / max(1, sizes - 1))
        self.grid = [smallest * step**place for place in range(sizes)]
        self.samples, self.confidence, self.precision = samples, confidence, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        landscape = surface(state, self.precision)
        origin, count = landscape.origin, landscape.blocks.samples
        if landscape.blocks.data.samples.targets.is_floating_point():
            raise ConfigError("the errors of a regression are not bounded, as this bound wants them")
        squared = float((origin - flatten(state.start()).to(origin)).double().square().sum())
        before, mistakes = landscape.loss_and_mistakes(origin)
        draws = [
            torch.randn(len(origin), generator=state.generator(index), dtype=torch.float64).to(origin)
            for index in range(self.samples)
        ]
        best: dict[str, float] = {}
        errors, certified = [], math.inf
        left_open = math.log(2 * len(self.grid) / self.confidence) / self.samples
        for size in self.grid:
            noisy = [landscape.loss_and_mistakes(origin + size * draw) for draw in draws]
            loss, error = (sum(values) / len(noisy) for values in zip(*noisy, strict=True))
            errors.append(error)
            root = complexity(squared, size, count, len(self.grid), self.confidence)
            certified = min(certified, largest_expectation(error, left_open) + root)
            if not best or error + root < best["bound"]:
                spread = standard_error([mistaken for _, mistaken in noisy])
                best = {"bound": error + root, "deviation": size, "error": error, "standard_error": spread,
                        "rise": loss - before}  # fmt: skip
        size = tolerated(self.grid, errors, mistakes + RISE)
        return {**best, "certified": certified, "tolerated": size, "reach": math.sqrt(squared) / size}


def standard_error(values: list[float]) -> float:
    """Of the mean of values; not a number for a single one.

    >>> standard_error([0.0, 1.0]), standard_error([0.5])
    (0.5, nan)
    """
    if len(values) < 2:
        return math.nan
    return statistics.stdev(values) / math.sqrt(len(values))


def largest_expectation(mean: float, divergence: float) -> float:
    r"""The largest p with :math:`\operatorname{kl}(q \Vert p) \le c` for a mean q of draws in [0, 1], by bisection.

    .. math:: \operatorname{kl}(q \Vert p) = q \ln \frac{q}{p} + (1 - q) \ln \frac{1 - q}{1 - p}

    With :math:`c = \ln(1 / d) / m` the expectation of m independent draws is above p with probability d at most
    (Chernoff).

    Args:
        mean: q.
        divergence: c.

    >>> round(largest_expectation(0.0, math.log(20) / 10), 6)  # 1 - exp(-c)
    0.258866
    """
    low, high = mean, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if bernoulli_divergence(mean, middle) <= divergence else (low, middle)
    return high


def bernoulli_divergence(first: float, second: float) -> float:
    """The divergence kl(first || second) of two probabilities of an event, ``second`` within (0, 1)."""
    pairs = ((first, second), (1 - first, 1 - second))
    return sum(own * math.log(own / other) for own, other in pairs if own > 0)


def tolerated(sizes: list[float], errors: list[float], most: float) -> float:
    """Where errors first pass ``most``, with straight lines over the logarithm of the ascending sizes.

    >>> round(tolerated([1.0, 4.0, 16.0], [0.0, 0.1, 0.3], 0.2), 6), tolerated([1.0, 4.0], [0.0, 0.1], 0.2)
    (8.0, 4.0)
    """
    for place, error in enumerate(errors):
        if error > most:
            if not place:
                return sizes[0]
            share = (most - errors[place - 1]) / (error - errors[place - 1])
            return sizes[place - 1] * (sizes[place] / sizes[place - 1]) ** max(share, 0.0)
    return sizes[-1]


def complexity(squared: float, size: float, samples: int, sizes: int, confidence: float) -> float:
    r"""The root in the bound of :class:`PacBayes`.

    Args:
        squared: :math:`\lVert \theta - \theta_0 \rVert^2`.
        size: s.
        samples: n.
        sizes: K.
        confidence: d.

    >>> round(complexity(squared=0.0, size=1.0, samples=100, sizes=1, confidence=0.2), 6)
    0.151743
    """
    return math.sqrt((squared / (2 * size**2) + math.log(2 * sizes * math.sqrt(samples) / confidence)) / (2 * samples))
