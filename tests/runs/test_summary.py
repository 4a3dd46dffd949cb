"""A summary is believed when it has the form of one, is of this run, and matches its checksums."""

import json
import shutil

import pandas as pd
import pytest

from fbgd.config.compose import compose
from fbgd.report.sources import find
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.provenance import identity

WORDS = ["data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10"]
CONFIG = compose([*WORDS, "budget.passes=3", "impl.threads=1"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a finished run, not to be changed."""
    path = tmp_path_factory.mktemp("finished") / "run"
    execute(CONFIG, path)
    return path


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it."""
    return RunDirectory(shutil.copytree(finished, tmp_path / "run"))


def edit(run, sealed=True, **changes):
    """Change what the summary says, with or without the checksum that it has."""
    content = {**json.loads(run.summary.read_text()), **changes}
    if not sealed:
        del content["checksum"]
    run.summary.write_text(json.dumps(content))


def without_checkpoints(run):
    run.checkpoint.unlink()


DAMAGE = {
    "accuracy": (lambda run: edit(run, test_accuracy=0.99), "does not match its checksum"),
    "accuracy, as an earlier version": (lambda run: edit(run, False, test_accuracy=0.99), "goes with another metrics"),
    "identity": (lambda run: edit(run, identity="0" * 64), "does not match its checksum"),
    "identity, as an earlier version": (lambda run: edit(run, False, identity="0" * 64), "is of another experiment"),
    "a checksum of one's own": (lambda run: edit(run, checksum={}), "has no proper checksum"),
    "a list": (lambda run: run.summary.write_text("[]"), "holds no keys and values"),
    "nothing in it": (lambda run: run.summary.write_text("{}"), "has no proper status"),
    "cut": (lambda run: run.summary.write_text(run.summary.read_text()[:40]), "is not readable"),
    "empty": (lambda run: run.summary.write_text(""), "is not readable"),
    "no text": (lambda run: run.summary.write_bytes(b"\xff\xfe\x00"), "is not readable"),
    "deep": (lambda run: run.summary.write_text("[" * 100_000), "is not readable"),
    "status": (lambda run: edit(run, False, status="splendid"), "has the status 'splendid'"),
    "a text for a number": (lambda run: edit(run, False, test_accuracy="0.9"), "has no proper test_accuracy"),
    "more than all": (lambda run: edit(run, False, test_accuracy=1.5), "has no proper test_accuracy"),
    "rows": (lambda run: run.metrics.write_text("step,loss\n1,0.1\n"), "another metrics.csv"),
    "no rows": (lambda run: run.metrics.unlink(), "metrics.csv that is not readable"),
    "config": (lambda run: run.config.write_text(run.config.read_text() + "\n"), "another config.yaml"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_made_anew_from_the_checkpoint_and_said(run, finished, damage):
    spoil, problem = DAMAGE[damage]
    spoil(run)
    assert run.read_summary(identity(CONFIG)) is None
    said, trained = [], []
    summary = execute(CONFIG, run.path, lambda row, steps: trained.append(row), said.append)
    assert trained == []
    assert len(said) == 1
    assert problem in said[0]
    assert "made anew, from the checkpoint" in said[0]
    assert "\n" not in said[0]
    before = json.loads((finished / "summary.json").read_text())
    assert summary == {key: value for key, value in before.items() if key != "checksum"}
    for name in ("summary.json", "metrics.csv", "config.yaml"):
        assert (run.path / name).read_bytes() == (finished / name).read_bytes()


def test_without_a_checkpoint_it_is_trained_again(run, finished):
    edit(run, test_accuracy=0.99)
    without_checkpoints(run)
    said, trained = [], []
    summary = execute(CONFIG, run.path, lambda row, steps: trained.append(row), said.append)
    assert len(trained) == 3
    assert "from the beginning" in said[0]
    assert summary["test_accuracy"] == json.loads((finished / "summary.json").read_text())["test_accuracy"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_table_shows_none_of_it(run, damage):
    DAMAGE[damage][0](run)
    (source,) = find(run.path)
    row = source.runs.iloc[0]
    assert row["status"] == "failed"
    assert pd.isna(row["test_accuracy"])
    assert "summary.json" in row["error"]


def test_a_run_of_an_earlier_version_is_believed(run):
    edit(run, sealed=False)
    assert run.read_summary(identity(CONFIG)) is not None
    assert find(run.path)[0].runs["status"][0] == "done"
    assert execute(CONFIG, run.path, lambda row, steps: pytest.fail("trained again"), pytest.fail)["status"] == "done"


def test_the_checksum_is_no_part_of_the_summary(run):
    assert "checksum" not in run.read_summary()
