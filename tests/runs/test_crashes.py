"""A whole study that crashes at every single change of a file, and ends in the same files when it is called again."""

import hashlib
import io
import os
import shutil
from collections import Counter
from contextlib import suppress

import pytest
import torch
from crashes import Crash, Disk, crashing
from directories import equal
from inprocess import run_here

from fbgd.runs import directory
from fbgd.studies.arguments import make_parser
from fbgd.studies.command import execute
from fbgd.studies.study_content import make_study

WORDS = ["data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10"]
CONTENT = {
    "words": [*WORDS, "budget.passes=2", "impl.threads=1", "impl.checkpoint_seconds=0", "impl.blocks_per_call=1"],
    "rungs": {"SGD": [], "full batch": ["regime=full_batch"]},
    "seeds": 1,
    "figures": [],
    "claims": [{"name": "lower", "sentence": "It is lower.", "left": "full batch", "right": "SGD", "rule": "lower"}],
}
STUDY = make_study("crashing", CONTENT)
# Changes of files by the study: two runs of two passes, and its page. Who adds one adds it here.
CHANGES = {"mkdir": 6, "open": 21, "write": 24, "fsync": 42, "replace": 23, "unlink": 5}
# Points before, within and after them; different folders that a kill leaves, and a power cut beside them.
POINTS, STATES, CUT_STATES = 243, 100, 125


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch, in_process):
    """So that equal runs have equal files."""
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)


def called(out):
    """The study's command in the folder ``out``."""
    arguments = make_parser([STUDY], "").parse_args(["--out", str(out), "--workers", "1"])
    return execute(STUDY, arguments, quiet=True)


def files_of(folder):
    """All files below a folder but locks, and what says whose they were: the next holder writes it anew."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", ".holder")
    }


def fingerprint(folder):
    """What a folder holds, all hidden files included; a holder says when it was, which differs."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        if path.is_file() and path.name != ".holder":
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def files_agree(folder, expected):
    """Byte for byte; checkpoints, whose bytes depend on what was read and what was computed, by what they hold."""
    found = files_of(folder)
    assert found.keys() == expected.keys()
    for name, content in expected.items():
        if name.endswith(".pt"):
            states = [torch.load(io.BytesIO(each), weights_only=True) for each in (found[name], content)]
            assert equal(*states), name
        else:
            assert found[name] == content, name


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """One whole call: what it wrote, its points, and the different folders that a crash leaves at one of them."""
    root = tmp_path_factory.mktemp("crashing")
    (root / "straight").mkdir()
    killed, cut = {}, {}

    def look(disk):
        for lost in (None, *range(len(disk.undo) + 1)):
            state = disk.copy(root / "state", lost)
            key = fingerprint(state)
            if key in killed or key in cut:
                shutil.rmtree(state)
            else:
                (killed if lost is None else cut)[key] = state.rename(root / f"{len(killed) + len(cut)}")

    disk = Disk(root / "straight", on_point=look)
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        patch.setattr("time.perf_counter", lambda: 0.0)
        with crashing(disk, patch):
            assert called(root / "straight" / "out") == 0
    return files_of(root / "straight"), disk.points, killed, cut


def resumes(states, expected, tmp_path):
    """Every state, called again, ends as the call that nothing befell."""
    for state in states.values():
        shutil.copytree(state, tmp_path / "again")
        assert called(tmp_path / "again" / "out") == 0
        files_agree(tmp_path / "again", expected)
        shutil.rmtree(tmp_path / "again")


def test_every_change_is_a_point(recorded):
    """A write that went past the disk would be missing here."""
    files, points, killed, _ = recorded
    assert Counter(point.split()[1] for point in points if point.startswith("before")) == CHANGES
    assert Counter(point.split()[1] for point in points if point.startswith("within")) == {"write": CHANGES["write"]}
    assert len(points) == POINTS
    assert len(killed) == STATES
    written = {point.split()[2] for point in points if point.startswith("after replace")}
    assert {name.split("/")[-1] for name in files} <= written


@pytest.mark.slow
def test_a_study_that_is_killed_at_any_point_ends_in_the_same_files(recorded, tmp_path):
    expected, _, killed, _ = recorded
    resumes(killed, expected, tmp_path)


@pytest.mark.slow
def test_a_study_whose_power_fails_at_any_point_ends_in_the_same_files(recorded, tmp_path):
    expected, _, _, cut = recorded
    assert len(cut) == CUT_STATES
    resumes(cut, expected, tmp_path)


@pytest.mark.slow
def test_nothing_catches_a_crash_and_nothing_is_written_after_it(recorded, tmp_path, monkeypatch):
    _, points, killed, _ = recorded
    for at, point in enumerate(points):
        # The next point, before another change, is the same.
        if point.startswith("after"):
            continue
        root = tmp_path / str(at)
        root.mkdir()
        with crashing(Disk(root, at), monkeypatch), pytest.raises(Crash):
            called(root / "out")
        assert fingerprint(root) in killed, point
        shutil.rmtree(root)


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_point_stops_the_study_or_nothing(recorded, tmp_path, monkeypatch):
    """The error is said, the lock is free again, and the same command goes on when there is room."""
    expected, points, _, _ = recorded
    for at, point in enumerate(points):
        if not point.startswith(("before write", "before fsync", "before replace")):
            continue

        def full(disk, at=at):
            if len(disk.points) - 1 == at:
                raise OSError(28, "No space left on device")

        root = tmp_path / str(at)
        root.mkdir()
        with crashing(Disk(root, on_point=full), monkeypatch), suppress(OSError):
            assert called(root / "out") == 0
        assert not list(root.rglob(".holder")), point
        assert called(root / "out") == 0
        files_agree(root, expected)
        shutil.rmtree(root)


def test_the_disk_loses_what_was_not_brought_to_it(tmp_path, monkeypatch):
    """A write that forgets ``fsync`` of the file, or of the folder, loses content or name with the power."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"old")

    def left(disk, lost):
        copy = disk.copy(tmp_path / "copy", lost)
        content = {path.name: path.read_bytes() for path in copy.iterdir()}
        shutil.rmtree(copy)
        return content

    disk = Disk(root)
    with crashing(disk, monkeypatch):
        with directory.open(root / ".a.1", "wb") as file:
            file.write(b"new!")
        assert left(disk, None) == {"a": b"old", ".a.1": b"new!"}
        assert left(disk, 0) == {"a": b"old", ".a.1": b"ne"}
        os.replace(root / ".a.1", root / "a")
        assert left(disk, None) == {"a": b"new!"}
        assert left(disk, 0) == {"a": b"ne"}
        assert left(disk, 1)["a"] == b"old"
        directory.write_atomically(root / "a", "newer")
    assert left(disk, None) == left(disk, 0) == {"a": b"newer"}
    assert disk.undo == []
    with crashing(Disk(root, at=3), monkeypatch), pytest.raises(Crash):
        directory.write_atomically(root / "a", "newest")
    assert (root / "a").read_bytes() == b"newer"
