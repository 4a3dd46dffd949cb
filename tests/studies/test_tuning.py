"""Choosing a learning rate on the validation split."""

import math
import re
from itertools import pairwise

import pandas as pd
import pytest

from fbgd.errors import ConfigError
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.runs.plan import Rung, collect, plan
from fbgd.studies.execution import Execution
from fbgd.studies.study import Preset
from fbgd.studies.tuning import (
    CANDIDATE,
    EXTENSIONS,
    SEARCHED,
    Tuning,
    by_setting,
    choices,
    chosen_values,
    log_grid,
    search_rungs,
    tuned_rungs,
)

KEY = "optimizer.lr"


def words(rung, value):
    """What sets a rung's learning rate."""
    return (f"{KEY}={value!r}",)


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
    """A search's rows: the given validation accuracies; the test accuracies are in the opposite order.

    Args:
        scores: a rung to its accuracies: a row a seed, a column a candidate.
    """
    rows = []
    for rung, own in zip(RUNGS, scores, strict=True):
        for seed, line in enumerate(own):
            for value, score in zip(CANDIDATES[rung.name], line, strict=True):
                accuracies = {"validation_accuracy": score, "test_accuracy": None if score is None else 1 - score}
                rows.append({**rung.labels, CANDIDATE: f"{value:g}", "seed": seed, **accuracies})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[(0.2, 0.9, 0.1)], [(0.5, 0.3, 0.7)]], (0.1, 1e30)),
        # The mean over the search seeds decides, not the luckiest one.
        ([[(0.5, 0.6, 0.1), (0.5, 0.6, 0.7)], [(0.9, 0.2, 0.1), (0.1, 0.4, 0.1)]], (0.1, 0.1)),
        ([[(None, 0.1, None)], [(None, None, None)]], (0.1, None)),
    ],
)
def test_the_validation_split_decides_and_the_test_set_is_not_looked_at(scores, expected):
    found = choices(searched(scores), RUNGS).values()
    assert tuple(None if choice is None else choice.value for choice in found) == expected


def test_every_rung_is_searched_with_every_candidate():
    rungs = search_rungs(RUNGS, KEY, words, CANDIDATES)
    assert len(rungs) == 6
    assert len({rung.name for rung in rungs}) == 6
    assert rungs[4].overrides[-1] == "optimizer.lr=0.1"
    assert rungs[4].labels == {"size": "small", "regime": "full batch", CANDIDATE: "0.1"}


def test_without_a_choice_the_middle_value_runs_and_tells_why():
    chosen = choices(searched([[(0.9, 0.1, 0.1)], [(None, None, None)]]), RUNGS)
    found = tuned_rungs(RUNGS, words, CANDIDATES, chosen)
    assert [rung.overrides[-1] for rung in found] == ["optimizer.lr=0.001", "optimizer.lr=0.1"]


def test_from_the_search_to_the_runs_that_count(tmp_path, in_process):
    tuning = Tuning(KEY, lambda preset: CANDIDATES, seeds=2)
    execution = Execution(Preset(), 2, ["budget.passes=4"], tmp_path, 2)
    outcome = tuning(execution, RUNGS)
    assert execution.finished
    assert set(outcome.searched["seed"]) == {0, 1}
    tried = outcome.searched.groupby("regime")[CANDIDATE].nunique()
    for rung, choice in choices(outcome.searched, RUNGS).items():
        # The absurd rate diverges or learns nothing. Where an end was the best, the grid has grown beyond it.
        assert choice.value < 1e30
        assert len(choice.values) == 3 or choice.side == 0 or len(choice.values) == 3 + EXTENSIONS
        assert tried[rung.partition(", ")[2]] == len(choice.values)
    chosen = [float(rung.overrides[-1].partition("=")[2]) for rung in outcome.rungs]
    assert chosen == [choice.value for choice in choices(outcome.searched, RUNGS).values()]
    runs = collect(outcome.planned)
    assert list(runs["seed"]) == [2, 2, 3, 3]
    assert list(runs["status"]) == ["done"] * 4
    assert set(runs["budget.passes"]) == {"4"}
    assert [float(value) for value in runs[KEY].iloc[:2]] == chosen
    assert [float(value) for value in chosen_values(outcome.searched, ["size", "regime"])[CANDIDATE]] == chosen
    # The search is not repeated, and its seeds are not among those of the table.
    again = tuning(Execution(Preset(), 2, ["budget.passes=4"], tmp_path, 1), RUNGS)
    assert [run.path for run in again.planned] == [run.path for run in outcome.planned]
    assert all(run.done for run in again.planned)


