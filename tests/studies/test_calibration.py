"""Simulated studies: their truth, what is counted as false, and that the pages keep what they promise."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fbgd.errors import ConfigError
from fbgd.report.claims import Estimate, Finding, within
from fbgd.report.statistics import difference
from fbgd.report.tables import summarise
from fbgd.runs.plan import Rung, plan
from fbgd.studies import geiping_ladder
from fbgd.studies.calibration import seeds as seeds_study
from fbgd.studies.calibration import simulations
from fbgd.studies.calibration.cells import CURVE, Cell, cells_of, measure, rows_of
from fbgd.studies.calibration.designs import compared, designs
from fbgd.studies.calibration.scenarios import (
    CANDIDATES,
    MARGIN,
    NULL,
    PLANTED,
    SCENARIOS,
    Scenario,
    chosen_places,
    noise,
    observed,
    search_scores,
    simulate,
)
from fbgd.studies.calibration.shares import at_least, at_most, never, wilson
from fbgd.studies.calibration.splitting import CONSECUTIVE, DIFFERENCE, partitions, split, under_normality, widening
from fbgd.studies.calibration.verdicts import compare, compare_finding, compare_row
from fbgd.studies.execution import Execution
from fbgd.studies.tuning import CANDIDATE, METRIC, choices

LADDER = ["Baseline SGD", "Baseline FB", "FB train longer", "FB clipped", "FB regularised", "FB strong reg.",
          "FB in practice"]  # fmt: skip
BASELINES = np.arange(7) == 0


def allowed(trials, share=0.05):
    """So many hits that a true share of 5 % has more once in a thousand times."""
    return stats.binom.ppf(0.999, trials, share)


# What is simulated.


@pytest.mark.parametrize("scenario", NULL, ids=lambda scenario: scenario.name)
def test_noise_has_mean_zero_variance_one_and_the_correlation_of_its_scenario(scenario):
    drawn = noise(scenario, (20_000, 4), np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(0, abs=0.03)
    # The variance of heavy tails has no variance of its own.
    assert drawn.var() == pytest.approx(1, rel=0.3 if math.isfinite(scenario.freedom) else 0.03)
    correlations = np.corrcoef(drawn.T)[np.triu_indices(4, 1)]
    assert correlations == pytest.approx(np.full(6, scenario.correlation), abs=0.05)


@pytest.mark.parametrize("scenario", [NULL[0], NULL[2], NULL[7]], ids=lambda scenario: scenario.name)
def test_the_truth_is_the_mean_over_many_seeds(scenario):
    study = simulate(scenario, BASELINES, 6, 20_000, np.random.default_rng(1))
    assert study.accuracies.mean(0) == pytest.approx(study.truth, abs=2e-3)
    assert (study.best >= study.truth).all()


def test_rows_of_null_studies_are_equal_at_their_best_and_a_lifted_one_is_a_point_better():
    for scenario in NULL:
        best = simulate(scenario, BASELINES, 6, 3, np.random.default_rng(0)).best
        assert best[::2] == pytest.approx(best[0])
        assert (best[1] == pytest.approx(best[0])) == (not scenario.logarithmic)
    best = simulate(MARGIN, BASELINES, 5, 3, np.random.default_rng(0)).best
    assert 100 * (best[5] - best[0]) == pytest.approx(1)


def test_scenarios_spread_as_they_say():
    ratios = {}
    for scenario in NULL[:4]:
        drawn = observed(scenario, np.full(7, 0.1), scenario.spreads(BASELINES), 20_000, np.random.default_rng(0))
        ratios[scenario.name] = drawn.std(0) / 0.006
    expected = [np.ones(7), [2, *[1] * 6], [*[1] * 6, 4], 0.5 * 8 ** (np.arange(7) / 6)]
    for found, wanted in zip(ratios.values(), expected, strict=True):
        assert found == pytest.approx(np.array(wanted), rel=0.05)


def test_the_search_chooses_what_a_study_s_search_chooses():
    """The same scores as the rows of a search, through the code of a tuned study."""
    rng = np.random.default_rng(3)
    curves = np.full((7, 1), 0.1) * (1 + 0.4 * (CANDIDATES - 0.1) ** 2)
    for scenario in (NULL[0], SCENARIOS["5 % of runs diverge"]):
        scores = search_scores(scenario, curves, np.ones(7), rng)
        rows = [{"rung": name, "seed": seed, CANDIDATE: f"{10**decades:.10g}", METRIC: scores[seed, row, column]}
                for row, name in enumerate(LADDER) for seed in range(3)
                for column, decades in enumerate(CANDIDATES)]  # fmt: skip
        found = choices(pd.DataFrame(rows), [Rung(name, ()) for name in LADDER])
        assert [found[name].place for name in LADDER] == list(chosen_places(scores))


# What is counted.


def test_findings_are_matched_with_the_rows_that_they_compare():
    pairs = [(LADDER[left], LADDER[right]) for left, right in compared("ladder")]
    assert pairs == [*zip(LADDER[1:6], LADDER[:5], strict=True), (LADDER[5], LADDER[0]), (LADDER[6], LADDER[0])]
    labels = designs()["comparison"].labels
    for finding, (left, right) in enumerate(compared("comparison")):
        assert labels[right] == {"regime": labels[left]["regime"], "optimizer": "SGD"}
        assert labels[left]["optimizer"] == ("Adam", "AdamW", "AGC", "Muon", "SAM")[finding // 2]


def row(delta, ratio=(math.nan,) * 3):
    """A table's row with these intervals: value, low, high."""
    names = [("delta", delta), ("ratio", ratio)]
    return {f"{name}{end}": value for name, own in names for end, value in zip(("", "_low", "_high"), own, strict=True)}


