"""Workers that are stopped, hang, are killed or take too long: noticed, tried once more, reported."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest

from fbgd.runs import worker_process
from fbgd.runs.directory import RunDirectory
from fbgd.runs.launch import Launcher, launch, start_ahead
from fbgd.runs.plan import Rung, collect, plan
from fbgd.runs.worker_process import HUNG_SECONDS, SILENT_SECONDS, Failure, Pulse, Worker, end

TINY = ("data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10")


def pass_time(pulse, seconds, message=None, step=1.0):
    """Let time go by, with a message every second; returns what is wrong in the end, and when."""
    for second in range(int(seconds / step)):
        if message is not None:
            pulse.heard(message(second))
        if (failure := pulse.wait(step)) is not None:
            return failure, second
    return None, seconds


class TestPulse:
    def test_silence(self):
        failure, when = pass_time(Pulse(), 10 * SILENT_SECONDS)
        assert "stopped" in failure.reason
        assert failure.again
        assert SILENT_SECONDS - 1 <= when <= SILENT_SECONDS + 1

    def test_alive_without_step_and_work(self):
        failure, when = pass_time(Pulse(), 10 * HUNG_SECONDS, lambda second: {"alive": 7, "busy": 3 + second / 1e4})
        assert "hung" in failure.reason
        assert failure.again
        assert HUNG_SECONDS - 1 <= when <= HUNG_SECONDS + 2

    @pytest.mark.parametrize(
        "message",
        [
            lambda second: {"alive": 7, "busy": second / 2},
            lambda second: {"alive": second // 500, "busy": 0.0},
            lambda second: {"run": 0, "row": {"step": second}, "steps": 9} if second % 100 == 0 else {"alive": 1},
        ],
        ids=["a long step", "steps that wait for a device", "rows"],
    )
    def test_whoever_works_is_left_alone(self, message):
        assert pass_time(Pulse(), 10 * HUNG_SECONDS, message)[0] is None

    def test_a_study_that_was_itself_stopped_finds_its_workers_as_they_were(self):
        pulse = Pulse(limit=3600)
        assert pulse.wait(1e6) is None
        pulse.heard({"alive": 1, "busy": 1.0})
        assert pulse.wait(1) is None

    def test_the_limit_is_no_reason_to_try_again(self):
        failure, when = pass_time(Pulse(limit=30), 100, lambda second: {"alive": second, "busy": second})
        assert failure.reason.startswith("reached --run-limit 30 seconds")
        assert not failure.again
        assert 29 <= when <= 31


class Scripted:
    """A worker whose jobs end as they are told to."""

    ends: ClassVar[list] = []
    made: ClassVar[list] = []
    told: ClassVar[list] = []

    def __init__(self, threads, device=None):
        self.made.append(self)
        self.device, self.closed = device, False

    def execute(self, job, on_message, limit=None):
        return self.ends.pop(0) if self.ends else None

    def dismiss(self):
        self.told.append("dismissed")

    def close(self):
        self.told.append("closed")
        self.closed = True


class Quiet:
    """What shows nothing, and remembers what was said."""

    def __init__(self):
        self.said, self.ended = [], []

    def started(self, run):
        pass

    def finished(self, run, succeeded):
        self.ended.append(succeeded)

    def say(self, text, style=None):
        self.said.append(text)


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """A launcher of two such workers, and a run."""
    monkeypatch.setattr("fbgd.runs.launch.Worker", Scripted)
    Scripted.made, Scripted.ends, Scripted.told = [], [], []
    return Launcher(2, Quiet(), []), plan([Rung("plain", TINY)], [], 1, tmp_path)


KILLED = Failure("no message\nexit status -9: no message\n", again=True, killed=True)


@pytest.mark.parametrize(
    ("seeds", "workers", "waiting", "together", "expected"),
    [(3, 2, 0, "false", 2), (1, 2, 0, "false", 1), (3, 2, 1, "false", 2), (3, 2, 3, "false", 3), (3, 2, 0, "true", 1)],
    ids=["no more than workers", "no more than jobs", "those that wait", "more that wait", "seeds together"],
)
def test_as_many_workers_start_ahead_as_there_are_jobs(scripted, tmp_path, seeds, workers, waiting, together, expected):
    idle = [Scripted(1) for _ in range(waiting)]
    words = [f"impl.seeds_together={together}", "regime=full_batch"]
    start_ahead(idle, plan([Rung("plain", TINY)], words, range(seeds), tmp_path), workers)
    assert len(idle) == expected


def test_none_starts_for_runs_that_are_done(scripted, monkeypatch):
    monkeypatch.setattr("fbgd.runs.plan.PlannedRun.done", True)
    idle = []
    start_ahead(idle, scripted[1], 2)
    assert idle == []


def test_no_worker_waits_for_another_to_end(scripted):
    idle = [Scripted(1), Scripted(1)]
    end(idle)
    assert Scripted.told == ["dismissed", "dismissed", "closed", "closed"]
    assert idle == []


def test_a_worker_without_a_job_is_not_waited_for(tmp_path):
    """It loads PyTorch for seconds, for nothing; one that has had a job may still be writing."""
    worker = Worker(1)
    end([worker])
    assert worker.process.returncode == -signal.SIGKILL
    worker = Worker(1)
    worker.execute([], lambda message: None)
    end([worker])
    assert worker.process.returncode == 0


def test_a_killed_worker_s_job_is_tried_once_more_beside_fewer(scripted):
    launcher, planned = scripted
    Scripted.ends = [KILLED]
    launcher.run(planned)
    assert launcher.display.ended == [True]
    assert "tried once more" in launcher.display.said[0]
    assert launcher.slots == 1
    assert [worker.closed for worker in Scripted.made] == [True, False]
    assert not RunDirectory(planned[0].path).error.exists()


def test_killed_twice_it_is_reported(scripted):
    launcher, planned = scripted
    Scripted.ends = [KILLED, KILLED, None]
    launcher.run(planned)
    assert launcher.display.ended == [False]
    assert collect(planned)["error"][0] == "exit status -9: no message"
    assert Scripted.ends == [None]


def test_a_run_that_fails_by_itself_is_not_tried_again(scripted):
    launcher, planned = scripted
    Scripted.ends = [Failure("ValueError: no\n"), None]
    launcher.run(planned)
    assert collect(planned)["error"][0] == "ValueError: no"
    assert Scripted.ends == [None]


def test_a_failure_that_cannot_be_written_does_not_stop_the_study(scripted, monkeypatch):
    launcher, planned = scripted
    Scripted.ends = [Failure("OSError: no space left on device\n")]

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fbgd.runs.launch.write_atomically", full)
    launcher.run(planned)
    assert launcher.display.ended == [False]


def workers():
    """The workers that this process has started and that are still there; it may have other children."""
    lists = Path("/proc/self/task").glob("*/children")
    numbers = [int(word) for file in lists for word in file.read_text().split()]
    return [number for number in numbers if b"fbgd.runs.worker" in Path(f"/proc/{number}/cmdline").read_bytes()]


def wait_for(condition, seconds=120):
    """Poll until something is the case."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came"
        # Not a fixed time: the processor is left to the workers between two looks.
        time.sleep(0.05)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_a_run_survives_what_befalls_its_worker(tmp_path, monkeypatch, number):
    """Killed, stopped or asked to end from outside, in the middle: its result is that of a run left alone."""
    monkeypatch.setattr(worker_process, "SILENT_SECONDS", 30.0)
    monkeypatch.setattr(worker_process, "GRACE_SECONDS", 1.0)
    rungs = [Rung("plain", (*TINY, "budget.passes=100", "impl.checkpoint_seconds=0", "impl.threads=1"))]
    straight = plan(rungs, [], 1, tmp_path / "straight")
    launch(straight, 1)
    cut = plan(rungs, [], 1, tmp_path / "cut")
    started = threading.Thread(target=launch, args=(cut, 1))
    # Not in the thread of the test, which sends the signal.
    started.start()
    wait_for(RunDirectory(cut[0].path).checkpoint.exists)
    (child,) = workers()
    os.kill(child, number)
    started.join(300)
    assert not started.is_alive()
    assert not RunDirectory(cut[0].path).error.exists()
    results = [RunDirectory(run.path).read_summary()["test_loss"] for run in (cut[0], straight[0])]
    assert results[0] == results[1]


@pytest.mark.slow
def test_a_run_limit_leaves_a_checkpoint_and_says_so(tmp_path):
    endless = Rung("endless", (*TINY, "budget.passes=1000000", "impl.checkpoint_seconds=1000", "impl.threads=1"))
    planned = plan([endless], [], 1, tmp_path)
    launch(planned, 1, limit=45.0)
    assert collect(planned)["error"][0].startswith("reached --run-limit 45 seconds")
    assert RunDirectory(planned[0].path).read_checkpoint(pytest.fail)["progress"]["step"] > 0
