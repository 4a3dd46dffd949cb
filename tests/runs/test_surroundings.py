"""What a machine may lack: git, a home folder, a clock that goes forward, results that may be written to."""

import errno
import itertools
import os
import pwd
import shutil
import subprocess

import pandas as pd
import pytest
from crashes import Disk, crashing
from directories import Stopped, assert_same, numbers, stop_after
from files import ROOT

from fbgd.config.compose import compose
from fbgd.errors import EXPECTED, ConfigError, one_line
from fbgd.runs import provenance
from fbgd.runs.attempt import execute
from fbgd.studies.execution import check_folder
from scripts import compare, geiping_ladder, train

WORDS = ["data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10"]
MORE = ["budget.passes=3", "impl.threads=1", "impl.checkpoint_seconds=0", "impl.blocks_per_call=1"]
CONFIG = compose([*WORDS, *MORE])


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run on a machine that lacks nothing."""
    path = tmp_path_factory.mktemp("straight")
    execute(CONFIG, path)
    return path


def test_without_git(tmp_path, straight, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(provenance, "git_revision", provenance.git_revision.__wrapped__)
    assert execute(CONFIG, tmp_path / "run")["git_revision"] == "unknown"
    assert_same(numbers(straight), numbers(tmp_path / "run"))


@pytest.fixture
def homeless(monkeypatch):
    """Neither HOME nor an entry for the user in the system's list, as in some containers."""

    def unknown(uid):
        raise KeyError(uid)

    for name in ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_without_a_home(tmp_path, straight, homeless):
    execute(CONFIG, tmp_path / "run")
    assert_same(numbers(straight), numbers(tmp_path / "run"))


@pytest.mark.parametrize(
    "words",
    [
        ["data=fashion_mnist", "data.source.folder='~/data'"],
        ["data=cifar10"],
        ["data=cifar10", "data.source.folder='~/data'"],
        ["data=csv", "data.source.path='~/data.csv'", "data.source.target=a"],
        ["data=array_file", "data.source.path='~/data.npz'"],
        ["data=text", "data.source.path='~/data.txt'"],
        ["impl.module_path=['~/modules']"],
    ],
    ids=lambda words: words[-1],
)
def test_without_a_home_a_path_below_it_is_said_in_one_line(tmp_path, homeless, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert train.main([*words, "model=mlp", "model.width=3", *MORE, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("step", [-1.0, -1e6, 0.0])
def test_a_clock_that_goes_backwards_changes_no_number(tmp_path, straight, monkeypatch, step):
    """No time decides anything but when a checkpoint is written, and how long things took."""
    for name in ("time", "perf_counter", "monotonic"):
        ticks = itertools.count(1e9, step)
        monkeypatch.setattr(f"time.{name}", lambda ticks=ticks: next(ticks))
    with pytest.raises(Stopped):
        execute(CONFIG, tmp_path / "run", stop_after(2))
    execute(CONFIG, tmp_path / "run")
    assert_same(numbers(straight), numbers(tmp_path / "run"))
    rows = [pd.read_csv(path / "metrics.csv").drop(columns="seconds") for path in (straight, tmp_path / "run")]
    pd.testing.assert_frame_equal(*rows, check_exact=True)


def refused(disk):
    """Any change of a file below a disk's root."""
    raise OSError(errno.EROFS, "Read-only file system", str(disk.root))


def test_results_that_may_only_be_read_are_read(straight, monkeypatch, capsys):
    with crashing(Disk(straight, on_point=refused), monkeypatch):
        assert compare.main([str(straight)]) == 0
        assert "straight" in capsys.readouterr().out
        # A finished run is not touched when it is asked for again.
        assert execute(CONFIG, straight)["status"] == "done"


def test_a_folder_that_may_only_be_read_is_said_before_any_work(tmp_path, monkeypatch, capsys):
    """Also to root, who may write anywhere but on a file system that is mounted to be read."""
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    monkeypatch.setattr("fbgd.studies.execution.launch", lambda *given: pytest.fail("it went to work"))
    with pytest.raises(ConfigError, match="is not writable; name another folder"):
        check_folder(tmp_path / "out")
    assert geiping_ladder.main(["--quick", "--out", str(tmp_path / "out")]) == 2
    assert "is not writable" in capsys.readouterr().err


def test_a_run_that_may_not_be_written_ends_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    with crashing(Disk(tmp_path, on_point=refused), monkeypatch), pytest.raises(EXPECTED) as caught:
        execute(CONFIG, tmp_path / "run")
    assert "Read-only file system" in one_line(caught.value)
    assert str(tmp_path) in one_line(caught.value)


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_other_pythons_read_the_code_without_a_warning(version, tmp_path):
    """They compile it; `make test-versions` runs the tests with them, where torch is to be had for them."""
    python = shutil.which(f"python{version}")
    code = "import pathlib, sys\nfor path in sys.argv[1:]: compile(pathlib.Path(path).read_bytes(), path, 'exec')"
    # Where pyenv has several, it gives the one that is asked for.
    environment = os.environ | {"PYENV_VERSION": version}
    if python is None or subprocess.run([python, "-c", ""], env=environment, capture_output=True).returncode:
        pytest.skip(f"python{version} is not here")
    files = [path for name in ("fbgd", "optimizers", "regularizers", "scripts") for path in (ROOT / name).rglob("*.py")]
    assert len(files) > 150
    command = [python, "-W", "error", "-c", code, *map(str, files)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
