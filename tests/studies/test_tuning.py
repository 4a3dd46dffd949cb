"""Choosing a learning rate on the validation split."""

import math
from itertools import pairwise

import pandas as pd
import pytest

from fbgd.runs.plan import Rung, collect, plan
from fbgd.studies.execution import Execution
from fbgd.studies.study import Preset
from fbgd.studies.tuning import (
    CANDIDATE,
    Tuning,
    choose,
    chosen_values,
    log_grid,
    search_paragraphs,
    search_rungs,
    tuned_rungs,
)

KEY = "optimizer.lr"
TINY = (
    "data.source.train=40",
    "data.source.test=20",
    "data.validation_size=10",
    "model=mlp",
    "model.width=4",
    "regime.block_size=10",
    "budget.passes=3",
    "impl.threads=1",
)
RUNGS = [
    Rung("small, SGD", TINY, labels={"size": "small", "regime": "SGD"}),
    Rung("small, full batch", (*TINY, "regime=full_batch"), labels={"size": "small", "regime": "full batch"}),
]
CANDIDATES = {rung.name: (1e-3, 0.1, 1e30) for rung in RUNGS}


def test_log_grid_is_even_and_centred():
    assert log_grid(0.3) == (0.03, 0.095, 0.3, 0.95, 3.0)
    assert log_grid(1.0, count=3, per_decade=1) == (0.1, 1.0, 10.0)
    grid = log_grid(0.02, count=7)
    steps = [math.log10(b / a) for a, b in pairwise(grid)]
    assert steps == pytest.approx([0.5] * 6, abs=0.02)
    assert log_grid(0.5, count=1) == (0.5,)


def searched(scores):
    """A search's rows: the given validation accuracies; the test accuracies are in the opposite order."""
    rows = []
    for rung, own in zip(RUNGS, scores, strict=True):
        for value, score in zip(CANDIDATES[rung.name], own, strict=True):
            accuracies = {"validation_accuracy": score, "test_accuracy": None if score is None else 1 - score}
            rows.append({**rung.labels, CANDIDATE: f"{value:g}", **accuracies})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([(0.2, 0.9, 0.1), (0.5, 0.3, 0.7)], (0.1, 1e30)),
        ([(0.9, 0.9, 0.1), (0.2, 0.7, 0.7)], (1e-3, 0.1)),
        ([(None, 0.1, None), (None, None, None)], (0.1, None)),
    ],
)
def test_the_best_on_the_validation_split_is_chosen_and_the_test_set_is_not_looked_at(scores, expected):
    assert tuple(choose(searched(scores), RUNGS, CANDIDATES).values()) == expected


def test_every_rung_is_searched_with_every_candidate():
    rungs = search_rungs(RUNGS, KEY, CANDIDATES)
    assert len(rungs) == 6
    assert len({rung.name for rung in rungs}) == 6
    assert rungs[4].overrides[-1] == "optimizer.lr=0.1"
    assert rungs[4].labels == {"size": "small", "regime": "full batch", CANDIDATE: "0.1"}


def test_without_a_choice_the_middle_value_runs_and_tells_why():
    found = tuned_rungs(RUNGS, KEY, CANDIDATES, {"small, SGD": 1e-3, "small, full batch": None})
    assert [rung.overrides[-1] for rung in found] == ["optimizer.lr=0.001", "optimizer.lr=0.1"]


def test_from_the_search_to_the_runs_that_count(tmp_path):
    tuning = Tuning(KEY, lambda preset: CANDIDATES)
    execution = Execution(Preset(), 2, ["budget.passes=4"], tmp_path, 2)
    outcome = tuning(execution, RUNGS)
    assert execution.finished
    assert list(outcome.searched["status"]).count("done") >= 4
    assert set(outcome.searched["seed"]) == {0}
    # The absurd rate diverges or learns nothing; what was chosen has the best validation accuracy.
    for rung in outcome.rungs:
        mine = outcome.searched[outcome.searched["regime"] == rung.labels["regime"]]
        best = mine.loc[mine["validation_accuracy"].astype(float).idxmax(), CANDIDATE]
        assert float(rung.overrides[-1].partition("=")[2]) == float(best)
    runs = collect(outcome.planned)
    assert list(runs["seed"]) == [1, 1, 2, 2]
    assert list(runs["status"]) == ["done"] * 4
    assert set(runs["budget.passes"]) == {"4"}
    chosen = chosen_values(runs, KEY, ["size", "regime"])
    assert [float(value) for value in chosen[CANDIDATE]] == [
        float(rung.overrides[-1].partition("=")[2]) for rung in outcome.rungs
    ]
    # The search is not repeated, and its seed is not among those of the table.
    again = tuning(Execution(Preset(), 2, ["budget.passes=4"], tmp_path, 1), RUNGS)
    assert [run.path for run in again.planned] == [run.path for run in outcome.planned]
    assert all(run.done for run in again.planned)


def test_the_caption_says_what_was_chosen_at_an_edge_or_not_at_all():
    chosen = {"small, SGD": 1e-3, "small, full batch": None}
    told = " ".join(search_paragraphs(KEY, CANDIDATES, chosen))
    assert "from 3 values" in told
    assert "may lie beyond: small, SGD." in told
    assert "the middle value: small, full batch." in told
    single = {name: values[:1] for name, values in CANDIDATES.items()}
    assert "nothing was chosen" in search_paragraphs(KEY, single, chosen)[0]


def test_seeds_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="--seeds = 0"):
        Execution(Preset(), 0, [], tmp_path, 1)
    assert [run.seed for run in plan(RUNGS, [], range(3, 5), tmp_path)] == [3, 3, 4, 4]
