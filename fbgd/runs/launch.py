"""Running a study's planned runs in worker processes, with live progress.

The pool of workers is this module's own. What libraries have was looked at, and each lacks what a study needs:

- joblib's ``loky`` keeps its processes, but a killed one breaks the pool, all its other jobs with it, and a job cannot
  say anything before its end: no rows while it runs, no asking it to stop with a checkpoint.
- submitit's local executor starts two processes a job, which load PyTorch each time; they outlive a study that is
  killed, and one that is cancelled has a second before it is killed. It takes no number of jobs at a time.

Both are right for what they are made for: :mod:`fbgd.runs.launchers` gives jobs to clusters through submitit and Ray.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from fbgd.config.schema import to_dict
from fbgd.runs.devices import device_for
from fbgd.runs.directory import RunDirectory, write_atomically
from fbgd.runs.plan import PlannedRun
from fbgd.runs.study_progress import StudyProgress
from fbgd.runs.together import alike, declined
from fbgd.runs.worker_process import GRACE_SECONDS, Failure, Worker, end


class Cluster(Protocol):
    """Where jobs can be executed that are not executed here."""

    def run(self, jobs: list[list[PlannedRun]], display: StudyProgress, limit: float | None) -> None:
        """Execute all jobs to their end, and record how each ended by :func:`settle`."""

    def close(self) -> None:
        """Let go of it."""


def launch(
    planned: list[PlannedRun],
    workers: int,
    idle: "list[Worker] | None" = None,
    limit: float | None = None,
    devices: Sequence[str] = (),
    cluster: Cluster | None = None,
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
        devices: the GPUs that workers are dealt to, each of which sees one; without them each sees all.
        cluster: executes the jobs in place of workers of this computer.

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
        if cluster is not None:
            cluster.run(jobs, display, limit)
            return
        # Who names a device by its number counts all of them.
        named = any(":" in run.config.impl.device for run in todo)
        launcher = Launcher(workers, display, [] if idle is None else idle, limit, () if named else devices)
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


def start_ahead(idle: list[Worker], planned: Sequence[PlannedRun], workers: int) -> None:
    """Let workers of a coming :func:`launch` load PyTorch while this process does something else.

    Args:
        idle: those that wait already; it grows to as many as there are jobs for, ``workers`` at most.
        planned: the runs of the launch.
        workers: as of :func:`launch`.
    """
    jobs = to_jobs([run for run in planned if not run.done], lambda text: None)
    idle += [Worker(threads_each(workers)) for _ in range(min(workers, len(jobs)) - len(idle))]


def threads_each(workers: int) -> int:
    """How many threads each of so many workers gets: its share of the cores."""
    return max(1, (os.cpu_count() or 1) // workers)


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


def to_job(runs: list[PlannedRun], threads: int) -> list[dict]:
    """What a worker is told of a job: of every run its directory and its configuration, with a number of threads."""
    job = []
    for run in runs:
        impl = run.config.impl
        own = run.config if impl.threads else replace(run.config, impl=replace(impl, threads=threads))
        job.append({"path": str(run.path), "config": to_dict(own)})
    return job


def settle(runs: list[PlannedRun], failure: str | None, display: StudyProgress) -> None:
    """A job has ended: a failure goes to the ``error.txt`` of those of its runs that are not done.

    Args:
        runs: of the job.
        failure: why it failed, its last line in short; ``None``: it did not.
        display: hears of it.
    """
    for run in runs:
        succeeded = failure is None or run.done
        # On a full disk the file cannot be written: what is missing is missing all the same.
        with suppress(OSError):
            directory = RunDirectory(run.path)
            if succeeded or failure is None:
                directory.error.unlink(missing_ok=True)
            else:
                run.path.mkdir(parents=True, exist_ok=True)
                write_atomically(directory.error, failure)
        display.finished(run, succeeded)


def tell(run: PlannedRun, message: dict, display: StudyProgress) -> None:
    """Show what a worker said about a run: a row, or a warning."""
    if "warning" in message:
        display.say(f"{run.rung}, seed {run.seed}: warning: {message['warning']}", "yellow")
    else:
        display.advanced(run, message["row"], message["steps"])


class Launcher:
    """Keeps worker processes, gives them jobs, and ends them all when asked to.

    A worker executes many jobs, so that small ones do not pay for loading PyTorch; after a failed one a new worker
    takes its place.

    Args:
        workers: how many run at a time; each gets its share of the cores as threads.
        display: hears of every start, row and end.
        idle: workers that wait for a job.
        limit: seconds that a job may take.
        devices: the GPUs that workers are dealt to.
    """

    def __init__(
        self,
        workers: int,
        display: StudyProgress,
        idle: list[Worker],
        limit: float | None = None,
        devices: Sequence[str] = (),
    ):
        self.threads = threads_each(workers)
        self.display = display
        self.idle = idle
        self.limit = limit
        self.devices = devices
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
        settle(runs, None if failure is None else failure.text, self.display)

    def _try(self, runs: list[PlannedRun]) -> Failure | None:
        """Execute a job's runs by a worker, once there is a place for one; returns why they failed."""
        with self.free:
            self.free.wait_for(lambda: self.stopped.is_set() or len(self.busy) < self.slots)
            if self.stopped.is_set():
                return None
            taken = [worker.device for worker in self.busy]
            worker = self.idle.pop() if self.idle else Worker(self.threads, device_for(self.devices, taken))
            self.busy.add(worker)
        failure: Failure | None = Failure("its worker was given up\n")
        try:
            job = to_job(runs, self.threads)
            failure = worker.execute(job, lambda message: tell(runs[message["run"]], message, self.display), self.limit)
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