def test_a_table_s_row_is_false_where_its_interval_lies_on_the_wrong_side():
    equal, apart = np.array([0.9, 0.9]), np.array([0.9, 0.92])
    above = compare_row(row((1.5, 0.5, 2.5)), equal, apart, 1, 0)
    assert above == {"said": 1, "false": True, "false_best": False, "covered": 0.0}
    around = compare_row(row((1.5, -0.5, 2.5)), apart, equal, 1, 0)
    assert around == {"said": 0, "false": False, "false_best": False, "covered": 1.0}
    unknown = compare_row(row((1.5, math.nan, math.nan)), equal, equal, 1, 0)
    assert unknown["said"] == 0
    assert math.isnan(unknown["covered"])
    # Errors of 10 and 8 %: a factor of 0.8, and less is better.
    logarithmic = compare_row(row((2, math.nan, math.nan), (0.8, 0.7, 0.9)), apart, equal, 1, 0)
    assert logarithmic == {"said": 1, "false": False, "false_best": True, "covered": 1.0}
    worse = compare_row(row((2, math.nan, math.nan), (1.2, 1.1, 1.3)), apart, equal, 1, 0)
    assert worse["false"]
    assert worse["covered"] == 0


def finding(low, high, verdict, case=""):
    """A claim's verdict with this interval."""
    return Finding("claim", case, "", "", (low + high) / 2, low, high, verdict, "", "g")


def test_a_claim_is_false_where_the_truth_asks_for_another_verdict():
    level = within(1)
    near, margin = np.array([0.9, 0.905]), np.array([0.9, 0.91])
    assert not compare_finding(finding(-0.4, 0.9, "supported"), level, near, near, 1, 0)["false"]
    found = compare_finding(finding(-0.4, 0.9, "supported"), level, margin, near, 1, 0)
    assert (found["false"], found["false_best"], found["covered"]) == (True, False, 0.0)
    assert not compare_finding(finding(-0.4, 1.9, "undecided"), level, margin, margin, 1, 0)["false"]
    # Saved of the error: a point of ten.
    share = compare_finding(finding(8, 12, "supported", "regime SGD; % of the error"), level, margin, margin, 1, 0)
    assert share["covered"] == 1


def test_a_page_is_compared_with_its_truth():
    design = designs()["ladder"]
    rng = np.random.default_rng(0)
    study = simulate(Scenario("exact", spread=1e-4, lift=0.01, curvature=0.0), design.baselines, 6, 5, rng)
    page = design.page(design.runs(5).assign(test_accuracy=study.accuracies.ravel()))
    found = compare(design, study, page, 6)
    assert (found["found"], found["claimed"], found["survivors_judged"]) == (True, True, 0)
    assert (found["false_table"], found["false_claims"]) == (False, False)
    # The same page is false of equal rows, and of rows in the opposite order.
    for truth in (np.full(7, 0.9), study.truth[::-1]):
        wrong = compare(design, study._replace(truth=truth), page, 6)
        assert (wrong["false_table"], wrong["false_claims"], wrong["table_covered"]) == (True, True, 0)
    # And it should have kept silent about a group of which a run diverged: the table's row and the claim.
    lost = compare(design, study._replace(diverged=np.arange(7) == np.full((5, 1), 6)), page, 6)
    assert lost["survivors_judged"] == 2


