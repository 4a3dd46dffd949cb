"""Whatever is wrong with a command, a file or the machine ends in one line that names it, before any work."""

import gzip
import io
import math
import os
import struct
import sys
import tarfile

import pytest
import torch
from files import idx, write_fashion_mnist

from fbgd.config.compose import compose
from fbgd.data import files
from fbgd.data.fashion_mnist import fashion_mnist
from fbgd.data.files import DataError, read_member, read_plain_or_gzip
from fbgd.data.mnist1d import mnist1d
from fbgd.errors import ConfigError, one_line
from fbgd.report.formats import printable
from fbgd.studies.command import reported
from fbgd.studies.execution import check_folder
from scripts import geiping_ladder, train

TINY = ["data.source.train=30", "data.source.test=10", "model=mlp", "regime.block_size=10", "budget.passes=1"]


def no_training(*arguments, **options):
    pytest.fail("it went to work")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--only", ""], "--only '' names nothing"),
        (["--seeds", "-1"], "--seeds = -1 must be at least 1"),
        (["--seeds", "1000000000"], "--seeds = 1000000000 must be at most 10,000"),
        (["--quick", "--out", "FILE"], "FILE is a file; name a folder"),
        (["--quick", "--out", "FILE/below"], "FILE is a file; name a folder"),
        (["seed=3"], "choose how many with --seeds N"),
    ],
)
def test_a_study_refuses_before_it_works(tmp_path, capsys, monkeypatch, words, problem):
    monkeypatch.setattr("fbgd.studies.execution.launch", no_training)
    monkeypatch.setattr("fbgd.studies.execution.make_data", no_training)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    assert geiping_ladder.main([word.replace("FILE", str(file)) for word in words]) == 2
    error = capsys.readouterr().err
    assert problem.replace("FILE", str(file)) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["schedule._target_=99999"], "schedule._target_ = 99999"),
        (["model._target_=...."], "model._target_ = '....'"),
        (["optimizer.nesterov=json.loads"], "optimizer.nesterov = 'json.loads' is not what optimizers.SGD takes"),
        (["optimizer.lr=false"], "optimizer.lr = False is not what optimizers.SGD takes"),
        (["budget.passes=1e300"], "budget.passes = 1e+300 is outside the valid range"),
        (["data.source.train=10000000000", "data.source.test=10"], "needs 20,000 GB"),
        ([*TINY, "--out", "FILE"], "File exists"),
        ([*TINY, "--out", "FILE/below"], "Not a directory"),
    ],
)
def test_a_run_refuses_before_it_works(tmp_path, capsys, monkeypatch, words, problem):
    monkeypatch.setattr("fbgd.runs.attempt.train_members", no_training)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    assert train.main([word.replace("FILE", str(file)) for word in words]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="is not writable"):
        check_folder(tmp_path / "out")


def test_a_folder_that_is_not_there_yet_is_made(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "runs.csv"), "runs.csv: No space left on device"),
        (PermissionError(13, "Permission denied", b"\xff"), "\ufffd: Permission denied"),
        (TimeoutError("another process"), "another process"),
        (MemoryError(), "not enough memory: choose a smaller model, batch or data set"),
        (ValueError(), "ValueError"),
    ],
)
def test_errors_of_the_machine_name_the_file_first(capsys, error, line):
    def fail():
        raise error

    assert one_line(error) == line
    assert reported(fail) == 2
    assert capsys.readouterr().err == f"error: {line}\n"


def test_what_does_not_fit_into_memory_is_said_of_its_key(monkeypatch):
    def too_large(*arguments, **options):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 16 bytes")

    monkeypatch.setattr("optimizers.SGD.__init__", too_large)
    from fbgd.config.targets import build_target

    with pytest.raises(ConfigError, match=r"optimizer \(optimizers.SGD\) does not fit into memory"):
        build_target("optimizer", {"_target_": "optimizers.SGD", "lr": 0.1}, [torch.zeros(1)])


def test_more_samples_than_any_memory_holds():
    with pytest.raises(ValueError, match="needs 20,000 GB"):
        mnist1d(train=10_000_000_000, test=10)


def test_a_bomb_is_unpacked_only_so_far(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 1000)
    (tmp_path / "data.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    with pytest.raises(DataError, match="unpacks into more than"):
        read_plain_or_gzip(tmp_path / "data", "fetch it")
    with tarfile.open(tmp_path / "data.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("member")
        info.size = 5000
        tar.addfile(info, io.BytesIO(bytes(5000)))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    with pytest.raises(DataError, match="unpacks into more than"):
        read_member(tmp_path, "data.tar.gz", "member", "fetch it")
    with pytest.raises(DataError, match="folder is no file in it"):
        read_member(tmp_path, "data.tar.gz", "folder", "fetch it")
    (tmp_path / "member").mkdir()
    with pytest.raises(DataError, match="unpacks into more than"):
        read_member(tmp_path, "data.tar.gz", "member", "fetch it")


def header(*shape):
    """The header of an IDX file of this shape."""
    return b"\x00\x00\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize(
    "content",
    [
        # Sizes whose product is 4 or 0 in 64 bits.
        header(2**31, 2**31, 2**31) + bytes(4),
        header(*[2**16] * 4) + b"",
        header(4, 2) + bytes(8),
        header(40) + bytes([200] * 40),
        b"\x00\x00\x08\xff",
    ],
    ids=["wraps", "wraps to nothing", "two axes", "labels of no class", "cut"],
)
def test_headers_and_labels_that_lie(tmp_path, content):
    assert math.prod([2**16] * 4) % 2**64 == 0
    folder = write_fashion_mnist(tmp_path, packed=False)
    (folder / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(DataError) as caught:
        fashion_mnist(str(folder), verify=False)
    assert str(folder) in str(caught.value)
    assert "To mend it" in str(caught.value)


def test_true_headers_are_read(tmp_path):
    folder = write_fashion_mnist(tmp_path, packed=False)
    assert len(fashion_mnist(str(folder), verify=False).train_inputs) == 40
    assert idx(torch.zeros(2, 3, dtype=torch.uint8).numpy())[:4] == header(2, 3)[:4]


@pytest.mark.parametrize(
    ("encoding", "shown"), [("latin-1", "90 ± 1, ?3"), ("ascii", "90 ? 1, ?3"), ("utf-8", "90 ± 1, −3")]
)
def test_tables_on_a_narrow_terminal(monkeypatch, encoding, shown):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert printable("90 ± 1, −3") == shown


def test_a_budget_has_an_end():
    with pytest.raises(ConfigError, match=r"budget\.passes"):
        compose(["budget.passes=20000000"])
