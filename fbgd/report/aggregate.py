"""Statistics of runs on several tasks, such as data sets (Agarwal et al. 2021, arXiv 2108.13264).

Scores are an array of runs a task, in a list or by the task's name, in any order of the runs; tasks may have different
numbers of them. Every statistic also takes batches, arrays of shape (..., runs), and is vectorised over them: so is the
bootstrap.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Scores = Sequence[Any] | Mapping[str, Any]
Statistic = Callable[[list[np.ndarray]], np.ndarray]

REPETITIONS = 2000
# Two sums of the same ranks, added in another order, are equal up to this.
ROUNDING = 1e-9


def tasks_of(scores: Scores) -> list[np.ndarray]:
    """The scores as float64 arrays, one a task.

    Raises:
        ValueError: there is no task, one without runs, or one with a NaN: a run that lacks a score must be dealt with
            before, no statistic can know what it stands for.
    """
    named = scores if isinstance(scores, Mapping) else dict(enumerate(scores))
    if not named:
        raise ValueError("scores have no task; at least one array of runs is needed")
    tasks = {name: np.asarray(task, dtype=float) for name, task in named.items()}
    for name, task in tasks.items():
        if not task.ndim or not task.shape[-1]:
            raise ValueError(f"task {name!r} has no runs; every task needs an array of at least one")
        if np.isnan(task).any():
            raise ValueError(f"task {name!r} has {int(np.isnan(task).sum())} NaN among its scores; all must be numbers")
    return list(tasks.values())


def matched(left: Scores, right: Scores) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Both sides' arrays in the same order of tasks: by name where they have names.

    Raises:
        ValueError: they are not over the same tasks.
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        if different := sorted(map(str, left.keys() ^ right.keys())):
            raise ValueError(f"only one side has the task(s) {', '.join(different)}; both need the same")
        right = {name: right[name] for name in left}
    elif len(left) != len(right):
        raise ValueError(f"{len(left)} tasks stand against {len(right)}; both sides need the same")
    return tasks_of(left), tasks_of(right)


def interquartile_mean(scores: Scores) -> np.ndarray:
    """Mean of the middle half of all runs of all tasks pooled: a quarter is cut off at each end, rounded down.

    A task with more runs than another weighs more.

    Args:
        scores: arrays (..., runs), one a task.

    >>> float(interquartile_mean([[0, 1, 2, 3], [4, 5, 6, 700]]))
    3.5
    """
    from scipy import stats

    return stats.trim_mean(np.concatenate(tasks_of(scores), axis=-1), 0.25, axis=-1)


def mean_over_tasks(scores: Scores) -> np.ndarray:
    """Mean over tasks of the mean over runs: every task weighs the same."""
    return np.mean([task.mean(-1) for task in tasks_of(scores)], axis=0)


def probability_of_improvement(left: Scores, right: Scores) -> np.ndarray:
    """Mean over tasks of P(X > Y) + P(X = Y) / 2, where X is a run of the left and Y one of the right.

    Of a task this is Mann and Whitney's U over the number of pairs. It does not depend on the tasks' scales.

    Args:
        left: arrays (..., runs), one a task; higher is better.
        right: the same tasks, with any number of runs.

    >>> float(probability_of_improvement([[1, 2], [3, 4]], [[0, 0], [3, 4]]))
    0.75
    """
    from scipy import stats

    shares = []
    for ours, theirs in zip(*matched(left, right), strict=True):
        n, m = ours.shape[-1], theirs.shape[-1]
        ranks = stats.rankdata(np.concatenate([ours, theirs], axis=-1), axis=-1)[..., :n]
        shares.append((ranks.sum(-1) - n * (n + 1) / 2) / (n * m))
    return np.mean(shares, axis=0)


def performance_profile(scores: Scores, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """The share of all runs of all tasks whose score is above each threshold, (..., thresholds).

    Args:
        scores: arrays (..., runs), one a task.
        thresholds: in the scores' unit.

    >>> performance_profile([[1, 2], [3, 4]], [0, 1, 3.5]).tolist()
    [1.0, 0.75, 0.25]
    """
    pooled = np.concatenate(tasks_of(scores), axis=-1)
    return np.stack([(pooled > threshold).mean(-1) for threshold in thresholds], axis=-1)


def stratified_bootstrap(
    scores: Scores, statistic: Statistic, repetitions: int = REPETITIONS, seed: int = 0, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of a statistic, runs being drawn with replacement within each task (Efron 1979).

    It tells what other runs on the same tasks would give, not what other tasks would. Of two or three runs a task it
    tends to be too narrow.

    Args:
        scores: arrays (runs,), one a task.
        statistic: from arrays (repetitions, runs), one a task, to (repetitions, ...).
        repetitions: how often all runs are drawn anew, at least 1.
        seed: of the draws.
        level: of the interval, between 0 and 1.

    Returns:
        The lower and the upper end, each of the statistic's shape.
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level} is out of range; it lies between 0 and 1")
    check_repetitions(repetitions)
    generator = np.random.default_rng(seed)
    drawn = [task[generator.integers(len(task), size=(repetitions, len(task)))] for task in tasks_of(scores)]
    low, high = np.quantile(statistic(drawn), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def improvement_interval(
    left: Scores, right: Scores, repetitions: int = REPETITIONS, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """:func:`stratified_bootstrap` interval of :func:`probability_of_improvement`, both sides being drawn anew."""
    ours, theirs = matched(left, right)

    def improvement(drawn: list[np.ndarray]) -> np.ndarray:
        return probability_of_improvement(drawn[: len(ours)], drawn[len(ours) :])

    low, high = stratified_bootstrap([*ours, *theirs], improvement, repetitions, seed, level)
    return float(low), float(high)


def exchange_test(left: Scores, right: Scores, repetitions: int = 9999, seed: int = 0) -> float:
    """Two-sided p-value that both sides' runs are alike on every task, by exchanging them within each task.

    Of ``repetitions`` random exchanges, the share whose :func:`probability_of_improvement` is at least as far from one
    half, the observed one counting as one of them (van Elteren 1960; Phipson and Smyth 2010). It is valid for any
    number of runs: with few it cannot be small, where the bootstrap's interval shrinks to a point.

    Args:
        left: arrays (runs,), one a task.
        right: the same tasks.
        repetitions: number of exchanges, at least 1; no p-value is smaller than 1 / (repetitions + 1).
        seed: of the exchanges.
    """
    check_repetitions(repetitions)
    ours, theirs = matched(left, right)
    generator = np.random.default_rng(seed)
    first, second = [], []
    for task, other in zip(ours, theirs, strict=True):
        pool = np.broadcast_to(np.concatenate([task, other]), (repetitions, len(task) + len(other)))
        exchanged = generator.permuted(pool, axis=1)
        first.append(exchanged[:, : len(task)])
        second.append(exchanged[:, len(task) :])
    distance = np.abs(probability_of_improvement(ours, theirs) - 0.5)
    extreme = np.abs(probability_of_improvement(first, second) - 0.5) >= distance - ROUNDING
    return (1 + int(extreme.sum())) / (1 + repetitions)


def check_repetitions(repetitions: int) -> None:
    """Raise ``ValueError`` unless there is at least one repetition."""
    if repetitions < 1:
        raise ValueError(f"repetitions {repetitions} is out of range; at least 1")
