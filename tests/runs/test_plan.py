"""Studies: planning, launching, failing, collecting."""

import os

import pandas as pd
import pytest
from files import ROOT

from fbgd.errors import ConfigError
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.launch import launch
from fbgd.runs.plan import Published, Rung, collect, curves, plan
from fbgd.runs.rows import label_columns, setting_columns

TINY = (
    "data.source.train=30",
    "data.source.test=10",
    "model=mlp",
    "model.width=4",
    "regime.block_size=10",
    "budget.passes=2",
    "impl.threads=1",
)
RUNGS = [
    Rung("Plain SGD", TINY, Published(95.0, 0.1)),
    Rung("SGD, larger steps", (*TINY, "optimizer.lr=0.5")),
]
# Refused by the training set's size, which only the run itself gets to know.
FAILING = Rung("Too large blocks", (*TINY[:-3], "budget.passes=2", "regime.block_size=31"))


def test_plan_is_seed_by_seed_with_one_directory_each(tmp_path):
    planned = plan(RUNGS, [], 2, tmp_path)
    assert [(run.rung, run.seed) for run in planned] == [
        ("Plain SGD", 0),
        ("SGD, larger steps", 0),
        ("Plain SGD", 1),
        ("SGD, larger steps", 1),
    ]
    assert len({run.path for run in planned}) == 4
    assert planned[3].config.seed == 1
    assert planned[1].path.name.startswith("sgd-larger-steps-seed0-")


def test_what_has_ended_is_not_tried_again(tmp_path):
    """A trial step of an optimizer of the user's, which counts how often it is made."""
    (tmp_path / "counted.py").write_text("""
import torch

class Counted(torch.optim.SGD):
    made = 0

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        Counted.made += 1
""")
    words = (*TINY, "optimizer._target_=counted.Counted", f"impl.module_path={tmp_path}")
    planned = plan([Rung("mine", words)], [], 1, tmp_path)
    from counted import Counted

    assert Counted.made == 1
    execute(planned[0].config, planned[0].path)
    made = Counted.made
    assert plan([Rung("mine", words)], [], 1, tmp_path) == planned
    assert Counted.made == made
    # A further seed is a run that has not ended.
    plan([Rung("mine", words)], [], 2, tmp_path)
    assert Counted.made == made + 1


def test_overrides_win_over_rungs(tmp_path):
    planned = plan(RUNGS, ["optimizer.lr=0.7", "budget.passes=1"], 1, tmp_path)
    assert {run.config.optimizer["lr"] for run in planned} == {0.7}
    planned = plan(RUNGS, ["optimizer=adam"], 1, tmp_path)
    assert [run.config.optimizer["lr"] for run in planned] == [1e-3, 1e-3]


def test_words_about_a_regulariser_apply_to_the_rungs_that_have_it(tmp_path):
    penalised = Rung("penalised", (*TINY, "regularizer=gradient_penalty"))
    planned = plan([RUNGS[0], penalised], ["regularizer.gradient_penalty.strength=0.5"], 1, tmp_path)
    assert planned[0].config.regularizer == {}
    assert planned[1].config.regularizer["gradient_penalty"]["strength"] == 0.5
    with pytest.raises(ConfigError, match="no rung has the regulariser 'gradient_clipping'"):
        plan([RUNGS[0], penalised], ["regularizer.gradient_clipping.max_norm=1"], 1, tmp_path)


@pytest.mark.parametrize("seeds", [0, -1])
def test_seeds_must_be_positive(tmp_path, seeds):
    with pytest.raises(ValueError, match="--seeds"):
        plan(RUNGS, [], seeds, tmp_path)


def test_workers_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="--workers"):
        launch(plan(RUNGS, [], 1, tmp_path), 0)


def test_invalid_settings_are_found_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match=r"optimizer\.lrr"):
        plan([*RUNGS, Rung("wrong", ("optimizer.lrr=1",))], [], 1, tmp_path)
    assert not list(tmp_path.iterdir())


def test_work_counts_penalties(tmp_path):
    penalised = Rung("penalised", (*TINY, "regularizer=gradient_penalty"))
    assert [run.work for run in plan([RUNGS[0], penalised], [], 1, tmp_path)] == [2, 4]


def test_launching_and_collecting(tmp_path):
    planned = plan([*RUNGS, FAILING], [], 2, tmp_path)
    launch(planned, workers=2)
    runs = collect(planned)
    assert list(runs["status"]) == ["done", "done", "failed"] * 2
    assert runs["error"][2].startswith("ValueError: regime.block_size = 31")
    assert "Traceback" in RunDirectory(planned[2].path).error.read_text()
    assert runs["threads"].dropna().eq(1).all()
    assert set(curves(planned)["rung"]) == {"Plain SGD", "SGD, larger steps"}

    # The same again computes nothing but the failed ones.
    done = {run.path: (run.path / "summary.json").stat().st_mtime_ns for run in planned if run.done}
    launch(planned, workers=1)
    assert {path: (path / "summary.json").stat().st_mtime_ns for path in done} == done
    pd.testing.assert_frame_equal(collect(planned), runs)


