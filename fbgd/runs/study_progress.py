"""What a study shows while it runs: a bar and a line for every running run, or, without a terminal, lines alone."""

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fbgd.engine.record import Row
from fbgd.runs.directory import RunDirectory
from fbgd.runs.heartbeat import Heartbeat
from fbgd.runs.plan import PlannedRun
from fbgd.runs.progress import describe, outcome


class StudyProgress:
    """One bar for the whole study, weighted by expected cost, and one line for every running run.

    Without a terminal there is a line for every run that ends, and every minute one about the whole study.
    """

    def __init__(self, planned: list[PlannedRun], todo: list[PlannedRun]):
        self.console = Console(stderr=True)
        self.live = sys.stderr.isatty()
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[news]}"),
            console=self.console,
            disable=not self.live,
            refresh_per_second=2,
        )
        self.work = {run.path: run.work for run in todo}
        self.count = len(todo)
        self.ended = 0
        self.heart = Heartbeat(self.say, before=0.0)
        skipped = len(planned) - len(todo)
        news = f"{skipped} of {len(planned)} runs done before" if skipped else ""
        self.study = self.progress.add_task("study", total=sum(self.work.values()), news=news)
        self.tasks: dict[object, TaskID] = {}
        self.rows: dict[object, Row] = {}
        self.shares: dict[object, float] = {}

    def __enter__(self):
        self.progress.start()
        return self

    def __exit__(self, *exception):
        self.progress.stop()

    def started(self, run: PlannedRun) -> None:
        """A worker begins with this run."""
        self.rows[run.path], self.shares[run.path] = {}, 0.0
        self.tasks[run.path] = self.progress.add_task(f"{run.rung}, seed {run.seed}", total=1.0, news="preparing")

    def advanced(self, run: PlannedRun, row: Row, steps: int) -> None:
        """A row of this run arrived."""
        self.rows[run.path].update(row)
        self._move(run, row["step"] / steps)
        self.progress.update(self.tasks[run.path], completed=self.shares[run.path], news=describe(self.rows[run.path]))
        self._beat()

    def finished(self, run: PlannedRun, succeeded: bool) -> None:
        """This run ended."""
        self._move(run, 1.0)
        self.progress.remove_task(self.tasks.pop(run.path))
        self.ended += 1
        news = describe(self.rows.pop(run.path)) if succeeded else "failed"
        summary = RunDirectory(run.path).read_summary()
        if summary is not None and summary["status"] == "diverged":
            news = f"{outcome(summary)}  {news}"
        self.say(f"{self.ended} of {self.count}: {run.rung}, seed {run.seed}: {news}")
        self._beat()

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line above the bars."""
        self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def _move(self, run: PlannedRun, share: float) -> None:
        self.progress.advance(self.study, (share - self.shares[run.path]) * self.work[run.path])
        self.shares[run.path] = share

    def _beat(self) -> None:
        """Where there is no bar, say now and then how far the study is."""
        total = sum(self.work.values())
        if not self.live and self.ended < self.count and total:
            done = self.progress.tasks[self.study].completed
            running = f", {len(self.tasks)} running" if self.tasks else ""
            self.heart.beat(done / total, f"{self.ended} of {self.count} runs ended{running}")
