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
from fbgd.report.cells import cells
from fbgd.report.families import against_one
from fbgd.report.statistics import holm, t_interval
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


def test_rows_are_compared_with_the_baseline_by_dunnett_where_variances_are_alike():
    table = table_of(SAMPLE)
    values = {name: 100 * np.array(own) for name, own in SAMPLE.items()}
    oracle = stats.dunnett(values["FB"], values["FB long"], control=values["SGD"], rng=np.random.default_rng(0))
    limits = oracle.confidence_interval(0.95)
    assert table["p_value"][1:].to_numpy() == pytest.approx(oracle.pvalue, abs=5e-4)
    assert table["delta_low"][1:].to_numpy() == pytest.approx(limits.low, abs=0.02)
    assert table["delta_high"][1:].to_numpy() == pytest.approx(limits.high, abs=0.02)
    assert list(table["test"]) == ["", "Dunnett", "Dunnett"]


def test_a_group_that_lost_a_run_gets_no_interval_and_its_rate_stands_in_the_row():
    """What is left of a group was selected by surviving, whatever the metric."""
    for state in ("failed", "missing", "diverged"):
        frame = runs(SAMPLE, {("FB", 2): state}).assign(test_loss=lambda rows: 1 - rows["test_accuracy"])
        frame.loc[frame["status"] == "diverged", "test_loss"] = math.nan
        for metric in ("test_accuracy", "test_loss"):
            table = summarise(frame, by=["rung"], baseline=SGD, metric=metric)
            assert table.loc[1, ["ci_low", "delta_low", "ratio_low", "p_value"]].isna().all()
            assert not math.isnan(table["p_value"][2])
            assert not math.isnan(table["mean"][1])
            assert (table["diverged"][1], table["failed"][1]) == (state == "diverged", state == "failed")
    lost = table_of(SAMPLE, {("SGD", 0): "failed"})
    assert lost["p_value"].isna().all()
    assert cells(lost, ["rung"])[1][0][1] == "2 of 3, 1 of 3 failed"


def test_errors_over_a_decade_are_compared_by_their_logarithms():
    wide = {"SGD": [0.99, 0.988, 0.991], "FB": [0.70, 0.72, 0.71], "FB long": [0.98, 0.985, 0.979]}
    table = table_of(wide)
    logs = {name: np.log(1 - np.array(own)) for name, own in wide.items()}
    for row, name in ((1, "FB"), (2, "FB long")):
        assert table["ratio"][row] == pytest.approx(math.exp(logs[name].mean() - logs["SGD"].mean()))
        assert table["delta"][row] == pytest.approx(100 * (np.mean(wide[name]) - np.mean(wide["SGD"])))
    assert table["delta_low"].isna().all()
    assert set(table["test"][1:]) <= {"Dunnett, log error", "Welch, log error"}
    assert table["ratio_low"][1] < table["ratio"][1] < table["ratio_high"][1]
    assert ", error × " in cells(table, ["rung"])[1][1][4]
    # Chance on a hundred classes: one per cent is a percentage, and its error is 99.
    chance = table_of({"SGD": [0.50, 0.51, 0.52], "FB": [0.0095, 0.0098, 0.0091], "FB long": [0.5, 0.52, 0.54]})
    assert chance["ratio"].isna().all()
    # A perfect run has no logarithm.
    assert table_of(wide | {"SGD": [1.0, 0.99, 0.99]})["ratio"].isna().all()


def test_a_partial_baseline_is_the_row_with_the_same_rest():
    """Two families of one comparison each: Welch's tests, corrected over both."""
    table = summarise(grid(GRID), by=["optimizer", "regime"], baseline={"optimizer": "SGD"})
    assert list(table.columns[:2]) == ["optimizer", "regime"]
    assert table["delta"].isna().tolist() == [True, True, False, False]
    p_values = []
    for row, regime in ((2, "SGD"), (3, "full batch")):
        own, reference = GRID["Adam", regime], GRID["SGD", regime]
        test = stats.ttest_ind(own, reference, equal_var=False)
        low, high = test.confidence_interval(0.975)
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
    tests = [stats.ttest_ind(GRID[name, "full batch"], GRID[name, "SGD"], equal_var=False) for name in ("SGD", "Adam")]
    for row, test in enumerate(tests):
        low, high = test.confidence_interval(0.975)
        assert table["delta_low full batch"][row] == pytest.approx(100 * low)
        assert table["delta_high full batch"][row] == pytest.approx(100 * high)
    smaller, larger = sorted(test.pvalue for test in tests)
    assert sorted(table["p_value full batch"]) == pytest.approx([2 * smaller, max(larger, 2 * smaller)])
    turned = side_by_side(grid(GRID), ["optimizer"], "regime", first="full batch")
    assert turned["delta SGD"].tolist() == pytest.approx((-table["delta full batch"]).tolist())


def test_side_by_side_of_three_compares_each_with_the_first_and_corrects_over_all():
    """Each row is a family of two comparisons; both families share the 5 %."""
    three = GRID | {("SGD", "8 blocks"): [0.90, 0.93, 0.91], ("Adam", "8 blocks"): [0.90, 0.92, 0.93]}
    table = side_by_side(grid(three), ["optimizer"], "regime")
    for row, name in enumerate(("SGD", "Adam")):
        values = {
            regime: pd.Series(100 * np.array(three[name, regime])) for regime in ("SGD", "full batch", "8 blocks")
        }
        alone = against_one({key: values[key] for key in ("full batch", "8 blocks")}, values["SGD"], 0.975)
        for key, change in alone.items():
            assert table[f"delta_low {key}"][row] == pytest.approx(change.low)
            assert table[f"p_value {key}"][row] == pytest.approx(min(1, 2 * change.p_value))


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


def test_diverged_failed_and_missing_runs_are_shown():
    status = {("FB", 0): "diverged", ("FB", 1): "failed", ("FB long", 2): "missing"}
    frame = runs({**SAMPLE, "FB": [0.1, 0.7, 0.7]}, status)
    table = summarise(frame, by=["rung"], baseline=SGD)
    assert list(table["n"]) == [3, 2, 2]
    assert table["mean"][1] == pytest.approx(40)
    _, rows = cells(table, ["rung"])
    assert [row[1] for row in rows] == ["3", "2 of 3, 1 of 3 diverged, 1 of 3 failed", "2 of 3"]
    assert notes(frame, ["rung"]) == [
        "FB, seed 0 diverged after 10 passes and counts with the test accuracy it had then.",
        "FB, seed 1 failed: out of memory.",
        "Not finished: FB long (seed 2).",
    ]


def test_a_diverged_run_without_a_finite_metric_is_shown_and_not_counted():
    frame = runs({"SGD": [0.9, 0.8], "FB": [math.nan, 0.5]}, {("FB", 0): "diverged"})
    table = summarise(frame, by=["rung"], baseline=SGD)
    assert cells(table, ["rung"])[1][1][1:3] == ["1 of 2, 1 of 2 diverged", "50.00"]
    assert notes(frame, ["rung"])[0].endswith("has no test accuracy to count.")


def test_a_rung_without_any_result_keeps_its_row():
    table = table_of(SAMPLE, {("FB", seed): "failed" for seed in range(3)})
    assert list(table["rung"]) == list(SAMPLE)
    assert table["n"][1] == 0
    assert cells(table, ["rung"])[1][1][1:4] == ["0 of 3, 3 of 3 failed", "–", "–"]


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