def test_a_second_setting_is_chosen_with_the_first_at_its_choice(tmp_path, monkeypatch):
    """The runs are replaced by a score with its best rate at 0.2, and its best decay at 0.01 times a rung's own."""

    def decay(rung, value):
        return (f"optimizer.weight_decay={value / (2 if 'full' in rung else 1)!r}",)

    def scores(planned):
        return pd.DataFrame(
            {**run.labels, "seed": run.seed, "validation_accuracy":
             -abs(math.log(run.config.optimizer["lr"] / 0.2))
             - abs(math.log((run.config.optimizer["weight_decay"] or 1) / 0.01))}
            for run in planned
        )  # fmt: skip

    monkeypatch.setattr("fbgd.studies.tuning.collect", scores)
    execution = Execution(Preset(), 1, [], tmp_path, 1)
    execution.execute = lambda planned: planned
    second = Tuning("decay", lambda preset: dict.fromkeys(CANDIDATES, (0.005, 0.01, 0.02, 0.04)), 1, decay)
    tuning = Tuning(KEY, lambda preset: dict.fromkeys(CANDIDATES, (0.1, 0.2, 0.4)), 1, then=lambda preset: second)
    outcome = tuning(execution, RUNGS)
    assert [(run.config.optimizer["lr"], run.config.optimizer["weight_decay"]) for run in outcome.planned] == [
        (0.2, 0.01), (0.2, 0.01)
    ]  # fmt: skip
    assert [rung.overrides[-1] for rung in outcome.rungs] == [
        "optimizer.weight_decay=0.01", "optimizer.weight_decay=0.01"
    ]  # fmt: skip
    assert list(outcome.searched)[:4] == [SEARCHED, "size", "regime", CANDIDATE]
    assert outcome.searched[SEARCHED].value_counts().to_dict() == {KEY: 6, "decay": 8}
    # From the table alone the same rungs, and a page that tells of both.
    assert tuning.tune(Preset(), RUNGS, outcome.searched) == outcome.rungs
    chosen = chosen_values(by_setting(outcome.searched, KEY)["decay"], ["size", "regime"])
    assert list(chosen[CANDIDATE]) == ["0.01", "0.02"]
    told = " ".join(tuning.paragraphs(Evidence(Description("", ["size", "regime"]), searched=outcome.searched)))
    assert f"{KEY} was chosen for each row from 3 values" in told
    assert "decay was chosen for each row from 4 values" in told
    assert "Chosen: small / SGD 0.01; small / full batch 0.02." in told


def test_a_grid_grows_until_the_choice_is_interior(tmp_path, monkeypatch):
    """The runs are replaced by a curve whose best value, 0.8, lies two steps beyond the grid."""
    asked = []

    def scores(planned):
        rates = [float(run.labels[CANDIDATE]) for run in planned]
        rows = [{**run.labels, "seed": run.seed, "validation_accuracy": -abs(math.log(rate / 0.8))}
                for run, rate in zip(planned, rates, strict=True)]  # fmt: skip
        asked.append(rates)
        return pd.DataFrame(rows)

    monkeypatch.setattr("fbgd.studies.tuning.collect", scores)
    execution = Execution(Preset(), 1, [], tmp_path, 1)
    execution.execute = lambda planned: planned
    tuning = Tuning(KEY, lambda preset: {rung.name: (0.1, 0.2, 0.4) for rung in RUNGS}, seeds=1)
    table = tuning.search(execution, RUNGS[:1])
    assert asked == [[0.1, 0.2, 0.4], [0.8], [1.6]]
    assert choices(table, RUNGS[:1])["small, SGD"].value == 0.8


