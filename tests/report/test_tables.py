"""Tables: statistics against scipy and by hand, and every run that went wrong is shown."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ladders import GRID, SAMPLE, SGD, grid, runs, table_of
from scipy import stats

from fbgd.report.captions import notes
from fbgd.report.formats import cells
from fbgd.report.statistics import difference, holm, t_interval
from fbgd.report.tables import COLUMNS, side_by_side, summarise


def test_columns_and_hand_calculated_values():
    table = table_of(SAMPLE, published={("FB",): 75.42})
    assert tuple(table) == ("rung", *COLUMNS)
    assert list(table["rung"]) == list(SAMPLE)
    sgd, fb, _ = table.to_dict("records")
    assert sgd["mean"] == pytest.approx(96)
    assert sgd["std"] == pytest.approx(1)
    # t(0.975, 2) = 4.302653 from the printed tables.
    assert sgd["ci_high"] - sgd["mean"] == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert math.isnan(sgd["delta"])
    assert fb["delta"] == pytest.approx(-25)
    assert fb["published"] == 75.42
    assert (fb["passes"], fb["gradient_evaluations"], fb["seconds"], fb["n"]) == (10, 100, 2, 3)


def test_paired_over_the_same_seeds_else_welch():
    table = table_of(SAMPLE)
    expected = [stats.ttest_rel(SAMPLE[name], SAMPLE["SGD"]).pvalue for name in ("FB", "FB long")]
    # Holm: the smaller of two is doubled, the larger stays.
    assert table["p_value"][1] == pytest.approx(2 * expected[0])
    assert table["p_value"][2] == pytest.approx(max(expected[1], 2 * expected[0]))
    table = table_of(SAMPLE, {("FB", 2): "failed"})
    welch = stats.ttest_ind(SAMPLE["FB"][:2], SAMPLE["SGD"], equal_var=False).pvalue
    assert table["p_value"][1] == pytest.approx(2 * welch)
    assert (table["n"][1], table["runs"][1]) == (2, 3)


def test_intervals_of_differences_by_hand():
    """t quantiles from the printed tables: 4.302653 for two degrees of freedom, and Welch's by his formula."""
    left, right = pd.Series([0.70, 0.74, 0.71]), pd.Series([0.95, 0.96, 0.98])
    gaps = [-0.25, -0.22, -0.27]
    mean = sum(gaps) / 3
    half = 4.302653 * math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / 2 / 3)
    found = difference(left, right)
    assert found[:3] == pytest.approx((mean, mean - half, mean + half), rel=1e-6)
    assert found.p_value == pytest.approx(stats.ttest_rel(left, right).pvalue)

    other = pd.Series([0.95, 0.96, 0.98, 0.91])
    errors = left.var() / 3, other.var() / 4
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 2 + errors[1] ** 2 / 3)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(errors))
    found = difference(left, other)
    mean = left.mean() - other.mean()
    assert found[:3] == pytest.approx((mean, mean - half, mean + half))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(mean) / math.sqrt(sum(errors)), freedom))


def test_seeds_given_twice_are_not_paired():
    """A row that averages over two settings has every seed twice."""
    left, right = pd.Series([1.0, 2.0, 3.0, 5.0], [0, 1, 0, 1]), pd.Series([1.0, 4.0], [0, 1])
    assert difference(left, right).p_value == pytest.approx(stats.ttest_ind(left, right, equal_var=False).pvalue)


