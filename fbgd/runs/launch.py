"""Running a study's planned runs in worker processes, with live progress."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace

from fbgd.config.schema import Config, to_dict
from fbgd.runs.directory import RunDirectory, write_atomically
from fbgd.runs.plan import PlannedRun
from fbgd.runs.study_progress import StudyProgress
from fbgd.runs.together import alike, declined
from fbgd.runs.worker_process import GRACE_SECONDS, Failure, Worker, end


def launch(
    planned: list[PlannedRun], workers: int, idle: "list[Worker] | None" = None, limit: float | None = None
) -> None:
    """Execute all runs that are not done; a failure is written to the run's ``error.txt`` and does not stop others.

    With ``impl.seeds_together``, the seeds of a setting are one job where they can be, see :mod:`fbgd.runs.together`.

    Args:
        planned: the runs, started seed by seed and the costly ones first.
        workers: processes at a time; each gets ``cores // workers`` threads, at least one.
        idle: those that wait since an earlier launch, and here for the next one: whoever gives the list ends them with
            :func:`end`. Without it they end with the launch.
        limit: seconds that a run may take, or several that are trained together; then it counts as failed, with a
            checkpoint to go on from.

    Raises:
        ValueError: fewer than one worker.
    """
    if workers < 1:
        raise ValueError(f"--workers = {workers} must be at least 1")
    # The costly ones of each seed first, so that no worker is left alone with a long run at the end.
    todo = sorted((run for run in planned if not run.done), key=lambda run: (run.seed, -run.work))
    if not todo:
        return
    with StudyProgress(planned, todo) as display:
        jobs = to_jobs(todo, display.say)
        launcher = Launcher(workers, display, [] if idle is None else idle, limit)
        with ThreadPoolExecutor(workers) as pool:
            try:
                for future in as_completed([pool.submit(launcher.run, job) for job in jobs]):
                    future.result()
            except BaseException:
                launcher.stop()
                raise
            finally:
                if idle is None:
                    end(launcher.idle)


def to_jobs(todo: list[PlannedRun], say: Callable[[str], None]) -> list[list[PlannedRun]]:
    """The runs in their order, those that are trained together in one list; ``say`` hears why others are not."""
    jobs: dict[object, list[PlannedRun]] = {}
    refused: dict[str, str] = {}
    for run in todo:
        wanted = run.config.impl.seeds_together
        reason = declined(run.config) if wanted else ""
        if reason and wanted is True:
            refused[run.rung] = reason
        key = (run.rung, alike(run.config)) if wanted and reason is None else run.path
        jobs.setdefault(key, []).append(run)
    for rung, reason in refused.items():
        say(f"{rung}: the seeds are trained separately: {reason}")
    return list(jobs.values())


class Launcher:
    """Keeps worker processes, gives them jobs, and ends them all when asked to.

    A worker executes many jobs, so that small ones do not pay for loading PyTorch; after a failed one a new worker
    takes its place.

    Args:
        workers: how many run at a time; each gets its share of the cores as threads.
        display: hears of every start, row and end.
        idle: workers that wait for a job.
        limit: seconds that a job may take.
    """

    def __init__(self, workers: int, display: StudyProgress, idle: list[Worker], limit: float | None = None):
        self.threads = max(1, (os.cpu_count() or 1) // workers)
        self.display = display
        self.idle = idle
        self.limit = limit
        self.busy: set[Worker] = set()
        self.slots = workers
        self.stopped = threading.Event()
        self.free = threading.Condition()

    def stop(self) -> None:
        """End all workers and start no more; what they had checkpointed stays, and none counts as failed."""
        with self.free:
            self.stopped.set()
            self.free.notify_all()
            busy = list(self.busy)
        end_by = time.monotonic() + GRACE_SECONDS
        for worker in busy:
            with suppress(OSError):
                worker.process.terminate()
        try:
            for worker in busy:
                worker.stop(max(0.0, end_by - time.monotonic()))
        finally:
            for worker in busy:
                with suppress(OSError):
                    worker.process.kill()

    def run(self, runs: list[PlannedRun]) -> None:
        """Execute a job's runs to their end; a failure goes to the ``error.txt`` of those that are not done.

        A worker that was stopped or killed is replaced, and its job tried once more; after one that the system killed
        fewer run at a time from then on.
        """
        if self.stopped.is_set():
            return
        for run in runs:
            self.display.started(run)
        failure = self._try(runs)
        if failure is not None and failure.again and not self.stopped.is_set():
            self.display.say(f"{runs[0].rung}, seed {runs[0].seed}: {failure.reason}; it is tried once more", "yellow")
            failure = self._try(runs)
        if self.stopped.is_set():
            return
        for run in runs:
            succeeded = failure is None or run.done
            # On a full disk the file cannot be written: what is missing is missing all the same.
            with suppress(OSError):
                directory = RunDirectory(run.path)
                if succeeded or failure is None:
                    directory.error.unlink(missing_ok=True)
                else:
                    run.path.mkdir(parents=True, exist_ok=True)
                    write_atomically(directory.error, failure.text)
            self.display.finished(run, succeeded)

    def _try(self, runs: list[PlannedRun]) -> Failure | None:
        """Execute a job's runs by a worker, once there is a place for one; returns why they failed."""
        with self.free:
            self.free.wait_for(lambda: self.stopped.is_set() or len(self.busy) < self.slots)
            if self.stopped.is_set():
                return None
            worker = self.idle.pop() if self.idle else Worker(self.threads)
            self.busy.add(worker)
        failure: Failure | None = Failure("its worker was given up\n")
        try:
            job = [{"path": str(run.path), "config": to_dict(self._threaded(run.config))} for run in runs]
            failure = worker.execute(job, lambda message: self._hear(runs[message["run"]], message), self.limit)
        finally:
            with self.free:
                self.busy.discard(worker)
                if failure is not None and failure.killed:
                    self.slots = max(1, self.slots // 2)
                keep = failure is None and not self.stopped.is_set()
                if keep:
                    self.idle.append(worker)
                self.free.notify_all()
            if not keep:
                worker.close()
        return failure

    def _threaded(self, config: Config) -> Config:
        if config.impl.threads is not None:
            return config
        return replace(config, impl=replace(config.impl, threads=self.threads))

    def _hear(self, run: PlannedRun, message: dict) -> None:
        if "warning" in message:
            self.display.say(f"{run.rung}, seed {run.seed}: warning: {message['warning']}", "yellow")
        else:
            self.display.advanced(run, message["row"], message["steps"])