def test_a_success_clears_an_earlier_failure(tmp_path):
    planned = plan(RUNGS[:1], [], 1, tmp_path)
    planned[0].path.mkdir(parents=True)
    RunDirectory(planned[0].path).error.write_text("an earlier failure\n")
    assert collect(planned)["status"][0] == "failed"
    launch(planned, 1)
    assert collect(planned)["status"][0] == "done"
    assert not RunDirectory(planned[0].path).error.exists()


@pytest.mark.slow
def test_an_interruption_is_no_failure(tmp_path, monkeypatch):
    """Ctrl-C while two runs are under way: their workers end, no error is left behind, and nothing new starts."""
    endless = Rung("endless", (*TINY[:-2], "budget.passes=1000000", "impl.threads=1"))
    planned = plan([endless], [], 3, tmp_path)

    def interrupt(futures):
        # Both workers have reported a row by then.
        while len(list(tmp_path.glob("runs/*/config.yaml"))) < 2:
            os.sched_yield()
        raise KeyboardInterrupt

    monkeypatch.setattr("fbgd.runs.launch.as_completed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        launch(planned, workers=2)
    assert list(collect(planned)["status"]) == ["missing"] * 3


def test_what_packages_print_is_not_read_as_rows(tmp_path, monkeypatch):
    (tmp_path / "chatty.py").write_text("import torch\nprint('hello from a package')\nSGD = torch.optim.SGD\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    monkeypatch.syspath_prepend(tmp_path)
    planned = plan([Rung("chatty", (*TINY, "optimizer._target_=chatty.SGD"))], [], 1, tmp_path / "out")
    launch(planned, 1)
    assert list(collect(planned)["status"]) == ["done"]


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_its_run_reported(tmp_path, monkeypatch):
    """As when memory runs out: no traceback, only an exit status; the runs after it have another process."""
    lines = ("import os, sys", "def SGD(params, lr=0.1):", "    print('last words', file=sys.stderr, flush=True)")
    (tmp_path / "deadly.py").write_text("\n".join((*lines, "    os._exit(7)")))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    # Planning makes the optimizer once, to see whether it takes its arguments.
    monkeypatch.setattr("fbgd.runs.plan.check", lambda config: None)
    monkeypatch.syspath_prepend(tmp_path)
    rungs = [RUNGS[0], Rung("deadly", (*TINY, "optimizer._target_=deadly.SGD")), RUNGS[1]]
    planned = plan(rungs, [], 2, tmp_path / "out")
    launch(planned, 1)
    runs = collect(planned)
    assert list(runs["status"]) == ["done", "failed", "done"] * 2
    assert runs["error"][1] == "exit status 7: last words"


def test_missing_runs_are_collected_as_missing(tmp_path):
    assert list(collect(plan(RUNGS, [], 1, tmp_path))["status"]) == ["missing", "missing"]


def test_rows_hold_labels_first_and_every_science_setting_last(tmp_path):
    penalised = (*TINY, "optimizer=adam", "regularizer=gradient_penalty", "regime=full_batch")
    rungs = [
        Rung("plain", TINY, labels={"optimizer": "SGD", "regime": "SGD"}),
        Rung("adam", penalised, labels={"optimizer": "Adam", "regime": "full batch"}),
    ]
    runs = collect(plan(rungs, [], 1, tmp_path))
    assert label_columns(runs) == ["optimizer", "regime"]
    settings = setting_columns(runs)
    assert "seed" not in settings
    assert not [key for key in settings if key.startswith(("impl.", "record."))]
    assert list(runs["optimizer._target_"]) == ["optimizers.SGD", "optimizers.Adam"]
    assert list(runs["optimizer.betas"]) == ["", "[0.9, 0.999]"]
    assert list(runs["optimizer.nesterov"]) == ["true", ""]
    assert list(runs["regularizer.gradient_penalty.strength"]) == ["", "1"]
    assert list(runs["budget.passes"]) == ["2", "2"]
    assert [key.split(".")[0] for key in settings] == sorted(
        (key.split(".")[0] for key in settings),
        key=["data", "model", "regime", "optimizer", "regularizer", "schedule", "budget", "precision"].index,
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([{"passes": "2"}, {"passes": "3"}], "'passes' is no label"),
        ([{"optimizer.lr": "2"}, {"optimizer.lr": "3"}], "'optimizer.lr' is no label"),
        ([{"a": "1"}, {"b": "1"}], "has the labels"),
        ([{"a": "1"}, {"a": "1"}], "two rungs have the labels"),
    ],
)
def test_labels_that_no_table_could_group_by(tmp_path, labels, message):
    with pytest.raises(ValueError, match=message):
        plan([Rung(f"rung {index}", TINY, labels=own) for index, own in enumerate(labels)], [], 1, tmp_path)
