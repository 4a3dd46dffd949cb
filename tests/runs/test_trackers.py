"""Trackers: what they are told is metrics.csv, each row once, and they neither change a run nor end it."""

import json
import sys
from typing import ClassVar

import pandas as pd
import pytest
from directories import Stopped, assert_same, numbers, stop_after
from wandb_files import history

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.runs.attempt import execute
from fbgd.runs.provenance import identity
from fbgd.runs.together import execute_together
from scripts import train

SMALL = ["data.source.train=40", "data.source.test=10", "model.width=2", "regime.block_size=20", "impl.threads=1"]
WORDS = [*SMALL, "budget.passes=5", "record.evaluate_every=2", "impl.checkpoint_seconds=0"]


class Recording:
    """A tracker that keeps what it is told."""

    told: ClassVar[list] = []

    def __init__(self, run, option=0):
        self.run = run

    def log(self, step, values):
        self.told.append((self.run.directory.name, self.run.identifier, step, values))

    def finish(self, summary):
        self.told.append((self.run.directory.name, self.run.identifier, summary["status"], {}))


class Failing(Recording):
    """One that fails at its second row."""

    def log(self, step, values):
        if step > 2:
            raise OSError("no route\nto host")


class Refusing(Recording):
    """One that cannot be reached at all."""

    def __init__(self, run):
        raise ConnectionError("the service does not answer")


@pytest.fixture
def told(monkeypatch):
    """What trackers are told in a test."""
    monkeypatch.setattr(Recording, "told", [])
    return Recording


@pytest.fixture
def by_name(monkeypatch):
    """The classes of this file can be named by ``_target_``."""
    monkeypatch.setitem(sys.modules, "trackers_of_test", sys.modules[__name__])
    return lambda name: [*WORDS, f"tracker._target_=trackers_of_test.{name}"]


def cut_and_resumed(words, path, between=lambda: None):
    """A run that was cut off after its fourth row, and went on from the checkpoint before the last."""
    with pytest.raises(Stopped):
        execute(compose(words), path, stop_after(4))
    between()
    (path / "checkpoint.pt").write_bytes(b"damaged")
    execute(compose(words), path, warn=lambda text: None)


def assert_rows(rows, path):
    """Rows by step are those of metrics.csv, column by column, each once."""
    # A row that was computed twice took another time.
    metrics = pd.read_csv(path / "metrics.csv").drop(columns="seconds")
    assert [step for step, _ in rows] == list(metrics["step"])
    for (_, values), (_, expected) in zip(rows, metrics.set_index("step").iterrows(), strict=True):
        values = {key: value for key, value in values.items() if key != "seconds"}
        assert values == pytest.approx(expected.dropna().to_dict(), rel=1e-6)


def test_tensorboard_reads_what_metrics_csv_says(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    cut_and_resumed([*WORDS, "tracker=tensorboard"], tmp_path)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    reader = EventAccumulator(str(tmp_path / "tensorboard"))
    reader.Reload()
    rows = {}
    for tag in reader.Tags()["scalars"]:
        for event in reader.Scalars(tag):
            assert tag not in rows.setdefault(event.step, {})
            rows[event.step][tag] = event.value
    assert_rows(sorted(rows.items()), tmp_path)


def test_wandb_offline_holds_what_metrics_csv_says(tmp_path, monkeypatch):
    import wandb

    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "elsewhere"))
    path = tmp_path / "run"
    cut_and_resumed([*WORDS, "tracker=wandb", "tracker.mode=offline", "tracker.project=mine"], path, wandb.teardown)
    wandb.teardown()
    parts = [history(file) for file in sorted(path.glob("wandb/offline-run-*/*.wandb"))]
    # Two starts, one run.
    assert len(parts) == 2
    assert {identifier for identifier, _ in parts} == {json.loads((path / ".tracker.json").read_text())["identifier"]}
    rows = [
        (row["_step"], {key: value for key, value in row.items() if not key.startswith("_")})
        for _, part in parts
        for row in part
    ]
    assert_rows(rows, path)


def test_mlflow_holds_what_metrics_csv_says(tmp_path, monkeypatch):
    """In plain files, which need no server and no database."""
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri, path = (tmp_path / "mlruns").as_uri(), tmp_path / "run"
    words = [*WORDS, "tracker=mlflow", "tracker.experiment=mine", f"tracker.uri={uri}", "optimizer.lr=0.125"]
    cut_and_resumed(words, path)
    client = MlflowClient(tracking_uri=uri)
    # Two starts, one run.
    (run,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert run.info.run_name == "run"
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer.lr"] == "0.125"
    rows = {}
    for name in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, name):
            assert name not in rows.setdefault(metric.step, {})
            rows[metric.step][name] = metric.value
    assert_rows(sorted(rows.items()), path)


