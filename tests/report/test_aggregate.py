"""Statistics over several tasks, against closed forms, naive loops and the numbers of rliable."""

import numpy as np
import pytest
import reference

from fbgd.report.aggregate import (
    exchange_test,
    improvement_interval,
    interquartile_mean,
    mean_over_tasks,
    performance_profile,
    probability_of_improvement,
    stratified_bootstrap,
)

# Three tasks, four runs on the left and five on the right, with ties.
LEFT = [[0.62, 0.66, 0.59, 0.71], [0.81, 0.77, 0.83, 0.79], [0.35, 0.41, 0.38, 0.44]]
RIGHT = [[0.60, 0.61, 0.66, 0.57, 0.64], [0.81, 0.74, 0.72, 0.78, 0.80], [0.33, 0.36, 0.45, 0.31, 0.40]]
THRESHOLDS = [0.3, 0.41, 0.5, 0.66, 0.79, 0.9]


def uneven(seed, sizes=(3, 6, 4)):
    """Tasks with different numbers of runs and, being rounded, with ties."""
    generator = np.random.default_rng(seed)
    return [np.round(generator.normal(size=size), 1) for size in sizes]


class TestRliable:
    """Numbers of rliable 1.2.0 (numpy 2.4, scipy 1.17) for LEFT and RIGHT: its 50,000 (interquartile means) and 20,000
    (all others) draws, percentile intervals at 95 %."""

    def test_interquartile_mean(self):
        assert interquartile_mean(LEFT) == pytest.approx(0.6316666666666667)
        assert interquartile_mean(RIGHT) == pytest.approx(0.5988888888888889)
        for scores, interval in ((LEFT, (0.60166667, 0.66166667)), (RIGHT, (0.57666667, 0.62))):
            assert stratified_bootstrap(scores, interquartile_mean, 20_000) == pytest.approx(interval, abs=0.002)

    def test_mean(self):
        assert mean_over_tasks(LEFT) == pytest.approx(0.6133333333333334)
        assert mean_over_tasks(RIGHT) == pytest.approx(0.5853333333333333)

    def test_probability_of_improvement(self):
        assert probability_of_improvement(LEFT, RIGHT) == pytest.approx(0.6833333333333332)
        assert improvement_interval(LEFT, RIGHT, 20_000) == pytest.approx((0.45833333, 0.88333333), abs=0.01)

    @pytest.mark.parametrize(
        ("scores", "profile", "low", "high"),
        [
            (LEFT, [12, 9, 8, 5, 2, 0], [12, 8, 8, 4, 0, 0], [12, 11, 8, 7, 4, 0]),
            (RIGHT, [15, 11, 10, 5, 2, 0], [15, 10, 10, 5, 0, 0], [15, 13, 10, 5, 4, 0]),
        ],
    )
    def test_performance_profile(self, scores, profile, low, high):
        runs = sum(map(len, scores))
        assert (runs * performance_profile(scores, THRESHOLDS)).tolist() == pytest.approx(profile)
        band = stratified_bootstrap(scores, lambda drawn: performance_profile(drawn, THRESHOLDS), 20_000)
        assert (runs * band[0]).tolist() == pytest.approx(low)
        assert (runs * band[1]).tolist() == pytest.approx(high)


class TestStatistics:
    def test_closed_forms(self):
        assert interquartile_mean([range(8)]) == 3.5
        assert interquartile_mean({"a": [0, 7, 1, 6], "b": [5, 2, 4, 3]}) == 3.5
        assert interquartile_mean([[1, 2], [1000]]) == pytest.approx(1003 / 3)
        assert mean_over_tasks([[1, 3], [6]]) == 4
        assert probability_of_improvement([[5, 6], [9]], [[1], [2, 3]]) == 1
        assert probability_of_improvement([[1], [2, 3]], [[5, 6], [9]]) == 0
        assert probability_of_improvement(LEFT, LEFT) == 0.5
        assert probability_of_improvement([[1.0, 1.0]], [[1.0] * 3]) == 0.5
        assert performance_profile([[1, 2], [3]], [0.5, 1, 2.5, 3]).tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])

    @pytest.mark.parametrize("seed", range(4))
    def test_naive_loops(self, seed):
        left, right = uneven(seed), uneven(seed + 10, (5, 2, 4))
        assert interquartile_mean(left) == pytest.approx(reference.middle_mean(left))
        assert probability_of_improvement(left, right) == pytest.approx(reference.improvement(left, right))
        pooled = [score for task in left for score in task]
        shares = [sum(score > threshold for score in pooled) / len(pooled) for threshold in (-0.5, 0.0, 0.5)]
        assert performance_profile(left, (-0.5, 0.0, 0.5)).tolist() == pytest.approx(shares)

    def test_batches_are_single_scores_one_after_another(self):
        left = [np.random.default_rng(1).normal(size=(2, 5, size)).round(1) for size in (3, 4)]
        right = [np.random.default_rng(2).normal(size=(2, 5, size)).round(1) for size in (6, 2)]
        middles, wins = interquartile_mean(left), probability_of_improvement(left, right)
        profiles = performance_profile(left, [0.0, 1.0])
        assert profiles.shape == (2, 5, 2)
        for place in np.ndindex(2, 5):
            ours, theirs = [task[place] for task in left], [task[place] for task in right]
            assert middles[place] == pytest.approx(reference.middle_mean(ours))
            assert wins[place] == pytest.approx(reference.improvement(ours, theirs))
            assert profiles[place][0] == np.mean(np.concatenate(ours) > 0)

    def test_named_tasks_are_matched_by_name(self):
        left = {"a": [1, 2], "b": [30, 40]}
        assert probability_of_improvement(left, {"b": [10, 20], "a": [0, 0]}) == 1