def test_wilson_is_scipy_s_and_rules_follow_the_interval():
    for hits, trials in ((0, 20), (3, 20), (20, 20), (60, 1200)):
        for level in (0.95, 0.999):
            expected = stats.binomtest(hits, trials).proportion_ci(level, method="wilson")
            assert wilson(hits, trials, level) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert all(map(math.isnan, wilson(0, 0)))
    assert [at_least(95)(Estimate(95, low, high)) for low, high in ((93, 97), (90, 97), (90, 94))] == [
        "supported", "undecided", "opposite"]  # fmt: skip
    assert at_most(5)(Estimate(9, 5.1, 12)) == "opposite"
    assert (never(Estimate(0, 0, 0)), never(Estimate(1, 1, 1))) == ("supported", "opposite")


# What the pages promise.


def test_null_studies_make_few_false_claims_and_hold_their_means():
    table = measure([Cell("equal spreads", "ladder", 10, 20), Cell("one row four times the spread", "ladder", 5, 15),
                     Cell("equal spreads", "comparison", 10, 12)])  # fmt: skip
    for column in ("false_table", "false_claims"):
        assert table[column].sum() <= allowed(len(table)), column
    for column in ("mean_covered", "table_covered", "claims_covered"):
        assert (1 - table[column]).sum() <= allowed(len(table)), column
    assert table["survivors_judged"].sum() == 0


def test_what_is_not_corrected_is_found_out(monkeypatch):
    """Each difference with 95 % for itself: then far more than 5 % of the same studies tell equal rows apart."""

    def uncorrected(groups, reference, level=0.95):
        return {key: difference(own, reference) for key, own in groups.items()}

    monkeypatch.setattr("fbgd.report.tables.against_one", uncorrected)
    table = measure([Cell("equal spreads", "comparison", 10, 12)])
    assert wilson(table["false_table"].sum(), 12, 0.99)[0] > 0.05
    assert table["false_table"].sum() > allowed(12)


def test_a_point_is_found_where_seeds_agree():
    small, _, large = (Cell(scenario.name, "ladder", seeds, 10) for scenario, seeds in zip(PLANTED, (10, 5, 3),
                                                                                          strict=True))  # fmt: skip
    found, lost = (measure([cell])["found"].mean() for cell in (small, large))
    assert found >= 0.8
    assert lost < 0.5


def test_flat_curves_seldom_rise():
    table = measure([Cell(scenario.name, CURVE, seeds, 60) for scenario in NULL if scenario.bare for seeds in (3, 10)])
    assert table["false_claims"].sum() <= allowed(len(table))
    assert (table["false_claims"] + table["claims_covered"] == 1).all()


def test_survivors_have_no_verdict():
    table = measure([Cell("5 % of runs diverge", "ladder", 10, 12)])
    assert table["survivors_judged"].sum() == 0
    # Of some studies the baseline itself has lost a run, and nothing is compared.
    assert table["table_covered"].isna().any()


# The study.


def test_cells_are_those_that_make_sense_and_their_studies_are_their_own():
    cells = cells_of(SCENARIOS, {"ladder": (3, 5), "comparison": (3,), CURVE: (3,)}, 10)
    assert {cell.study for cell in cells if cell.scenario == MARGIN.name} == {"ladder"}
    assert {cell.scenario for cell in cells if cell.study == CURVE} == {own.name for own in NULL if own.bare}
    assert {(cell.study, cell.studies) for cell in cells} == {("ladder", 10), ("comparison", 5), (CURVE, 20)}
    # More studies begin with the same ones.
    few, many = (rows_of(Cell("heavy tails", CURVE, 5, count)) for count in (3, 6))
    assert few == many[:3]
    values = {Cell("heavy tails", CURVE, 5, 1).rng(number).random() for number in range(5)}
    assert len(values | {Cell("heavy tails", "ladder", 5, 1).rng(0).random()}) == 6


@pytest.mark.slow
def test_workers_change_nothing():
    cells = [Cell("equal spreads", "ladder", 3, 3), Cell("graded spreads", CURVE, 3, 5)]
    pd.testing.assert_frame_equal(measure(cells, 1), measure(cells, 2))


def test_words_of_experiments_are_refused(tmp_path):
    execution = Execution(simulations.PRESETS["mnist1d"], 1, ["optimizer.lr=0.1"], tmp_path, 1)
    with pytest.raises(ConfigError, match=r"optimizer.lr=0.1: .* no such setting"):
        simulations.execute(execution, [])


# Real seeds.


