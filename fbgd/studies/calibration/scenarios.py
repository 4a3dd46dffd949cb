"""What a simulated study is made of: rows whose true errors are known, and the noise of their seeds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fbgd.studies.selection import each_choice, one_standard_error

# True error of a row, as a share; by so much of itself it grows per squared decade of the learning rate.
ERROR, CURVATURE = 0.10, 0.4
# Candidates in decades from the middle one, and where the best rate lies: between two of them, as it always does.
CANDIDATES, PEAK = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), 0.1
SEARCH_SEEDS, VALIDATION = 3, 500
# Standard deviation of a row's accuracy over seeds, a share.
SPREAD = 0.006
# What a diverged run ends with: one of ten classes.
CHANCE = 0.1


def alike(baselines: np.ndarray) -> np.ndarray:
    """One for every row."""
    return np.ones(len(baselines))


def twice_the_baseline(baselines: np.ndarray) -> np.ndarray:
    """Two for baselines."""
    return np.where(baselines, 2.0, 1.0)


def four_times_the_last(baselines: np.ndarray) -> np.ndarray:
    """Four for the last row."""
    return np.where(np.arange(len(baselines)) == len(baselines) - 1, 4.0, 1.0)


def graded(baselines: np.ndarray) -> np.ndarray:
    """From a half to four, in equal ratios."""
    return np.geomspace(0.5, 4, len(baselines))


def a_decade(baselines: np.ndarray) -> np.ndarray:
    """0.3 and 4.5 in turn, so that the first and every other row are equal."""
    return np.where(np.arange(len(baselines)) % 2, 4.5, 0.3)


@dataclass(frozen=True)
class Scenario:
    r"""How the rows of a simulated study differ, and how seeds vary.

    A row's true accuracy at a learning rate of x decades is :math:`1 - e (1 + k (x - x^*)^2)`.

    Args:
        name: what is special about it.
        spreads: from which rows are baselines to the factors on ``spread``, row by row.
        errors: to the factors on the true error.
        spread: standard deviation over seeds, a share.
        logarithmic: seeds vary the logarithm of the error, by this standard deviation; 0: they vary the accuracy.
        freedom: degrees of freedom of Student's distribution, above 2, scaled to variance 1; infinite: normal.
        correlation: between rows of the same seed.
        diverging: a run's probability.
        lift: by so much a row is truly better than the rest, a share; 0 in a null study.
        equivalence: the lifted row is the one that is claimed to be level, not the one claimed to be better.
        curvature: k.
        shared: standard deviation of what the validation set adds to the score of a row's candidate with all seeds,
            a share; only where every seed chooses for itself.
    """

    name: str
    spreads: Callable[[np.ndarray], np.ndarray] = alike
    errors: Callable[[np.ndarray], np.ndarray] = alike
    spread: float = SPREAD
    logarithmic: float = 0.0
    freedom: float = math.inf
    correlation: float = 0.0
    diverging: float = 0.0
    lift: float = 0.0
    equivalence: bool = False
    curvature: float = CURVATURE
    shared: float = 0.0

    @property
    def bare(self) -> bool:
        """Whether nothing but noise is there, and no run is lost: also a curve over places can be made of it."""
        return not (self.lift or self.diverging or self.logarithmic)


NULL = (
    Scenario("equal spreads"),
    Scenario("baseline twice the spread", twice_the_baseline),
    Scenario("one row four times the spread", four_times_the_last),
    Scenario("graded spreads", graded),
    Scenario("heavy tails", freedom=3),
    Scenario("seeds shared, correlation 0.5", correlation=0.5),
    Scenario("seeds shared, correlation 0.95", correlation=0.95),
    Scenario("errors over a decade", errors=a_decade, logarithmic=0.2),
    Scenario("5 % of runs diverge", diverging=0.05),
)
MARGIN = Scenario("a point apart, claimed to be level", lift=0.01, equivalence=True, curvature=0.0)
PLANTED = tuple(
    Scenario(f"one row a point better, sd {100 * spread:g}", spread=spread, lift=0.01)
    for spread in (0.003, 0.006, 0.01)
)
SCENARIOS = {scenario.name: scenario for scenario in (*NULL, MARGIN, *PLANTED)}


class Simulated(NamedTuple):
    """A simulated study.

    Args:
        accuracies: ``(seeds, rows)``, shares.
        diverged: ``(seeds, rows)``, whether.
        truth: true mean accuracies of the rows at the chosen rates.
        best: the same at the best candidates.
        chosen: the rows' rates, in decades from the middle candidate.
    """

    accuracies: np.ndarray
    diverged: np.ndarray
    truth: np.ndarray
    best: np.ndarray
    chosen: np.ndarray


def noise(scenario: Scenario, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Noise of mean 0 and variance 1, whose first axis are the seeds, the second the rows."""

    def draw(size: tuple[int, ...]) -> np.ndarray:
        if math.isinf(scenario.freedom):
            return rng.standard_normal(size)
        return rng.standard_t(scenario.freedom, size) / math.sqrt(scenario.freedom / (scenario.freedom - 2))

    common = draw((shape[0], *[1] * (len(shape) - 1)))
    return math.sqrt(scenario.correlation) * common + math.sqrt(1 - scenario.correlation) * draw(shape)


