"""Asked to stop, a run saves a checkpoint at its next step and goes on later as if nothing had been."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from directories import assert_same, numbers

from fbgd.config.compose import compose
from fbgd.engine import train as loop
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.processes import PARENT
from fbgd.runs.signals import Interrupted, StopRequest, exit_status, heard_by
from fbgd.runs.together import execute_together
from fbgd.studies.arguments import duration
from fbgd.studies.command import reported

WORDS = ["data.source.train=60", "data.source.test=20", "model=mlp", "model.width=3", "regime.block_size=8"]
SGD = [*WORDS, "budget.passes=4", "record.every=1", "record.evaluate_every=2", "impl.threads=1"]
RICH = [*SGD, "optimizer=adamw", "regularizer=[gradient_clipping,ema]", "data.augment=random", "model.width=4"]
FULL_BATCH = [*SGD, "regime=full_batch", "regime.block_size=8", "optimizer=adamw"]


class StopAt(StopRequest):
    """A signal arrives during the step before so many."""

    def __init__(self, steps):
        super().__init__()
        self.at = steps

    def __call__(self):
        if self.steps == self.at:
            self.stepping = True
            self.hear(signal.SIGTERM)
        return super().__call__()


@pytest.mark.parametrize("words", [SGD, RICH, FULL_BATCH], ids=["SGD", "rich", "full batch"])
def test_every_step_is_a_place_to_stop_at(tmp_path, words):
    """Stopped again and again, in the middle of what a row is the mean of, it ends in the same bits."""
    config = compose(words)
    execute(config, tmp_path / "straight")
    stops = 0
    for steps in (1, 2, 3, 5, 1, 7, 1, 100):
        try:
            execute(config, tmp_path / "cut", stop=StopAt(steps))
        except Interrupted as interruption:
            stops += 1
            assert exit_status(interruption) == 143
            state = RunDirectory(tmp_path / "cut").read_checkpoint(pytest.fail)
            assert state["progress"]["step"] > 0
            assert RunDirectory(tmp_path / "cut").read_summary() is None
    assert stops >= 2
    assert_same(numbers(tmp_path / "straight"), numbers(tmp_path / "cut"))


def test_runs_that_are_trained_together_stop_together(tmp_path):
    configs = [compose([*SGD, f"seed={seed}"]) for seed in (0, 1)]

    def run(folder, stop=None):
        paths = [tmp_path / folder / str(seed) for seed in (0, 1)]
        execute_together(configs, paths, stop=stop)
        return paths

    straight = run("straight")
    for steps in (3, 9):
        with pytest.raises(Interrupted):
            run("cut", StopAt(steps))
    for left, right in zip(straight, run("cut"), strict=True):
        assert_same(numbers(left), numbers(right))
        assert RunDirectory(right).read_summary()["together"] == 2


def test_asked_before_its_first_step_it_leaves_no_checkpoint(tmp_path):
    with pytest.raises(Interrupted):
        execute(compose(SGD), tmp_path, stop=StopAt(0))
    assert not RunDirectory(tmp_path).checkpoint.exists()


def test_a_signal_at_the_last_step_changes_nothing(tmp_path):
    stop = StopRequest()

    def on_row(row, steps):
        if row["step"] == steps:
            stop.hear(signal.SIGTERM)

    assert execute(compose(SGD), tmp_path, on_row, stop=stop)["status"] == "done"


def test_signals_wait_for_the_step_and_for_nothing_else():
    stop = StopRequest()
    with pytest.raises(Interrupted, match="SIGTERM"):
        stop.hear(signal.SIGTERM)
    stop = StopRequest()
    assert not stop()
    stop.hear(signal.SIGINT)
    assert stop()
    # A second one is impatience.
    with pytest.raises(Interrupted) as caught:
        stop.hear(signal.SIGINT)
    assert exit_status(caught.value) == 130
    patient = StopRequest(patient=True)
    patient()
    patient.hear(signal.SIGTERM)
    patient.hear(signal.SIGTERM)
    with pytest.raises(Interrupted):
        patient.check()


def test_handlers_are_put_back_and_other_threads_have_none():
    before = signal.getsignal(signal.SIGTERM)
    with heard_by(StopRequest().hear):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    seen = []

    def elsewhere():
        with heard_by(pytest.fail):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted_while_planning_ends_in_one_line(capsys, number, status):
    # Of a process in the background Ctrl-C may be ignored from its start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def plan():
        os.kill(os.getpid(), number)
        # The handler runs before the next line or soon after.
        threading.Event().wait(10)
        pytest.fail("nobody heard the signal")

    try:
        assert reported(plan) == status
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.strip().count("\n") == 0


@pytest.mark.parametrize("word", ["2", "h", "-1h", "0s", "1 h", "1w", ""])
def test_times_need_a_unit(word):
    with pytest.raises(Exception, match="is no time; write 90s, 30m, 2h or 1d"):
        duration(word)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_worker_saves_and_says_so(tmp_path, number, status):
    words = [*SGD, "impl.checkpoint_seconds=1000", "budget.passes=1000000"]
    command = [sys.executable, "-P", "-m", "fbgd.runs.worker", str(tmp_path), *words]
    environment = {key: value for key, value in os.environ.items() if key != PARENT}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        reached = json.loads(process.stdout.readline())["row"]["step"]
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert "goes on from the last checkpoint" in errors
    state = RunDirectory(tmp_path).read_checkpoint(pytest.fail)
    assert state["progress"]["step"] >= reached


def test_the_loop_by_itself_never_stops():
    assert loop.train_members.__defaults__[0]() is False
