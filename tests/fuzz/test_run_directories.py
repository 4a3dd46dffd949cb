"""Run directories with damage, and files of other runs in them: the same numbers at the end, or one line."""

import shutil

import pandas as pd
import pytest
from directories import Stopped, assert_same, numbers, stop_after
from fuzzing import Refused, attempt, damaged, damages
from hypothesis import given
from hypothesis import strategies as st

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.report.sources import find
from fbgd.runs.attempt import execute
from fbgd.runs.lock import read_holder

WORDS = ["data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10"]
MORE = ["budget.passes=3", "impl.threads=1", "impl.checkpoint_seconds=0", "impl.blocks_per_call=1"]
CONFIG, OTHER = compose([*WORDS, *MORE]), compose([*WORDS, *MORE, "optimizer.lr=0.2", "seed=1"])
FILES = [
    "config.yaml",
    "metrics.csv",
    "checkpoint.pt",
    "checkpoint.previous.pt",
    "summary.json",
    ".plan.json",
    ".holder",
]


class Runs:
    """A finished run, one that was cut off, and a finished one of another experiment."""

    def __init__(self, root):
        self.root, self.finished, self.begun, self.other = root, root / "finished", root / "begun", root / "other"
        execute(CONFIG, self.finished)
        execute(OTHER, self.other)
        with pytest.raises(Stopped):
            execute(CONFIG, self.begun, stop_after(3))
        self.straight = numbers(self.finished)
        self.scores = self.scores_of(self.finished)

    def scores_of(self, path):
        """What a table shows of a run."""
        return find(path)[0].runs[["status", "test_accuracy", "test_loss", "loss", "gradient_evaluations", "identity"]]

    def __repr__(self):
        return "Runs"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("runs"))


changes = st.lists(
    st.tuples(
        st.sampled_from(FILES), damages | st.sampled_from(["remove", "of the other", "of the cut off", "folder"])
    ),
    min_size=1,
    max_size=3,
)


def apply(runs, folder, change):
    """Damage a file, remove it, or put another run's or a folder in its place."""
    name, what = change
    path = folder / name
    if what == "remove" or (isinstance(what, list) and not path.exists()):
        path.unlink(missing_ok=True)
    elif what == "folder":
        path.unlink(missing_ok=True)
        path.mkdir()
    elif isinstance(what, list):
        path.write_bytes(damaged(path.read_bytes(), what))
    elif (source := (runs.other if what == "of the other" else runs.begun) / name).exists():
        shutil.copy(source, path)


def contents(folder):
    """All files but the lock's."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.name[1:] not in ("lock", "holder")
    }


@given(begun=st.booleans(), changes=changes)
def test_damaged_run_directories(runs, begun, changes):
    folder = runs.root / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(runs.begun if begun else runs.finished, folder)
    for name, change in dict(changes).items():
        apply(runs, folder, (name, change))
    before = contents(folder)
    # Read first: a table shows the true numbers, or none.
    found = attempt("run directories, read", lambda: runs.scores_of(folder), (ConfigError,), says=str(folder))
    if not isinstance(found, Refused) and found["status"][0] == "done":
        assert found.equals(runs.scores) or found.equals(runs.scores_of(runs.other))
    read_holder(folder / ".holder")
    assert contents(folder) == before
    said = []
    done = attempt(
        "run directories, resumed",
        lambda: execute(CONFIG, folder, warn=said.append),
        (ConfigError, OSError),
        str(folder),
    )
    for line in said:
        assert line.strip()
        assert "\n" not in line
    if isinstance(done, Refused):
        # Another experiment's: nothing of it is touched. Or a folder in the place of a file.
        assert contents(folder) == before or any(change == "folder" for _, change in changes)
        return
    if said or "summary.json" not in before:
        assert_same(runs.straight, numbers(folder))
    rows = [pd.read_csv(path / "metrics.csv").drop(columns="seconds") for path in (folder, runs.finished)]
    pd.testing.assert_frame_equal(*rows)
    pd.testing.assert_frame_equal(runs.scores_of(folder), runs.scores)
