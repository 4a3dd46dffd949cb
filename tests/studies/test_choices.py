"""Simulated choices of a rate: what every seed chooses is what a study's seeds choose, and the claims about it."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fbgd.studies.calibration import choices
from fbgd.studies.calibration.scenarios import CANDIDATES, ERROR, NULL, PEAK, Scenario, simulate_nested
from fbgd.studies.nested import value_of
from fbgd.studies.tuning import CANDIDATE

BASELINES = np.arange(7) == 0
Z = stats.norm.ppf(0.975)


def test_a_seed_s_mean_accuracy_is_that_of_its_noisy_choice():
    """An independent computation: the rate of the best of five binomial scores, its true accuracy averaged."""
    study = simulate_nested(NULL[0], BASELINES, 6, 4000, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    errors = ERROR * (1 + 0.4 * (CANDIDATES - PEAK) ** 2)
    accuracies = 1 - errors + 0.006 * rng.standard_normal((20_000, 5))
    scores = rng.binomial(500, accuracies) + 1e-6 * rng.random((20_000, 5))
    expected = (1 - errors)[scores.argmax(1)].mean()
    assert study.accuracies.mean() == pytest.approx(expected, abs=3e-4)
    assert study.best == pytest.approx(1 - errors.min())
    assert not study.diverged.any()


def test_without_noise_every_seed_chooses_the_best_candidate():
    calm = Scenario("calm", spread=0.0, curvature=50.0)
    study = simulate_nested(calm, BASELINES, 6, 3, np.random.default_rng(0))
    assert (study.chosen == 0).all()
    assert study.accuracies == pytest.approx(np.full((3, 7), study.best[0]))


def test_a_diverged_candidate_is_not_chosen(monkeypatch):
    """The simulated choice, seed by seed, against that of a study on the same scores."""
    seen = []
    from fbgd.studies.calibration import scenarios

    def kept(scores):
        seen.append(scores)
        return original(scores)

    original = scenarios.each_choice
    monkeypatch.setattr(scenarios, "each_choice", kept)
    simulate_nested(Scenario("lossy", diverging=0.3), BASELINES[:2], 1, 20, np.random.default_rng(0))
    for scores in seen:
        assert np.isnan(scores).any()
        table = pd.DataFrame(
            {CANDIDATE: f"{value:g}", "seed": seed, "status": "done", "validation_accuracy": score}
            for seed, line in enumerate(scores)
            for value, score in zip(CANDIDATES, line, strict=True)
        )
        for seed, place in enumerate(original(scores)):
            assert value_of(table, seed) == CANDIDATES[len(CANDIDATES) // 2 if place is None else place]


@pytest.mark.slow
def test_shared_luck_of_a_search_is_told_as_a_difference_and_that_of_every_seed_is_not():
    """At reduced size; the committed study is in results/calibration."""
    counts = {
        way: sum(row["false_best"] for row in choices.rows_of(("equal spreads", "ladder", way, 10, 30)))
        for way in ("3 search seeds", "every seed")
    }
    # So many hits that a true share of 5 % has more once in a thousand times.
    most = stats.binom.ppf(0.999, 30, 0.05)
    assert counts["every seed"] <= most < counts["3 search seeds"]


def test_the_page_counts_found_where_a_row_is_better_and_false_elsewhere():
    names = ("equal spreads", choices.BETTER.name)
    table = pd.DataFrame(
        {"scenario": name, "study": "ladder", "way": "every seed", "number": n, "false_best": 0, "found": n % 2}
        for name in names
        for n in range(4)
    )
    summary = choices.summarise(table)
    assert [(row["counted"], row["ladder, %"][:4]) for row in summary.rows] == [("false", "0.0 "), ("found", "50.0")]
    assert list(summary.numbers["ladder"]) == [0, 50]
    assert math.isclose(summary.numbers["ladder_high"][0], 100 * Z**2 / (4 + Z**2))
