"""Long work without a terminal: a line now and then, with the time that is left."""

import pytest

from fbgd.config.compose import compose
from fbgd.runs import progress, study_progress
from fbgd.runs.attempt import execute
from fbgd.runs.heartbeat import Heartbeat
from fbgd.runs.plan import Rung, plan

TINY = ["data.source.train=40", "data.source.test=10", "model.width=2", "regime.block_size=10", "impl.threads=1"]


@pytest.fixture
def clock():
    """A clock that is set by hand."""
    seconds = [1000.0]

    def tell():
        return seconds[0]

    tell.set = lambda value: seconds.__setitem__(0, 1000.0 + value)
    return tell


def test_a_line_every_minute_with_what_is_left(clock):
    said = []
    heart = Heartbeat(said.append, every=60, clock=clock)
    for second, share in ((0, 0.0), (59, 0.1), (60, 0.25), (100, 0.5), (120, 0.5), (600, 1.0)):
        clock.set(second)
        heart.beat(share, f"at {second}")
    assert said == [
        "25 % after 1 min, about 3 min left: at 60",
        "50 % after 2 min, about 2 min left: at 120",
        "100 % after 10 min, about 0 s left: at 600",
    ]


def test_what_was_done_before_took_none_of_the_time(clock):
    said = []
    heart = Heartbeat(said.append, every=10, clock=clock)
    heart.beat(0.5, "")
    clock.set(10)
    heart.beat(0.5, "nothing yet")
    clock.set(20)
    heart.beat(0.75, "half of the rest")
    assert said == ["50 % after 10 s: nothing yet", "75 % after 20 s, about 20 s left: half of the rest"]


def test_a_study_without_a_terminal_says_how_far_it_is(tmp_path, monkeypatch, capsys, clock):
    monkeypatch.setattr(study_progress, "Heartbeat", lambda say, before: Heartbeat(say, 60, clock, before))
    rungs = [Rung("short", ("budget.passes=1",)), Rung("long", ("budget.passes=3", "optimizer.lr=1e30"))]
    planned = plan(rungs, TINY, 1, tmp_path)
    with study_progress.StudyProgress(planned, planned) as display:
        for run in planned:
            display.started(run)
            execute(run.config, run.path, lambda row, steps, run=run: display.advanced(run, row, steps))
            clock.set(90)
            display.finished(run, True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1 of 2: short, seed 0: loss")
    # One pass of four is done.
    assert lines[1] == "25 % after 2 min, about 4 min left: 1 of 2 runs ended"
    assert lines[2].startswith("2 of 2: long, seed 0: diverged (chance level: ")
    assert len(lines) == 3


def test_a_run_without_a_terminal_says_how_far_it_is(tmp_path, monkeypatch, capsys, clock):
    monkeypatch.setattr(progress, "Heartbeat", lambda say: Heartbeat(say, 0, clock))
    progress.run_with_progress(compose([*TINY, "budget.passes=2"]), tmp_path / "run")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("50 % after 0 s: step 4 of 8: loss ")