def test_a_partial_baseline_is_the_row_with_the_same_rest():
    table = summarise(grid(GRID), by=["optimizer", "regime"], baseline={"optimizer": "SGD"})
    assert list(table.columns[:2]) == ["optimizer", "regime"]
    assert table["delta"].isna().tolist() == [True, True, False, False]
    p_values = []
    for row, regime in ((2, "SGD"), (3, "full batch")):
        own, reference = GRID["Adam", regime], GRID["SGD", regime]
        test = stats.ttest_rel(own, reference)
        low, high = test.confidence_interval(0.95)
        expected = 100 * (np.mean(own) - np.mean(reference)), 100 * low, 100 * high
        assert tuple(table.loc[row, ["delta", "delta_low", "delta_high"]]) == pytest.approx(expected)
        p_values.append(test.pvalue)
    smaller, larger = sorted(p_values)
    assert sorted(table["p_value"].dropna()) == pytest.approx([2 * smaller, max(larger, 2 * smaller)])


def test_a_row_whose_baseline_was_not_run_has_no_difference():
    ragged = {key: values for key, values in GRID.items() if key != ("SGD", "full batch")}
    table = summarise(grid(ragged), by=["optimizer", "regime"], baseline={"optimizer": "SGD"})
    assert table["delta"].isna().tolist() == [True, False, True]


def test_side_by_side():
    table = side_by_side(grid(GRID), ["optimizer"], "regime")
    assert list(table["optimizer"]) == ["SGD", "Adam"]
    assert table["mean full batch"].tolist() == pytest.approx(
        [100 * np.mean(GRID[o, "full batch"]) for o in ("SGD", "Adam")]
    )
    tests = [stats.ttest_rel(GRID[name, "full batch"], GRID[name, "SGD"]) for name in ("SGD", "Adam")]
    for row, test in enumerate(tests):
        low, high = test.confidence_interval(0.95)
        assert table["delta_low full batch"][row] == pytest.approx(100 * low)
        assert table["delta_high full batch"][row] == pytest.approx(100 * high)
    smaller, larger = sorted(test.pvalue for test in tests)
    assert sorted(table["p_value full batch"]) == pytest.approx([2 * smaller, max(larger, 2 * smaller)])
    turned = side_by_side(grid(GRID), ["optimizer"], "regime", first="full batch")
    assert turned["delta SGD"].tolist() == pytest.approx((-table["delta full batch"]).tolist())


def test_side_by_side_of_three_compares_each_with_the_first_and_corrects_over_all():
    three = GRID | {("SGD", "8 blocks"): [0.90, 0.93, 0.91], ("Adam", "8 blocks"): [0.90, 0.92]}
    table = side_by_side(grid(three), ["optimizer"], "regime")
    raw = [
        stats.ttest_rel(three["SGD", "full batch"], three["SGD", "SGD"]).pvalue,
        stats.ttest_rel(three["SGD", "8 blocks"], three["SGD", "SGD"]).pvalue,
        stats.ttest_rel(three["Adam", "full batch"], three["Adam", "SGD"]).pvalue,
        stats.ttest_ind(three["Adam", "8 blocks"], three["Adam", "SGD"], equal_var=False).pvalue,
    ]
    found = table[["p_value full batch", "p_value 8 blocks"]].to_numpy().ravel()
    assert found == pytest.approx(holm(np.array(raw)))


def test_side_by_side_keeps_a_group_that_one_side_lacks():
    ragged = {key: values for key, values in GRID.items() if key != ("Adam", "SGD")}
    table = side_by_side(grid(ragged), ["optimizer"], "regime")
    assert table["n SGD"].tolist() == [3, 0]
    assert math.isnan(table["delta full batch"][1])
    with pytest.raises(ValueError, match="did you mean 'full batch'"):
        side_by_side(grid(GRID), ["optimizer"], "regime", first="full bach")
    with pytest.raises(ValueError, match="one value only"):
        side_by_side(grid({("SGD", "SGD"): [1.0]}), ["optimizer"], "regime")


@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=8))
def test_holm_against_its_definition(values):
    corrected = holm(np.array(values))
    known = sorted(value for value in values if not math.isnan(value))
    for value, result in zip(values, corrected, strict=True):
        if math.isnan(value):
            assert math.isnan(result)
            continue
        smaller = [min(1.0, (len(known) - rank) * p) for rank, p in enumerate(known) if p <= value]
        assert result == pytest.approx(max(smaller))