class TestBootstrap:
    def test_runs_are_drawn_within_their_task(self):
        """Two tasks without any spread: were runs drawn from both together, the mean would vary."""
        low, high = stratified_bootstrap([[0, 0, 0], [9, 9, 9]], mean_over_tasks)
        assert low == high == 4.5

    def test_two_runs_in_closed_form(self):
        """The mean of two draws from {0, 1} is 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4."""
        assert stratified_bootstrap([[0, 1]], mean_over_tasks) == (0, 1)
        assert stratified_bootstrap([[0, 1]], mean_over_tasks, level=0.45) == (0.5, 0.5)
        assert stratified_bootstrap([[0, 1]], mean_over_tasks, level=0.55) == (0, 1)

    def test_many_runs_approach_the_normal_interval(self):
        runs = np.random.default_rng(0).normal(size=(2, 400))
        low, high = stratified_bootstrap(runs, mean_over_tasks, 4000)
        half = 1.96 * np.sqrt(runs.var(axis=1).mean() / 800)
        assert (low, high) == pytest.approx((runs.mean() - half, runs.mean() + half), abs=0.1 * half)

    def test_both_sides_are_drawn(self):
        """One side without any spread: the interval is that of the other side's share."""
        left, right = [[0.0, 1.0]], [[0.5, 0.5]]
        assert improvement_interval(left, right) == (0, 1)
        assert improvement_interval(right, left) == (0, 1)
        assert improvement_interval([[1, 2]], [[3, 4]]) == (0, 0)

    def test_a_seed_is_a_result(self):
        first, again, other = (improvement_interval(LEFT, RIGHT, 100, seed=seed) for seed in (3, 3, 4))
        assert first == again != other


class TestExchange:
    @pytest.mark.parametrize("right", [[[4, 5, 6], [1.5, 7, 9]], [[1, 2], [2, 3, 2]], [[7, 8, 9], [7, 8, 9]]])
    def test_all_exchanges(self, right):
        """Against every one of them counted, to four standard deviations of what is drawn."""
        left = [[1, 2, 3], [1, 2, 3]]
        exact = reference.exchanged_p_value(left, right)
        error = 4 * np.sqrt(exact * (1 - exact) / 9999) + 1e-4
        assert exchange_test(left, right) == pytest.approx(exact, abs=error)

    def test_few_runs_cannot_be_significant(self):
        """Two against two are 6 ways to exchange, 36 on two tasks, two of which are as far apart."""
        assert exchange_test([[1, 2], [1, 2]], [[3, 4], [3, 4]]) == pytest.approx(2 / 36, abs=0.01)
        assert exchange_test(LEFT, LEFT) == 1

    def test_it_is_never_zero(self):
        assert exchange_test([range(50)] * 3, [range(50, 100)] * 3, 99) == 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interquartile_mean([]), "no task"),
        (lambda: interquartile_mean({"digits": [1.0], "mnist1d": []}), "'mnist1d' has no runs"),
        (lambda: performance_profile([[1.0], [2.0, np.nan]], [0]), "task 1 has 1 NaN"),
        (lambda: probability_of_improvement([[1.0]], [[1.0], [2.0]]), "1 tasks stand against 2"),
        (lambda: probability_of_improvement({"a": [1]}, {"b": [1]}), "only one side has the task.s. a, b"),
        (lambda: stratified_bootstrap([[1.0]], interquartile_mean, level=95), "level 95 .* between 0 and 1"),
        (lambda: stratified_bootstrap([[1.0]], interquartile_mean, repetitions=0), "repetitions 0 .* at least 1"),
        (lambda: exchange_test([[1.0]], [[1.0]], repetitions=-1), "repetitions -1 .* at least 1"),
    ],
)
def test_mistakes_name_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