def test_trackio_holds_what_metrics_csv_says(tmp_path, monkeypatch):
    """In its own database; nothing leaves this computer."""
    from trackio.sqlite_storage import SQLiteStorage

    for module in ("trackio.sqlite_storage", "trackio.utils"):
        monkeypatch.setattr(f"{module}.TRACKIO_DIR", tmp_path / "trackio")
    path = tmp_path / "run"
    cut_and_resumed([*WORDS, "tracker=trackio", "tracker.project=mine"], path)
    (name,) = SQLiteStorage.get_runs("mine")
    assert name.startswith("run ")
    rows = [
        (log["step"], {key: value for key, value in log.items() if key not in ("step", "timestamp")})
        for log in SQLiteStorage.get_logs("mine", name)
    ]
    assert_rows(sorted(rows, key=lambda row: row[0]), path)


def test_a_resumed_run_goes_on_in_the_same_tracker_run(tmp_path, told, by_name):
    cut_and_resumed(by_name("Recording"), tmp_path / "run")
    *rows, (_, _, status, _) = told.told
    assert status == "done"
    assert len({identifier for _, identifier, _, _ in told.told}) == 1
    assert_rows([(step, values) for _, _, step, values in rows], tmp_path / "run")
    # A finished run is not told again.
    execute(compose(by_name("Recording")), tmp_path / "run")
    assert len(told.told) == len(rows) + 1


def test_another_tracker_is_told_everything(tmp_path, told, by_name):
    with pytest.raises(Stopped):
        execute(compose(by_name("Recording")), tmp_path, stop_after(3))
    before = len(told.told)
    execute(compose([*by_name("Recording"), "tracker.option=1"]), tmp_path)
    rows = told.told[before:-1]
    assert_rows([(step, values) for _, _, step, values in rows], tmp_path)
    assert rows[0][1] != told.told[0][1]


def test_a_tracker_is_no_part_of_a_run_and_changes_none_of_its_numbers(tmp_path, told, by_name):
    execute(compose(WORDS), tmp_path / "plain")
    execute(compose(by_name("Recording")), tmp_path / "told")
    assert identity(compose(by_name("Recording"))) == identity(compose(WORDS))
    assert_same(numbers(tmp_path / "plain"), numbers(tmp_path / "told"))


def test_seeds_that_are_trained_together_have_a_tracker_run_each(tmp_path, told, by_name):
    words = [*by_name("Recording"), "model=mlp", "model.width=3"]
    configs = [compose([*words, f"seed={seed}"]) for seed in range(2)]
    paths = [tmp_path / str(seed) for seed in range(2)]
    execute_together(configs, paths)
    for path in paths:
        *rows, (_, _, status, _) = [entry for entry in told.told if entry[0] == path.name]
        assert status == "done"
        assert_rows([(step, values) for _, _, step, values in rows], path)


@pytest.mark.parametrize(("name", "message"), [("Failing", "no route to host"), ("Refusing", "does not answer")])
def test_a_tracker_that_fails_is_said_once_and_the_run_goes_on(tmp_path, told, by_name, name, message):
    said = []
    summary = execute(compose(by_name(name)), tmp_path, warn=said.append)
    assert summary["status"] == "done"
    (text,) = said
    assert message in text
    assert f"tracker (trackers_of_test.{name}) failed and is told no more" in text
    assert "\n" not in text


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_said_before_anything_runs(tmp_path, monkeypatch, capsys, name):
    monkeypatch.setitem(sys.modules, name, None)
    words = [*WORDS, f"tracker={name}"]
    with pytest.raises(ValueError, match=rf"pip install 'fbgd\[{name}\]'"):
        check(compose(words))
    assert train.main([*words, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert f"pip install 'fbgd[{name}]'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tracker=tensorbord"], "did you mean 'tensorboard'"),
        (["tracker=wandb", "tracker.projekt=x"], "did you mean 'project'"),
        (["tracker=wandb", "tracker.mode=1"], "tracker.mode = 1"),
        (["tracker=wandb", "tracker.run=1"], "tracker.run cannot be set"),
    ],
)
def test_mistakes_are_named(words, message):
    with pytest.raises(ValueError, match=message):
        compose(words)