def test_interval_covers_as_often_as_it_says():
    """2000 normal samples of three: coverage 95 % within four standard deviations of a binomial."""
    generator = np.random.default_rng(0)
    hits = sum(low <= 0 <= high for low, high in (t_interval(row) for row in generator.normal(size=(2000, 3))))
    assert abs(hits - 1900) < 4 * math.sqrt(2000 * 0.95 * 0.05)


def test_single_seeds_and_no_spread_are_undefined_not_wrong():
    table = table_of({"SGD": [0.9], "FB": [0.5]})
    assert table[["std", "ci_low", "delta_low", "p_value"]].isna().all().all()
    assert table["delta"][1] == pytest.approx(-40)
    table = table_of({"SGD": [0.5, 0.5], "FB": [0.25, 0.25]})
    assert math.isnan(table["p_value"][1])
    assert cells(table, ["rung"])[1][1][4] == "-25.00"


@pytest.mark.parametrize("counts", [(3359, 3361), (3351, 3402, 3500)])
def test_equal_differences_are_undefined_whatever_rounding_makes_of_them(counts):
    table = table_of({"SGD": [count / 4000 for count in counts], "FB": [(count - 7) / 4000 for count in counts]})
    assert math.isnan(table["p_value"][1])


def test_diverged_failed_and_missing_runs_are_shown():
    status = {("FB", 0): "diverged", ("FB", 1): "failed", ("FB long", 2): "missing"}
    frame = runs({**SAMPLE, "FB": [0.1, 0.7, 0.7]}, status)
    table = summarise(frame, by=["rung"], baseline=SGD)
    assert list(table["n"]) == [3, 2, 2]
    assert table["mean"][1] == pytest.approx(40)
    _, rows = cells(table, ["rung"])
    assert [row[1] for row in rows] == ["3", "2 of 3, 1 diverged", "2 of 3"]
    assert notes(frame, ["rung"]) == [
        "FB, seed 0 diverged after 10 passes and counts with the test accuracy it had then.",
        "FB, seed 1 failed: out of memory.",
        "Not finished: FB long (seed 2).",
    ]


def test_a_diverged_run_without_a_finite_metric_is_shown_and_not_counted():
    frame = runs({"SGD": [0.9, 0.8], "FB": [math.nan, 0.5]}, {("FB", 0): "diverged"})
    table = summarise(frame, by=["rung"], baseline=SGD)
    assert cells(table, ["rung"])[1][1][1:3] == ["1 of 2, 1 diverged", "50.00"]
    assert notes(frame, ["rung"])[0].endswith("has no test accuracy to count.")


def test_a_rung_without_any_result_keeps_its_row():
    table = table_of(SAMPLE, {("FB", seed): "failed" for seed in range(3)})
    assert list(table["rung"]) == list(SAMPLE)
    assert table["n"][1] == 0
    assert cells(table, ["rung"])[1][1][1:4] == ["0 of 3", "–", "–"]


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ({"rung": "SDG"}, "baseline 'SDG' is no rung; did you mean 'SGD'"),
        ({"optimiser": "SGD"}, "not grouped by 'optimiser'"),
    ],
)
def test_unknown_baseline(baseline, message):
    with pytest.raises(ValueError, match=message):
        table_of(SAMPLE, baseline=baseline)


def test_a_baseline_of_values_that_never_meet():
    ragged = {key: values for key, values in GRID.items() if key != ("Adam", "full batch")}
    with pytest.raises(ValueError, match="no group is the baseline optimizer=Adam, regime=full batch"):
        summarise(grid(ragged), by=["optimizer", "regime"], baseline={"optimizer": "Adam", "regime": "full batch"})


def test_unknown_column():
    with pytest.raises(ValueError, match="did you mean 'test_accuracy'"):
        table_of(SAMPLE, metric="test_acuracy")
