"""Curves of the report: means and ranges of seeds over passes, from run directories or from measurements."""

import math

import numpy as np
import pandas as pd
import pytest
from report_folders import PASSES, RUNGS, loss, recipe_of, write_folder

from fbgd.report.html.curves import POINTS, line, thinned
from fbgd.report.html.data import Source
from fbgd.report.html.document import document


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for all tests that only look at it."""
    return write_folder(tmp_path_factory.mktemp("study") / "mnist1d")


def test_curves_are_mean_and_range_over_the_seeds(folder):
    curves = Source(folder, recipe_of).read().curves
    assert curves.source == f"9 of 9 runs have their records in {folder.parent.name}/runs/."
    assert [panel["key"] for panel in curves.panels] == ["loss", "test_accuracy", "learning_rate"]
    assert [group["label"] for group in curves.groups] == list(RUNGS)
    for group in curves.groups:
        expected = np.array([[loss(group["label"], seed, passes) for passes in PASSES] for seed in range(3)])
        drawn = group["lines"]["loss"]
        assert drawn["x"] == PASSES
        assert drawn["mean"] == pytest.approx(expected.mean(axis=0), rel=1e-4)
        assert drawn["low"] == pytest.approx(expected[0], rel=1e-4)
        assert drawn["high"] == pytest.approx(expected[2], rel=1e-4)
        assert [seed["seed"] for seed in drawn["single"]] == [0, 1, 2]
        assert drawn["single"][2]["y"] == pytest.approx(expected[2], rel=1e-4)
        assert group["lines"]["test_accuracy"]["x"] == [2, 8]
        assert group["lines"]["test_accuracy"]["mean"] == pytest.approx([52, 58])


def test_seeds_of_other_passes_are_interpolated_and_never_beyond_their_ends():
    long, short = (pd.DataFrame({"passes": passes, "loss": values}) for passes, values in (
        ([0.0, 2.0, 4.0], [4.0, 2.0, 0.0]), ([1.0, 2.0, 3.0], [1.0, math.inf, 5.0])))  # fmt: skip
    drawn = line([(0, long), (1, short)], "loss", single=True)
    assert drawn["x"] == [0, 1, 2, 3, 4]
    assert drawn["n"] == [1, 2, 2, 2, 1]
    assert drawn["mean"] == [4, 2, 2.5, 3, 0]


def test_of_very_many_runs_single_seeds_are_left_out_and_said_to_be(folder, monkeypatch):
    monkeypatch.setattr("fbgd.report.html.curves.MOST_SINGLE", 8)
    curves = Source(folder, recipe_of).read().curves
    assert "With more than 8 runs, single seeds are left out." in curves.source
    assert [len(group["lines"]["loss"]["single"]) for group in curves.groups] == [0, 0, 0]
    assert curves.groups[0]["lines"]["loss"]["n"] == [3] * 4


def test_long_curves_keep_both_ends_in_few_points():
    grid = np.arange(1.0, 5001.0)
    kept = thinned(grid, POINTS)
    assert len(kept) <= POINTS
    assert (kept[0], kept[-1]) == (1, 5000)
    assert set(np.diff(kept[:5])) == {1.0}
    assert np.diff(kept).max() < 100


def test_without_run_directories_curves_are_those_of_measurements_or_none(tmp_path):
    folder = write_folder(tmp_path / "mnist1d", directories=False)
    curves = Source(folder, recipe_of).read().curves
    assert curves.groups == []
    assert "so no curves can be drawn" in curves.source
    text = document([Source(folder, recipe_of).read()])
    assert curves.source in text
    assert 'class="curves"' not in text
    rows = [(rung, seed, passes, 1 / passes, 0.5) for rung in RUNGS for seed in (0, 1) for passes in PASSES]
    table = pd.DataFrame(rows, columns=["rung", "seed", "passes", "train_loss", "test_error"])
    table.to_csv(folder / "measurements.csv", index=False)
    curves = Source(folder, recipe_of).read().curves
    assert "measurements.csv" in curves.source
    assert [(group["label"], group["seeds"]) for group in curves.groups] == [(rung, 2) for rung in RUNGS]
    assert curves.groups[0]["lines"]["loss"]["mean"] == [1, 0.5, 0.25, 0.125]
    assert curves.groups[0]["lines"]["test_accuracy"]["mean"] == [50] * 4