def test_the_rungs_are_the_ladder_s_own_runs(tmp_path):
    mine = plan(seeds_study.rungs(seeds_study.PRESETS["mnist1d"]), [], 1, tmp_path)
    ladder = plan(geiping_ladder.rungs(geiping_ladder.PRESETS["mnist1d"]), [], 1, tmp_path)
    assert [run.path.name for run in mine] == [run.path.name for run in ladder[:2]]


def test_partitions_are_disjoint():
    for name, parts in partitions(13, 4, 3, np.random.default_rng(0)):
        assert parts.shape == (3, 4)
        assert len(set(parts.ravel())) == 12
        assert (name == CONSECUTIVE) == (list(parts.ravel()) == list(range(12)))


def many_seeds(means, spread, count=20):
    """Runs of two rungs with many seeds, and their accuracies ``(seeds, rungs)``."""
    values = np.array(means) + spread * np.random.default_rng(5).standard_normal((count, 2))
    rows = [{"rung": name, "seed": seed, "status": "done", "test_accuracy": values[seed, place],
             "passes": 1.0, "gradient_evaluations": 1, "seconds": 1.0}
            for seed in range(count) for place, name in enumerate(("SGD", "FB"))]  # fmt: skip
    return pd.DataFrame(rows), values


@pytest.mark.parametrize(("means", "spread"), [((0.9, 0.8), 0.02), ((0.98, 0.5), 0.002)])
def test_small_studies_are_held_against_the_others(means, spread):
    """By hand: Student's and Welch's intervals, of values or of the logarithms of errors that span a decade."""
    runs, values = many_seeds(means, spread)
    table = split(runs, "rung", "SGD", (5, 15), 0)
    assert set(table["size"]) == {5}
    assert list(table["quantity"][:3]) == ["SGD", "FB", DIFFERENCE]
    wider = math.sqrt(1 + 5 / 15)
    for part in range(4):
        own = slice(5 * part, 5 * part + 5)
        others = np.delete(values, own, 0)
        found = table[table["part"] == part].set_index("quantity")
        for place, name in enumerate(("SGD", "FB")):
            mean, half = values[own, place].mean(), stats.sem(values[own, place]) * stats.t.ppf(0.975, 4)
            assert found.loc[name, "holds_all"] == (abs(mean - values[:, place].mean()) <= half)
            assert found.loc[name, "holds_others"] == (abs(mean - others[:, place].mean()) <= wider * half)
        scale = np.log1p(-values) if means[0] > 0.95 else values
        page = summarise(runs[runs["seed"] < 5], by=["rung"], baseline={"rung": "SGD"})
        assert math.isnan(page["ratio"][1]) == (means[0] < 0.95)
        test = stats.ttest_ind(scale[own, 1], scale[own, 0], equal_var=False)
        interval = test.confidence_interval(0.95)
        centre = scale[own, 1].mean() - scale[own, 0].mean()
        rest = np.delete(scale, own, 0)
        apart = rest[:, 1].mean() - rest[:, 0].mean() - centre
        assert found.loc[DIFFERENCE, "holds_others"] == (
            wider * (interval.low - centre) <= apart <= wider * (interval.high - centre)
        )


def test_a_run_that_is_not_done_leaves_nothing_to_split():
    runs, _ = many_seeds((0.9, 0.8), 0.02)
    runs.loc[3, "status"] = "diverged"
    assert not len(split(runs, "rung", "SGD", (5,), 0))


def test_normal_values_hold_the_mean_of_the_others_as_often_as_promised():
    plain, others, effective = under_normality(60, 5, 4, 2)
    assert others == pytest.approx(0.95, abs=0.005)
    # The mean of all is nearer, for the small study is part of it.
    assert plain > others
    # One split has 12 studies a rung; more splits add something, but not fifty times as much.
    assert 20 < effective < 24 * 5
    assert widening(5, 55) == pytest.approx(math.sqrt(60 / 55))


def test_the_page_of_the_seeds_tells_shares():
    runs, _ = many_seeds((0.9, 0.8), 0.02)
    table = split(runs, "rung", "SGD", (5, 10), 1).assign(total=20)
    summary = seeds_study.summarise(table)
    assert list(summary.numbers["seeds"]) == [5, 5, 10, 10]
    assert list(summary.numbers["studies"]) == [16, 8, 8, 4]
    mine = table[(table["size"] == 5) & (table["quantity"] == DIFFERENCE)]
    assert summary.numbers["others"][1] == pytest.approx(100 * mine["holds_others"].mean())