def observed(
    scenario: Scenario, errors: np.ndarray, spreads: np.ndarray, seeds: int, rng: np.random.Generator
) -> np.ndarray:
    """Accuracies ``(seeds, *errors.shape)`` of runs with these true errors, whose rows have these spreads."""
    drawn = noise(scenario, (seeds, *errors.shape), rng)
    if scenario.logarithmic:
        return 1 - errors * np.exp(scenario.logarithmic * drawn)
    return np.clip(1 - errors + scenario.spread * spreads * drawn, 0, 1)


def simulate(
    scenario: Scenario,
    baselines: np.ndarray,
    lifted: int,
    seeds: int,
    rng: np.random.Generator,
    search_seeds: int = SEARCH_SEEDS,
) -> Simulated:
    """A study whose rates are searched on validation data, then counted with fresh seeds.

    The search has its own seeds, whose accuracies on 500 validation samples are binomial; it chooses by
    :func:`fbgd.studies.selection.one_standard_error`, row by row.

    Args:
        scenario: what is true.
        baselines: which rows are baselines, ``(rows,)`` of bool.
        lifted: index of the row that is truly better, if any is.
        seeds: so many count.
        rng: of this study alone.
        search_seeds: so many choose.
    """
    curves, spreads = true_curves(scenario, baselines, lifted)
    chosen = chosen_places(search_scores(scenario, curves, spreads, rng, search_seeds))
    at_chosen, at_best = np.take_along_axis(curves, chosen[:, None], 1)[:, 0], curves.min(1)
    accuracies = observed(scenario, at_chosen, spreads, seeds, rng)
    diverged = rng.random(accuracies.shape) < scenario.diverging
    # The mean of a logarithmic normal variable is larger than its median.
    mean = math.exp(scenario.logarithmic**2 / 2)
    return Simulated(
        np.where(diverged, CHANCE, accuracies), diverged, 1 - mean * at_chosen, 1 - mean * at_best, CANDIDATES[chosen]
    )


def simulate_nested(
    scenario: Scenario, baselines: np.ndarray, lifted: int, seeds: int, rng: np.random.Generator
) -> Simulated:
    """A study whose seeds choose for themselves, and of which fresh runs with what each chose count.

    They choose by :func:`fbgd.studies.selection.each_choice`. The truth are the means at the best candidates, where
    rows of equal errors are equal; ``chosen`` is each row's median.

    Args:
        scenario: what is true.
        baselines: which rows are baselines, ``(rows,)`` of bool.
        lifted: index of the row that is truly better, if any is.
        seeds: so many.
        rng: of this study alone.
    """
    curves, spreads = true_curves(scenario, baselines, lifted)
    tried = observed(scenario, curves, spreads[:, None], seeds, rng)
    favoured = np.clip(tried + scenario.shared * rng.standard_normal(curves.shape), 0, 1)
    lost = rng.random(tried.shape) < scenario.diverging
    scores = np.where(lost, math.nan, rng.binomial(VALIDATION, favoured) / VALIDATION)
    found = [each_choice(scores[:, row]) for row in range(len(curves))]
    places = np.array([[len(CANDIDATES) // 2 if place is None else place for place in own] for own in found]).T
    fresh = observed(scenario, curves, spreads[:, None], seeds, rng)
    counted = np.take_along_axis(fresh, places[..., None], 2)[..., 0]
    diverged = rng.random(counted.shape) < scenario.diverging
    best = 1 - math.exp(scenario.logarithmic**2 / 2) * curves.min(1)
    chosen = np.median(CANDIDATES[places], axis=0)
    return Simulated(np.where(diverged, CHANCE, counted), diverged, best, best, chosen)


def true_curves(scenario: Scenario, baselines: np.ndarray, lifted: int) -> tuple[np.ndarray, np.ndarray]:
    """True errors ``(rows, candidates)`` and the factors on the rows' spreads."""
    errors = ERROR * scenario.errors(baselines)
    errors[lifted] -= scenario.lift
    return errors[:, None] * (1 + scenario.curvature * (CANDIDATES - PEAK) ** 2), scenario.spreads(baselines)


def search_scores(
    scenario: Scenario, curves: np.ndarray, spreads: np.ndarray, rng: np.random.Generator, seeds: int = SEARCH_SEEDS
) -> np.ndarray:
    """Validation accuracies ``(search seeds, rows, candidates)``, NaN of diverged runs.

    Args:
        scenario: what is true.
        curves: true errors ``(rows, candidates)``.
        spreads: factors on the rows' spread, ``(rows,)``.
        rng: of this study alone.
        seeds: so many search.
    """
    accuracies = observed(scenario, curves, spreads[:, None], seeds, rng)
    scores = rng.binomial(VALIDATION, np.clip(accuracies, 0, 1)) / VALIDATION
    return np.where(rng.random(scores.shape) < scenario.diverging, math.nan, scores)


def chosen_places(scores: np.ndarray) -> np.ndarray:
    """The index of each row's chosen candidate; as in a real study the middle one where none has all its seeds."""
    places = [one_standard_error(scores[:, row]) for row in range(scores.shape[1])]
    return np.array([scores.shape[2] // 2 if place is None else place for place in places])
