"""Every seed chooses for itself: what is run and counts, when a grid grows, and what the page says."""

import math

import numpy as np
import pandas as pd
import pytest

from fbgd.errors import ConfigError
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.runs.plan import Rung, collect
from fbgd.studies.execution import Execution
from fbgd.studies.nested import FRESH, MISSING, NestedTuning, chosen_counts, value_of
from fbgd.studies.selection import each_choice, end_of_choices
from fbgd.studies.study import Preset
from fbgd.studies.tuning import CANDIDATE, EXTENSIONS, SEARCHED

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
    Rung("SGD", TINY, labels={"regime": "SGD"}),
    Rung("full batch", (*TINY, "regime=full_batch"), labels={"regime": "full batch"}),
    Rung("as it is", (*TINY, "regime=full_batch", "optimizer=adam"), labels={"regime": "as it is"}),
]
GRID = (1e-3, 0.1, 1e30)
CANDIDATES = {"SGD": GRID, "full batch": GRID}


def searched(scores, status="done"):
    """The rows of a search of one rung, of which ``scores`` has a row a seed and a column a value of :data:`GRID`."""
    return pd.DataFrame(
        {"regime": "SGD", CANDIDATE: f"{value:.10g}", "seed": seed, "status": status, "validation_accuracy": score}
        for seed, line in enumerate(scores)
        for value, score in zip(GRID, line, strict=True)
    )


def test_a_fresh_run_counts_with_what_every_seed_chooses(tmp_path, in_process):
    execution = Execution(Preset(), 3, ["budget.passes=4"], tmp_path, 2)
    tuning = NestedTuning(KEY, lambda preset: CANDIDATES)
    outcome = tuning(execution, RUNGS)
    runs, table = collect(outcome.planned), outcome.searched
    assert list(runs["seed"]) == [FRESH + seed for seed in (0, 0, 0, 1, 1, 1, 2, 2, 2)]
    assert list(runs["regime"]) == ["SGD", "full batch", "as it is"] * 3
    assert set(runs["budget.passes"]) == {"4"}
    assert set(table["regime"]) == {"SGD", "full batch"}
    for row in runs[runs["regime"] != "as it is"].to_dict("records"):
        mine = table[(table["regime"] == row["regime"]) & (table["seed"] == row["seed"] - FRESH)]
        best = mine[mine["validation_accuracy"] == mine["validation_accuracy"].max()]
        assert float(row[KEY]) in set(best[CANDIDATE].astype(float))
        # No run is in the table because it was the best of several.
        assert row["identity"] not in set(table["identity"])
    assert set(table["seed"]) == {0, 1, 2}
    assert len([path for path in (tmp_path / "runs").iterdir() if path.is_dir()]) == len(table) + 9
    # From the table alone the same settings, and nothing is run again.
    for run in outcome.planned:
        (rung,) = [rung for rung in tuning.tune(None, RUNGS, table, run.seed) if rung.name == run.rung]
        (again,) = Execution(Preset(), 1, ["budget.passes=4"], tmp_path / "other", 1).plan([rung], [run.seed])
        assert again.config == run.config
    again = tuning(Execution(Preset(), 3, ["budget.passes=4"], tmp_path, 1), RUNGS)
    assert [run.path for run in again.planned] == [run.path for run in outcome.planned]


def test_a_seed_looks_at_its_own_scores_only():
    """Hand-made: the best mean is another value than either seed's best."""
    scores = np.array([[0.9, 0.8, 0.1], [0.1, 0.8, 0.9]])
    assert each_choice(scores) == [0, 2]
    assert [value_of(searched(scores), seed) for seed in (0, 1)] == [1e-3, 1e30]
    table = chosen_counts(searched([*scores, [0.9, 0.8, 0.1]]), ["regime"])
    assert table.to_dict("list") == {"regime": ["SGD"] * 2, CANDIDATE: ["0.001", "1e+30"],
                                     "share": [pytest.approx(2 / 3), pytest.approx(1 / 3)]}  # fmt: skip