def test_a_grid_ends_where_its_setting_does(tmp_path, monkeypatch):
    """More noise is always better here, but no share is larger than 1."""
    monkeypatch.setattr("fbgd.studies.tuning.collect", lambda planned: pd.DataFrame(
        {**run.labels, "seed": run.seed, "validation_accuracy": run.config.data.label_noise} for run in planned
    ))  # fmt: skip
    execution = Execution(Preset(), 1, [], tmp_path, 1)
    execution.execute = lambda planned: planned
    tuning = Tuning("data.label_noise", lambda preset: {rung.name: (0.2, 0.4, 0.8) for rung in RUNGS}, seeds=1)
    table = tuning.search(execution, RUNGS[:1])
    assert list(table[CANDIDATE]) == ["0.2", "0.4", "0.8"]


def test_choosing_needs_validation_data(tmp_path):
    bare = Rung("bare", tuple(word for word in TINY if "validation" not in word))
    execution = Execution(Preset(), 1, [], tmp_path / "out", 1)
    with pytest.raises(ConfigError, match=r"bare.*there is none: set data\.validation_size"):
        Tuning(KEY, lambda preset: {"bare": (0.1, 1.0)})(execution, [bare])
    assert not (tmp_path / "out").exists()


def test_an_unwanted_rung_keeps_its_extended_grid(tmp_path, monkeypatch):
    """``--only`` runs one rung, and looks at all that an earlier call has found for the other."""
    monkeypatch.setattr("fbgd.studies.tuning.collect", lambda planned: pd.DataFrame(
        {**run.labels, "seed": run.seed, "validation_accuracy": -abs(math.log(float(run.labels[CANDIDATE]) / 0.8))}
        for run in planned
    ))  # fmt: skip
    execution = Execution(Preset(), 1, [], tmp_path, 1, only=["small, SGD"])
    executed = []
    execution.execute = lambda planned: executed.extend(run.rung for run in planned if execution.wanted(run.rung))
    tuning = Tuning(KEY, lambda preset: {rung.name: (0.1, 0.2, 0.4) for rung in RUNGS}, seeds=1)
    found = choices(tuning.search(execution, RUNGS), RUNGS)
    assert {choice.value for choice in found.values()} == {0.8}
    assert {rung.partition(", optimizer.lr")[0] for rung in executed} == {"small, SGD"}


def test_the_page_says_what_was_chosen_how_surely_at_an_edge_or_not_at_all():
    doubtful = [(0.9, 0.5, 0.5), (0.5, 0.5, 0.9)]
    table = searched([doubtful, [(None, None, None)] * 2])
    description = Description("title", ["size", "regime"])
    told = " ".join(Tuning(KEY, lambda preset: CANDIDATES).paragraphs(Evidence(description, searched=table)))
    assert "from 3 values by the mean validation accuracy over 2 search seeds" in told
    assert "Chosen: small / SGD 0.1." in told
    # The middle value of the plateau is half of the draws' choice; either end would add 20 points.
    assert re.search(r"small / SGD (4|5)\d % \(", told)
    assert "1e+30: +20.0" in told
    assert "may lie beyond: small / SGD." in told
    assert "the middle value: small / full batch." in told
    assert Tuning(KEY, lambda preset: CANDIDATES).paragraphs(Evidence(description)) == []
    single = table[table[CANDIDATE] == "0.1"].assign(validation_accuracy=0.5)
    assert "nothing was chosen" in Tuning(KEY, lambda preset: CANDIDATES).paragraphs(
        Evidence(description, searched=single))[0]  # fmt: skip


def test_seeds_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="--seeds = 0"):
        Execution(Preset(), 0, [], tmp_path, 1)
    assert [run.seed for run in plan(RUNGS, [], range(3, 5), tmp_path)] == [3, 3, 4, 4]
