"""The study's side of a cluster: gives it jobs, shows what they say, and takes care of those that are lost."""

import os
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fbgd.runs.directory import RunDirectory
from fbgd.runs.launch import settle, tell, to_job
from fbgd.runs.launchers.bundle import Bundle
from fbgd.runs.plan import PlannedRun
from fbgd.runs.study_progress import StudyProgress

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Ending:
    """A part is not executed any more.

    Args:
        reason: why, in a line, for what it has not finished.
        again: whether it may go better a second time.
    """

    reason: str = "ended without a word"
    again: bool = True


@dataclass(eq=False)
class Part:
    """Jobs that go to the cluster together.

    Args:
        jobs: each a list of runs.
        handle: what the cluster knows it by.
        tries: how often it was lost before.
        shown: runs whose start is shown already, by their directories.
        open: the places of the jobs that have not ended.
        ending: how it ended; ``None``: it is not known to have.
        over: when that was seen, on the clock ``time.monotonic``.
    """

    jobs: list[list[PlannedRun]]
    handle: Any = None
    tries: int = 0
    shown: set = field(default_factory=set)
    open: set[int] = field(init=False)
    ending: Ending | None = None
    over: float = 0.0

    def __post_init__(self):
        self.open = set(range(len(self.jobs)))

    @property
    def name(self) -> str:
        """What it is called in a line: its first job that is left."""
        run = self.jobs[min(self.open, default=0)][0]
        return f"{run.rung}, seed {run.seed}"

    def left(self) -> "Part":
        """What it has not finished, to be tried once more."""
        return Part([self.jobs[index] for index in sorted(self.open)], tries=self.tries + 1, shown=self.shown)


class ClusterLauncher(ABC):
    """Executes jobs on a cluster, with the lines, the failures and the files of a study on one computer.

    Args:
        threads: of a worker.
        per_part: jobs that a node executes one after another by one worker.
        parallel: parts at a time; ``None``: as many as the cluster takes.
        retries: how often a part that was lost is given to the cluster once more.
    """

    # How long messages may take to arrive after their sender has ended.
    lag = 0.0

    def __init__(self, threads: int, per_part: int, parallel: int | None, retries: int):
        self.threads, self.per_part, self.parallel, self.retries = threads, per_part, parallel, retries
        # Whether nothing went wrong that somebody might look up.
        self.clean = True

    @abstractmethod
    def submit(self, parts: list[Part], limit: float | None) -> None:
        """Give parts to the cluster, and put down their handles."""

    @abstractmethod
    def messages(self, part: Part) -> list[dict]:
        """What the part has said since the last call, see :meth:`fbgd.runs.launchers.bundle.Bundle.execute`."""

    @abstractmethod
    def ending(self, part: Part) -> Ending | None:
        """Whether the part has ended, with or without its jobs; ``None``: it is waiting or running."""

    @abstractmethod
    def cancel(self, parts: list[Part]) -> None:
        """End parts that wait or run; those that run may write checkpoints first."""

    def begin(self, jobs: list[list[PlannedRun]], display: StudyProgress) -> tuple[list[list[PlannedRun]], list[Part]]:
        """What is to be done before any job is given: the jobs that are left, and parts that are under way already."""
        return jobs, []

    @abstractmethod
    def finish(self) -> None:
        """All jobs have ended: put away what was needed for them."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the cluster."""

    def run(self, jobs: list[list[PlannedRun]], display: StudyProgress, limit: float | None) -> None:
        """Execute all jobs to their end.

        Args:
            jobs: each a list of runs.
            display: hears of every start, row and end.
            limit: seconds that a job may take.
        """
        self.clean, runs = True, [run for job in jobs for run in job]
        jobs, active = self.begin(jobs, display)
        waiting = deque(Part(jobs[at : at + self.per_part]) for at in range(0, len(jobs), self.per_part))
        try:
            while waiting or active:
                room = len(waiting) if self.parallel is None else self.parallel - len(active)
                if batch := [waiting.popleft() for _ in range(min(room, len(waiting)))]:
                    active += batch
                    self.submit(batch, limit)
                ended = [part for part in active if self.attend(part, display)]
                active = [part for part in active if part not in ended]
                # What was lost is tried before anything new.
                waiting.extendleft(self.recovered(ended, display))
                if active:
                    time.sleep(POLL_SECONDS)
        except BaseException:
            self.cancel(active)
            raise
        # Over a network what another computer has written may be seen later than what it said.
        until = time.monotonic() + self.lag
        while time.monotonic() < until and not all(run.done or RunDirectory(run.path).error.exists() for run in runs):
            time.sleep(POLL_SECONDS)
        self.finish()

    def bundle(self, part: Part, limit: float | None) -> Bundle:
        """A part as a node gets it, with directories that are found from any folder."""
        jobs = [to_job(runs, self.threads) for runs in part.jobs]
        whole = [[run | {"path": os.path.abspath(run["path"])} for run in job] for job in jobs]
        return Bundle(whole, self.threads, os.getcwd(), limit)

    def attend(self, part: Part, display: StudyProgress) -> bool:
        """Show what a part has said; returns whether it has ended, and nothing more of it is to come."""
        if part.ending is None and (ending := self.ending(part)) is not None:
            part.ending, part.over = ending, time.monotonic()
        for message in self.messages(part):
            hear(part, message, display)
        return part.ending is not None and (not part.open or time.monotonic() - part.over >= self.lag)

    def recovered(self, parts: Sequence[Part], display: StudyProgress) -> list[Part]:
        """What is left of parts that have ended, as far as it is tried once more; the rest has failed."""
        again = []
        for part in parts:
            if not part.open:
                continue
            self.clean = False
            ending = part.ending or Ending()
            if ending.again and part.tries < self.retries:
                display.say(f"{part.name}: {ending.reason}; it is tried once more", "yellow")
                again.append(part.left())
                continue
            for index in sorted(part.open):
                show_start(part, index, display)
                settle(part.jobs[index], f"{ending.reason}\n", display)
        return again


def show_start(part: Part, index: int, display: StudyProgress) -> None:
    """Show that a job has started, once."""
    for run in part.jobs[index]:
        if run.path not in part.shown:
            part.shown.add(run.path)
            display.started(run)


def hear(part: Part, message: dict, display: StudyProgress) -> None:
    """Show what a part said, and record how a job of it ended."""
    index = message.get("job")
    if index not in part.open:
        return
    runs = part.jobs[index]
    show_start(part, index, display)
    if "again" in message:
        display.say(f"{runs[0].rung}, seed {runs[0].seed}: {message['again']}; it is tried once more", "yellow")
    elif "ended" in message:
        part.open.discard(index)
        settle(runs, message["ended"], display)
    elif "run" in message:
        tell(runs[message["run"]], message, display)