def test_a_run_without_a_score_is_not_chosen_and_a_seed_without_any_shows_the_middle_one():
    table = searched([[0.2, 0.3, math.nan], [math.nan] * 3])
    assert value_of(table, 0) == 0.1
    assert value_of(table, 1) == 0.1
    told = " ".join(NestedTuning(KEY, lambda preset: CANDIDATES).paragraphs(Evidence(Description("", ["regime"]), searched=table)))  # fmt: skip  # noqa: E501
    assert "Chosen, by so many seeds: SGD 0.1 (1)." in told
    assert "SGD 0.001 (1); SGD 0.1 (1); SGD 1e+30 (2)." in told


def test_nothing_is_chosen_from_a_part_of_the_values():
    """An interrupted search shows a run that is missing, not the best of those that are there."""
    table = searched([[0.9, math.nan, 0.1]])
    table.loc[1, "status"] = MISSING
    assert value_of(table, 0) == 0.1


@pytest.mark.parametrize(
    ("scores", "side"),
    [
        # The best mean is an end.
        ([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]], 1),
        ([[0.3, 0.2, 0.1]], -1),
        # It is not, but one of three seeds, more than a quarter, chooses an end; one of four is not more.
        ([[0.1, 0.5, 0.6], [0.1, 0.5, 0.2], [0.1, 0.5, 0.2]], 1),
        ([[0.1, 0.5, 0.6], [0.1, 0.5, 0.2], [0.1, 0.5, 0.2], [0.1, 0.5, 0.2]], 0),
        # A plateau is not an end, a value without all seeds has no mean, and nothing is known of nothing.
        ([[0.5, 0.5, 0.5]], 0),
        ([[0.1, 0.5, 0.6], [0.1, 0.5, math.nan], [0.1, 0.5, 0.2], [0.1, 0.5, 0.2]], 0),
        ([[math.nan] * 3], 0),
    ],
)
def test_a_grid_grows_to_the_side_of_the_best_mean_or_of_many_choices(scores, side):
    assert end_of_choices(np.array(scores)) == side


DECAY = "optimizer.weight_decay"


def test_a_second_setting_is_chosen_by_each_seed_at_its_own_first(tmp_path, monkeypatch):
    """The runs are replaced: seed 0 trains best at 0.1, seed 1 at 0.4, and either with a decay of a tenth of that."""
    best = {0: 0.1, 1: 0.4}

    def scores(planned):
        rows = []
        for run in planned:
            rate, decay = (run.config.optimizer[name] for name in ("lr", "weight_decay"))
            wrong = [math.log(rate / best[run.seed])]
            if decay != 5e-4:
                assert wrong == [0], "the second search is at the first one's choice"
                wrong.append(math.log(10 * decay / rate))
            rows.append(
                {**run.labels, "seed": run.seed, "status": "done", "validation_accuracy": -max(map(abs, wrong))}
            )
        return pd.DataFrame(rows)

    monkeypatch.setattr("fbgd.studies.tuning.collect", scores)
    execution = Execution(Preset(), 2, [], tmp_path, 1)
    execution.execute = lambda planned: planned
    second = NestedTuning(DECAY, lambda preset: {"SGD": (0.005, 0.01, 0.02, 0.04, 0.08)})
    tuning = NestedTuning(KEY, lambda preset: {"SGD": (0.05, 0.1, 0.2, 0.4, 0.8)}, then=lambda preset: second)
    outcome = tuning(execution, RUNGS[:1])
    assert [
        (run.seed, run.config.optimizer["lr"], run.config.optimizer["weight_decay"]) for run in outcome.planned
    ] == [(FRESH, 0.1, 0.01), (FRESH + 1, 0.4, 0.04)]
    assert list(outcome.searched[SEARCHED].unique()) == [KEY, DECAY]
    told = tuning.paragraphs(Evidence(Description("", ["regime"]), searched=outcome.searched))
    assert "Chosen, by so many seeds: SGD 0.1 (1), 0.4 (1)." in told
    assert "Chosen, by so many seeds: SGD 0.01 (1), 0.04 (1)." in told


