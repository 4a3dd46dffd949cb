"""Who holds a folder, and what becomes of the lock of a process that is gone."""

import json
import os
import socket
import subprocess
import sys

import pytest
from filelock import FileLock

from fbgd.runs import lock, processes
from fbgd.runs.lock import held


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.01)
    monkeypatch.setattr(lock, "AGAIN_SECONDS", 0.01)


def ended():
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def holder(**changes):
    """What this process would say that it holds, changed."""
    own = {"pid": os.getpid(), "born": processes.born(os.getpid()), "since": "2026-01-01T10:00:00"}
    return own | {"host": socket.gethostname(), "system": processes.system()} | changes


def test_the_holder_is_named_while_it_holds_and_no_longer(tmp_path):
    with held(tmp_path, "works"):
        said = json.loads((tmp_path / ".holder").read_text())
        assert (said["pid"], said["host"]) == (os.getpid(), socket.gethostname())
        with pytest.raises(TimeoutError, match=rf"another process works \(process {os.getpid()} on .* since 20"):
            lock_again(tmp_path)
    assert not (tmp_path / ".holder").exists()
    lock_again(tmp_path)


def lock_again(folder):
    with held(folder, "works"):
        pass


@pytest.mark.parametrize("gone", [{"pid": None}, {"born": "1"}], ids=["ended", "its number belongs to another"])
def test_the_lock_of_a_process_that_is_gone_is_broken(tmp_path, gone):
    gone = gone if "born" in gone else {"pid": ended()}
    (tmp_path / ".holder").write_text(json.dumps(holder(**gone)))
    with FileLock(tmp_path / ".lock"), held(tmp_path, "works"):
        assert json.loads((tmp_path / ".holder").read_text())["pid"] == os.getpid()
        # It is a whole lock: nobody else gets it.
        with pytest.raises(TimeoutError):
            lock_again(tmp_path)


@pytest.mark.parametrize("said", [holder(), holder(pid=1, born="1", system="another computer"), [], "no JSON"])
def test_any_other_lock_is_respected(tmp_path, said):
    (tmp_path / ".holder").write_text(said if isinstance(said, str) else json.dumps(said))
    with FileLock(tmp_path / ".lock"), pytest.raises(TimeoutError, match="another process works"):
        lock_again(tmp_path)


def test_a_process_is_known_by_number_and_start():
    assert processes.born(os.getpid()) == processes.born(os.getpid())
    assert processes.born(ended()) is None
    with subprocess.Popen(["true"]) as child:
        # Ended, but not waited for: it holds nothing any more.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.born(child.pid) is None


def test_without_proc_the_start_is_asked_of_ps():
    assert processes.born_by_ps(os.getpid()) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are given to another process at once on Linux")
def test_an_orphan_ends_before_it_loads_anything(tmp_path):
    """Its study was gone before it could ask for its parent: what it was told counts."""
    environment = os.environ | {processes.PARENT: str(ended())}
    command = [sys.executable, "-P", "-X", "importtime", "-m", "fbgd.runs.worker", str(tmp_path / "run")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "fbgd.runs.processes" in result.stderr
    assert "torch" not in result.stderr
    assert not (tmp_path / "run").exists()
