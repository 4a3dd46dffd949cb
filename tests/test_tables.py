"""Tables: statistics against scipy and by hand, and every run that went wrong is shown."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fbgd.tables import COLUMNS, cells, holm, notes, summarise, t_interval, to_markdown


def runs(values, status=None):
    """Runs of several rungs: name to accuracies, seed by seed."""
    rows = []
    for name, accuracies in values.items():
        for seed, accuracy in enumerate(accuracies):
            state = (status or {}).get((name, seed), "done")
            row = {"rung": name, "seed": seed, "status": state, "error": "out of memory"}
            if state in ("done", "diverged"):
                row |= {"test_accuracy": accuracy, "passes": 10.0, "gradient_evaluations": 100, "seconds": 2.0}
            rows.append(row)
    return pd.DataFrame(rows)


SAMPLE = {"SGD": [0.95, 0.96, 0.97], "FB": [0.70, 0.72, 0.71], "FB long": [0.93, 0.96, 0.96]}


def test_columns_and_hand_calculated_values():
    table = summarise(runs(SAMPLE), baseline="SGD", published={"FB": 75.42})
    assert tuple(table) == COLUMNS
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
    table = summarise(runs(SAMPLE), baseline="SGD")
    expected = [stats.ttest_rel(SAMPLE[name], SAMPLE["SGD"]).pvalue for name in ("FB", "FB long")]
    # Holm: the smaller of two is doubled, the larger stays.
    assert table["p_value"][1] == pytest.approx(2 * expected[0])
    assert table["p_value"][2] == pytest.approx(max(expected[1], 2 * expected[0]))
    table = summarise(runs(SAMPLE, {("FB", 2): "failed"}), baseline="SGD")
    welch = stats.ttest_ind(SAMPLE["FB"][:2], SAMPLE["SGD"], equal_var=False).pvalue
    assert table["p_value"][1] == pytest.approx(2 * welch)
    assert table["n"][1] == 2


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
    table = summarise(runs({"SGD": [0.9], "FB": [0.5]}), baseline="SGD")
    assert table[["std", "ci_low", "p_value"]].isna().all().all()
    assert table["delta"][1] == pytest.approx(-40)
    table = summarise(runs({"SGD": [0.5, 0.5], "FB": [0.25, 0.25]}), baseline="SGD")
    assert math.isnan(table["p_value"][1])
    assert cells(table)[2][4] == "-25.00"


@pytest.mark.parametrize("counts", [(3359, 3361), (3351, 3402, 3500)])
def test_equal_differences_are_undefined_whatever_rounding_makes_of_them(counts):
    table = summarise(
        runs({"SGD": [count / 4000 for count in counts], "FB": [(count - 7) / 4000 for count in counts]}),
        baseline="SGD",
    )
    assert math.isnan(table["p_value"][1])


def test_diverged_failed_and_missing_runs_are_shown():
    status = {("FB", 0): "diverged", ("FB", 1): "failed", ("FB long", 2): "missing"}
    frame = runs({**SAMPLE, "FB": [0.1, 0.7, 0.7]}, status)
    table = summarise(frame, baseline="SGD")
    assert list(table["n"]) == [3, 2, 2]
    assert table["mean"][1] == pytest.approx(40)
    found = notes(frame)
    assert found[0].startswith("FB, seed 0 diverged after 10 passes")
    assert found[1] == "FB, seed 1 failed: out of memory."
    assert found[2] == "Not run: FB long (seed 2)."


def test_a_rung_without_any_result_keeps_its_row():
    table = summarise(runs(SAMPLE, {("FB", seed): "failed" for seed in range(3)}), baseline="SGD")
    assert list(table["rung"]) == list(SAMPLE)
    assert table["n"][1] == 0
    assert cells(table)[2][1:4] == ["0", "–", "–"]


def test_markdown_holds_every_row_and_the_caption():
    text = to_markdown(summarise(runs(SAMPLE), baseline="SGD"), "A title", ["First.", "Second."])
    lines = text.splitlines()
    assert lines[0] == "# A title"
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert "| SGD | 3 | 96.00 ± 1.00 |" in text
    assert text.endswith("\nFirst.\n\nSecond.\n")


def test_unknown_baseline():
    with pytest.raises(ValueError, match="baseline 'Adam'"):
        summarise(runs(SAMPLE), baseline="Adam")