def test_a_grid_grows_until_the_best_is_interior_for_all_its_seeds(tmp_path, monkeypatch):
    """The runs are replaced by a curve whose best value, 0.8, lies two steps beyond the grid."""
    asked = []

    def scores(planned):
        asked.append([(float(run.labels[CANDIDATE]), run.seed) for run in planned])
        return pd.DataFrame(
            {**run.labels, "seed": run.seed, "status": "done", "validation_accuracy": -abs(math.log(rate / 0.8))}
            for run, (rate, _) in zip(planned, asked[-1], strict=True)
        )

    monkeypatch.setattr("fbgd.studies.tuning.collect", scores)
    execution = Execution(Preset(), 2, [], tmp_path, 1)
    execution.execute = lambda planned: planned
    outcome = NestedTuning(KEY, lambda preset: {"SGD": (0.1, 0.2, 0.4)})(execution, RUNGS[:1])
    assert asked == [[(rate, seed) for seed in (0, 1) for rate in rates] for rates in ((0.1, 0.2, 0.4), (0.8,), (1.6,))]
    assert [(run.seed, run.config.optimizer["lr"], run.rung) for run in outcome.planned] == [
        (FRESH, 0.8, "SGD"), (FRESH + 1, 0.8, "SGD")
    ]  # fmt: skip
    assert len(asked) <= 1 + EXTENSIONS


def test_a_word_about_one_rung_s_regulariser_does_not_stop_another_s_grid(tmp_path, monkeypatch):
    """Only the first rung has mixup; the other's grid has to grow under a word about it."""
    rungs = [Rung("mixed", (*TINY, "regularizer=[mixup]"), labels={"regime": "mixed"}), RUNGS[0]]
    monkeypatch.setattr("fbgd.studies.tuning.collect", lambda planned: pd.DataFrame(
        {**run.labels, "seed": run.seed, "status": "done",
         "validation_accuracy": -abs(math.log(float(run.labels[CANDIDATE]) / (0.8 if run.labels["regime"] == "SGD" else 0.2)))}  # noqa: E501
        for run in planned
    ))  # fmt: skip
    execution = Execution(Preset(), 1, ["regularizer.mixup.alpha=0.7"], tmp_path, 1)
    execution.execute = lambda planned: planned
    outcome = NestedTuning(KEY, lambda preset: dict.fromkeys(("mixed", "SGD"), (0.1, 0.2, 0.4)))(execution, rungs)
    assert [run.config.optimizer["lr"] for run in outcome.planned] == [0.2, 0.8]


def test_choosing_needs_validation_data(tmp_path):
    bare = Rung("SGD", tuple(word for word in TINY if "validation" not in word))
    with pytest.raises(ConfigError, match=r"SGD.*there is none: set data\.validation_size"):
        NestedTuning(KEY, lambda preset: CANDIDATES)(Execution(Preset(), 1, [], tmp_path / "out", 1), [bare])
    assert not (tmp_path / "out").exists()


def test_one_value_is_run_and_not_chosen(tmp_path, in_process):
    outcome = NestedTuning(KEY, lambda preset: {"SGD": (0.1,)})(Execution(Preset(), 2, [], tmp_path, 1), RUNGS[:1])
    assert list(collect(outcome.planned)["status"]) == ["done"] * 2
    evidence = Evidence(Description("", ["regime"]), searched=outcome.searched)
    told = NestedTuning(KEY, lambda preset: {}).paragraphs(evidence)
    assert told == [f"{KEY} has one value for each row, so nothing was chosen."]
