"""The rule by which a value is chosen from a search, and how sure the choice is: pure functions of the scores.

Scores are an array ``(search seeds, values)``, the values ascending and higher scores better; NaN where a run has none.
"""

from typing import NamedTuple

import numpy as np

REPETITIONS = 1000


class Choice(NamedTuple):
    """What was chosen from a search.

    Args:
        values: all that were tried, ascending.
        place: index of the chosen one.
        best: index of the value with the best mean.
        means: the mean scores.
        shares: how often each value is chosen when the search seeds are drawn again.
        seeds: so many search seeds.
    """

    values: tuple[float, ...]
    place: int
    best: int
    means: np.ndarray
    shares: np.ndarray
    seeds: int

    @property
    def value(self) -> float:
        """The chosen value."""
        return self.values[self.place]

    @property
    def known(self) -> tuple[float, ...]:
        """The values that have a score with every seed."""
        return tuple(value for value, mean in zip(self.values, self.means, strict=True) if not np.isnan(mean))

    @property
    def side(self) -> int:
        """Beyond which end a better value may lie: -1 below, 1 above, 0 where choice and best are interior."""
        ends = {self.place, self.best}
        return -1 if 0 in ends else 1 if len(self.values) - 1 in ends else 0


def one_standard_error(scores: np.ndarray) -> int | None:
    """The index of the chosen value; ``None`` where no value has a score with every seed.

    Among the values whose mean is within one standard error of the best mean, the one nearest the middle of them, the
    better of two that are equally near: where scores cannot tell values apart, the middle of a plateau is the safest
    place. The rule is that of Breiman et al. 1984 with "middle" for "simplest".

    Args:
        scores: ``(seeds, values)``. With one seed there is no standard error, and only equals are within it.

    >>> one_standard_error(np.array([[0.1, 0.90, 0.91, 0.92, 0.2], [0.1, 0.92, 0.91, 0.90, 0.3]]))
    2
    """
    means = scores.mean(axis=0)
    known = np.flatnonzero(~np.isnan(means))
    if not len(known):
        return None
    best = known[means[known].argmax()]
    error = scores[:, best].std(ddof=1) / np.sqrt(len(scores)) if len(scores) > 1 else 0.0
    near = known[means[known] >= means[best] - error]
    distances = np.abs(near - (near[0] + near[-1]) / 2)
    nearest = near[distances == distances.min()]
    return int(nearest[means[nearest].argmax()])


def choose(values: tuple[float, ...], scores: np.ndarray) -> Choice | None:
    """What a search chooses, with its uncertainty; ``None`` where no value has a score with every seed.

    Args:
        values: ascending.
        scores: ``(seeds, values)``.
    """
    # A value that lacks a seed must not come back in a resample without it.
    scores = np.where(np.isnan(scores).any(axis=0), np.nan, scores)
    index = one_standard_error(scores)
    if index is None:
        return None
    means = scores.mean(axis=0)
    # Of equally good values that in the middle: a plateau is not at an end of the grid.
    best = np.flatnonzero(means == np.nanmax(means))
    return Choice(values, index, int(best[len(best) // 2]), means, resampled_shares(scores), len(scores))


def resampled_shares(scores: np.ndarray) -> np.ndarray:
    """How often each value is chosen, in a bootstrap over the search seeds; with one seed always the same."""
    seeds, count = scores.shape
    if seeds == 1:
        return np.eye(count)[one_standard_error(scores)]
    draws = np.random.default_rng(0).integers(seeds, size=(REPETITIONS, seeds))
    # Few seeds have few different resamples.
    resamples, times = np.unique(np.sort(draws, axis=1), axis=0, return_counts=True)
    shares = np.zeros(count)
    for resample, number in zip(resamples, times, strict=True):
        chosen = one_standard_error(scores[resample])
        assert chosen is not None
        shares[chosen] += number / REPETITIONS
    return shares


def beyond(values: tuple[float, ...], side: int) -> float | None:
    """The next value of a grid below (-1) or above (1) it, by the ratio of the two at that end, in two digits.

    ``None`` where there is no side to go to, no ratio, or nothing beyond in so many digits, as of a grid from 0 on.

    >>> beyond((0.03, 0.095, 0.3), 1), beyond((0.1, 0.2, 0.4), -1), beyond((0.0, 0.1, 0.2), -1)
    (0.95, 0.05, None)
    """
    if not side or len(values) < 2:
        return None
    end, inner = (values[0], values[1]) if side < 0 else (values[-1], values[-2])
    if not end or not inner:
        return None
    value = float(f"{end * end / inner:.2g}")
    return value if (value < end if side < 0 else value > end) else None


def each_choice(scores: np.ndarray) -> list[int | None]:
    """What every seed chooses by its own scores alone: its best value, of equals the one nearest their middle.

    ``None`` for a seed without any score.

    Args:
        scores: ``(seeds, values)``.

    >>> each_choice(np.array([[0.1, 0.9, 0.9, 0.9], [0.3, np.nan, 0.2, 0.1], [np.nan] * 4]))
    [2, 0, None]
    """
    return [one_standard_error(own[None]) for own in scores]


# A grid grows where more than this share of the seeds choose its end.
MANY = 0.25


def end_of_choices(scores: np.ndarray) -> int:
    """Beyond which end of the grid better values may lie for seeds that choose for themselves: -1, 0 or 1.

    That of the best mean, if it is an end; else one that more than a quarter of the seeds choose.

    >>> end_of_choices(np.array([[0.3, 0.2, 0.1], [0.1, 0.2, 0.1], [0.1, 0.2, 0.1]]))
    -1
    """
    places = [place for place in each_choice(scores) if place is not None]
    if not places:
        return 0
    last = scores.shape[1] - 1
    means = scores.mean(axis=0)
    if not np.isnan(means).all():
        best = np.flatnonzero(means == np.nanmax(means))
        if (middle := best[len(best) // 2]) in (0, last):
            return -1 if middle == 0 else 1
    shares = {side: places.count(end) / len(places) for side, end in ((-1, 0), (1, last))}
    side = max(shares, key=lambda side: shares[side])
    return side if shares[side] > MANY else 0
