"""The rule by which a value is chosen from a search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbgd.studies.selection import MANY, beyond, choose, each_choice, end_of_choices, one_standard_error

VALUES = (0.1, 0.2, 0.4, 0.8, 1.6)


@pytest.mark.parametrize(
    ("means", "spread", "expected"),
    [
        # One value stands out.
        ((0.1, 0.9, 0.2, 0.3, 0.1), 0.03, 1),
        # A plateau: its middle, although another point of it has the best mean.
        ((0.1, 0.900, 0.901, 0.902, 0.1), 0.03, 2),
        # Of two within one error the better one.
        ((0.1, 0.2, 0.90, 0.901, 0.1), 0.03, 3),
        # What lies two errors below the best is not of the plateau.
        ((0.5, 0.85, 0.86, 0.902, 0.1), 0.03, 3),
        ((0.9, 0.1, 0.1, 0.1, 0.1), 0.03, 0),
    ],
)
def test_the_middle_of_what_cannot_be_told_from_the_best_is_chosen(means, spread, expected):
    # Three seeds around the means: their standard error is spread / sqrt(3).
    scores = np.array(means) + spread * np.array([[-1.0], [0.0], [1.0]])
    assert scores[:, 0].std(ddof=1) == pytest.approx(spread)
    assert one_standard_error(scores) == expected


def test_one_seed_chooses_the_best_and_of_equals_the_middle():
    assert one_standard_error(np.array([[0.2, 0.9, 0.1]])) == 1
    assert one_standard_error(np.array([[0.9, 0.9, 0.9]])) == 1
    choice = choose((0.1, 0.2, 0.4), np.array([[0.2, 0.9, 0.1]]))
    assert list(choice.shares) == [0, 1, 0]


def test_a_value_that_lacks_a_seed_is_not_chosen():
    scores = np.array([[0.2, 0.9, 0.3], [0.2, np.nan, 0.3]])
    assert one_standard_error(scores) == 2
    assert one_standard_error(np.full((2, 3), np.nan)) is None
    assert choose((0.1, 0.2, 0.4), np.full((2, 3), np.nan)) is None


def test_a_value_that_lacks_a_seed_does_not_come_back_in_a_resample():
    scores = np.array([[0.5, 0.80, 0.90, np.nan], [0.5, 0.81, 0.91, 0.97], [0.5, 0.82, 0.89, 0.96]])
    choice = choose((0.1, 0.2, 0.4, 0.8), scores)
    assert (choice.value, choice.known) == (0.4, (0.1, 0.2, 0.4))
    assert choice.shares[3] == 0


def test_equally_good_values_are_a_plateau_and_no_end():
    assert choose(VALUES, np.full((3, 5), 0.9)).side == 0


def test_the_side_beyond_which_a_better_value_may_lie():
    rising = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]] * 3)
    assert choose(VALUES, rising).side == 1
    assert choose(VALUES, rising[:, ::-1]).side == -1
    assert choose(VALUES, np.array([[0.1, 0.2, 0.5, 0.4, 0.1]] * 3)).side == 0
    # The best is an end although the middle of the plateau is chosen.
    noise = 0.1 * np.array([[-1.0], [0.0], [1.0]])
    plateau = choose(VALUES, np.array([0.1, 0.1, 0.50, 0.51, 0.52]) + noise)
    assert (plateau.value, plateau.side) == (0.8, 1)


def test_shares_are_those_of_all_resamples_of_the_seeds():
    """Two seeds that disagree: each alone chooses its own best, both together the middle of the plateau."""
    scores = np.array([[0.9, 0.5, 0.5], [0.5, 0.5, 0.9]])
    choice = choose((0.1, 0.2, 0.4), scores)
    # Draws (0, 0), (1, 1), (0, 1), (1, 0) are equally likely; means of the last two .7 .5 .7, error .2.
    assert choice.value == 0.2
    assert choice.shares == pytest.approx([0.25, 0.5, 0.25], abs=0.05)
    assert choice.shares.sum() == pytest.approx(1)


@given(st.integers(2, 5), st.integers(3, 7), st.integers(0, 10_000))
def test_what_is_chosen_is_within_one_error_of_the_best_and_order_of_seeds_is_nothing(seeds, count, seed):
    scores = np.random.default_rng(seed).normal(size=(seeds, count))
    index = one_standard_error(scores)
    means, best = scores.mean(axis=0), scores.mean(axis=0).argmax()
    assert means[index] >= means[best] - scores[:, best].std(ddof=1) / np.sqrt(seeds) - 1e-12
    assert one_standard_error(scores[::-1]) == index


def test_a_grid_goes_on_by_its_own_ratio():
    assert beyond(VALUES, 1) == 3.2
    assert beyond(VALUES, -1) == 0.05
    assert beyond((0.03, 0.095, 0.3), 1) == 0.95
    # Nothing lies beyond nothing, and two digits may not tell more.
    assert beyond((0.0, 0.1, 0.2), -1) is None
    assert beyond((0.95, 0.99, 1.0), 1) is None
    assert beyond((0.1,), 1) is None
    assert beyond(VALUES, 0) is None


def test_the_end_that_the_mean_or_many_seeds_choose():
    """By hand: the best mean decides where it is an end; else the share of seeds that choose one, a quarter or less."""
    low, middle, high = np.eye(3)
    assert end_of_choices(np.array([low, low, middle])) == -1
    assert end_of_choices(np.array([high, high, middle])) == 1
    # The mean is best in the middle, and one seed of three chooses an end: 1/3 > 1/4.
    assert end_of_choices(np.array([2 * middle, low, middle])) == -1
    assert end_of_choices(np.array([2 * middle, high, middle])) == 1
    # One of four is not more than a quarter; of both ends the more frequent counts.
    assert MANY == 0.25
    assert end_of_choices(np.array([2 * middle, low, middle, middle])) == 0
    assert end_of_choices(np.array([9 * middle, low, high, high])) == 1
    assert end_of_choices(np.full((2, 3), np.nan)) == 0
    # No value has a score with every seed: there is no best mean, the seeds decide.
    gaps = np.array([[np.nan, 0.1, 0.9], [0.9, 0.1, np.nan], [0.9, np.nan, 0.1]])
    assert each_choice(gaps) == [2, 0, 0]
    assert end_of_choices(gaps) == -1
    assert end_of_choices(gaps[:, ::-1]) == 1
