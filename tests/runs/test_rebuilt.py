"""Files that can be made anew are made anew, from the checkpoint or from the runs, and nothing good is lost."""

import json
import shutil

import pandas as pd
import pytest
import torch
from directories import Stopped, assert_same, numbers, stop_after

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.report.description import read_description
from fbgd.runs import directory as files
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory, write_atomically
from fbgd.studies.writer import results_in

WORDS = ["data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10"]
CONFIG = compose([*WORDS, "budget.passes=5", "impl.threads=1", "impl.checkpoint_seconds=0"])
OTHER = compose([*WORDS, "budget.passes=5", "impl.threads=1", "impl.checkpoint_seconds=0", "optimizer.lr=0.2"])
GARBAGE = [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"null"]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run that nothing befell."""
    path = tmp_path_factory.mktemp("straight")
    execute(CONFIG, path)
    return path


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run that was cut off after three rows, not to be changed."""
    path = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(Stopped):
        execute(CONFIG, path, stop_after(4))
    return path


@pytest.fixture
def run(begun, tmp_path):
    """A copy of it."""
    return RunDirectory(shutil.copytree(begun, tmp_path / "run"))


def resumed(run):
    """Execute the run to its end; returns the passes that were computed, and what was said."""
    computed, said = [], []
    execute(CONFIG, run.path, lambda row, steps: computed.append(row["passes"]), said.append)
    return computed, said


@pytest.mark.parametrize("content", GARBAGE)
@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", ".plan.json"])
def test_a_damaged_file_is_made_anew(run, straight, name, content):
    (run.path / name).write_bytes(content)
    computed, said = resumed(run)
    assert computed == [5]
    assert len(said) == (name == "config.yaml")
    assert_same(numbers(straight), numbers(run.path))
    assert (run.path / "config.yaml").read_bytes() == (straight / "config.yaml").read_bytes()


def test_the_directory_of_another_experiment_is_known_by_its_checkpoint(run):
    run.config.write_text("{")
    before = run.checkpoint.read_bytes()
    with pytest.raises(ConfigError, match="holds another experiment"):
        execute(OTHER, run.path)
    assert run.checkpoint.read_bytes() == before


@pytest.mark.parametrize("content", GARBAGE)
def test_before_the_first_checkpoint_a_damaged_choice_is_made_again_and_said(run, content):
    run.checkpoint.unlink()
    run.previous.unlink()
    run.plan.write_bytes(content)
    computed, said = resumed(run)
    assert computed == [1, 2, 3, 4, 5]
    assert ".plan.json is damaged" in said[0]


def rewrite(path, change):
    """A checkpoint that loads, changed."""
    state = torch.load(path, weights_only=True)
    state = change(state)
    torch.save(state, path)


def without(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


def with_value(name, value):
    return lambda state: {**state, name: value}


WRONG = {
    "no model": without("model"),
    "no rows": with_value("rows", []),
    "other rows": with_value("rows", ["a"]),
    "a list": lambda state: [1],
    "another model": with_value("model", {"weight": torch.zeros(3)}),
    "no progress": with_value("progress", {"steps": 3}),
    "no optimizer": with_value("optimizer", {}),
    "another identity": with_value("identity", "0" * 64),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_checkpoint_gives_way_to_the_one_before_it(run, straight, wrong):
    rewrite(run.checkpoint, WRONG[wrong])
    good = run.previous.read_bytes()
    kept = []

    def on_row(row, steps):
        kept.append(run.previous.read_bytes() == good)

    said = []
    execute(CONFIG, run.path, on_row, said.append)
    assert len(said) == 1
    assert "the one before it" in said[0] or "the checkpoint before it" in said[0]
    # The wrong one has not taken the place of the good one.
    assert len(kept) == 2
    assert kept[0]
    assert_same(numbers(straight), numbers(run.path))


def test_every_write_names_its_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*table\.csv"):
        write_atomically(tmp_path / "table.csv", "a")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_what_was_saved_and_the_run_goes_on_when_there_is_room(run, straight, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            execute(CONFIG, run.path)
    computed, said = resumed(run)
    assert (computed, said) == ([5], [])
    assert_same(numbers(straight), numbers(run.path))


@pytest.mark.parametrize(
    "content", [*GARBAGE, b"{}", b'{"title": 5, "by": []}', b'{"title": "x", "by": "rung"}', b"[" * 100_000]
)
def test_a_damaged_study_json_is_said_and_stands_in_nobody_s_way(tmp_path, content):
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged: .*; run the study again") as caught:
        read_description(tmp_path / "study.json")
    assert "\n" not in str(caught.value)
    assert results_in(tmp_path) == 0


@pytest.mark.parametrize("name", ["runs.csv", "search.csv", "measurements.csv"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00"])
def test_damaged_tables_stand_in_nobody_s_way(tmp_path, name, content):
    (tmp_path / "study.json").write_text(json.dumps({"title": "x", "by": ["rung"]}))
    (tmp_path / name).write_bytes(content)
    assert results_in(tmp_path) == 0


def test_the_rows_of_a_resumed_run_are_there_at_once(run):
    run.metrics.unlink()
    with pytest.raises(Stopped):
        execute(CONFIG, run.path, stop_after(1))
    assert len(pd.read_csv(run.metrics)) >= 4
