"""Running a study's planned runs in worker processes, with live progress."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from typing import IO

from fbgd.config.schema import Config, to_dict
from fbgd.runs.directory import RunDirectory, write_atomically
from fbgd.runs.plan import PlannedRun
from fbgd.runs.study_progress import StudyProgress
from fbgd.runs.together import declined


def launch(planned: list[PlannedRun], workers: int, idle: "list[Worker] | None" = None) -> None:
    """Execute all runs that are not done; a failure is written to the run's ``error.txt`` and does not stop others.

    With ``impl.seeds_together``, the seeds of a setting are one job where they can be, see :mod:`fbgd.runs.together`.

    Args:
        planned: the runs, started seed by seed and the costly ones first.
        workers: processes at a time; each gets ``cores // workers`` threads, at least one.
        idle: those that wait since an earlier launch, and here for the next one: whoever gives the list ends them with
            :func:`end`. Without it they end with the launch.

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
        launcher = Launcher(workers, display, [] if idle is None else idle)
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
        # Seeds of one setting on other data are no twins.
        key = (run.rung, run.config.data.seed) if wanted and reason is None else run.path
        jobs.setdefault(key, []).append(run)
    for rung, reason in refused.items():
        say(f"{rung}: the seeds are trained separately: {reason}")
    return list(jobs.values())


def pipe(stream: IO[str] | None) -> IO[str]:
    """A stream that was asked to be a pipe."""
    assert stream is not None
    return stream


class Worker:
    """A worker process that executes one job at a time."""

    def __init__(self, threads: int):
        # Thread pools take their size when their library is loaded, before any configuration is read.
        sizes = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fbgd.runs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | sizes,
        )
        self.printed: list[str] = []
        self.reader = threading.Thread(target=lambda: self.printed.extend(pipe(self.process.stderr)), daemon=True)
        self.reader.start()

    def execute(self, job: list[dict], on_message: Callable[[dict], None]) -> str | None:
        """Execute a job; every message but the last goes to ``on_message``. Returns why it failed, or ``None``."""
        self.printed.clear()
        try:
            print(json.dumps(job), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return self._crash()
        for line in pipe(self.process.stdout):
            message = json.loads(line)
            if "ended" in message:
                if message["ended"] is None:
                    return None
                return f"{message['ended'].strip()}\n"
            on_message(message)
        return self._crash()

    def _crash(self) -> str:
        """Why the process ended without a word: what it printed, and its exit status."""
        self.process.wait()
        self.reader.join()
        text = "".join(self.printed).strip() or "no message"
        return f"{text}\nexit status {self.process.returncode}: {text.splitlines()[-1]}\n"

    def close(self) -> None:
        """Let the process end by itself, once its run is done."""
        with suppress(BrokenPipeError):
            pipe(self.process.stdin).close()
        self.process.wait()
        self.reader.join()
        pipe(self.process.stdout).close()
        pipe(self.process.stderr).close()


def end(idle: list[Worker]) -> None:
    """Let the workers that wait for a job end."""
    while idle:
        idle.pop().close()


class Launcher:
    """Keeps worker processes, gives them jobs, and ends them all when asked to.

    A worker executes many jobs, so that small ones do not pay for loading PyTorch; after a failed one a new worker
    takes its place.

    Args:
        workers: how many run at a time; each gets its share of the cores as threads.
        display: hears of every start, row and end.
        idle: workers that wait for a job.
    """

    def __init__(self, workers: int, display: StudyProgress, idle: list[Worker]):
        self.threads = max(1, (os.cpu_count() or 1) // workers)
        self.display = display
        self.idle = idle
        self.busy: set[Worker] = set()
        self.stopped = threading.Event()
        self.lock = threading.Lock()

    def stop(self) -> None:
        """End all workers and start no more; what they had checkpointed stays, and none counts as failed."""
        with self.lock:
            self.stopped.set()
            for worker in self.busy:
                worker.process.terminate()

    def run(self, runs: list[PlannedRun]) -> None:
        """Execute a job's runs to their end; a failure goes to the ``error.txt`` of those that are not done."""
        with self.lock:
            if self.stopped.is_set():
                return
            worker = self.idle.pop() if self.idle else Worker(self.threads)
            self.busy.add(worker)
        for run in runs:
            self.display.started(run)
        job = [{"path": str(run.path), "config": to_dict(self._threaded(run.config))} for run in runs]
        failure = worker.execute(job, lambda message: self._hear(runs[message["run"]], message))
        with self.lock:
            self.busy.discard(worker)
            if failure is None and not self.stopped.is_set():
                self.idle.append(worker)
        if failure is not None or self.stopped.is_set():
            worker.close()
        if self.stopped.is_set():
            return
        for run in runs:
            directory = RunDirectory(run.path)
            if failure is None or run.done:
                directory.error.unlink(missing_ok=True)
            else:
                run.path.mkdir(parents=True, exist_ok=True)
                write_atomically(directory.error, failure)
            self.display.finished(run, failure is None or run.done)

    def _threaded(self, config: Config) -> Config:
        if config.impl.threads is not None:
            return config
        return replace(config, impl=replace(config.impl, threads=self.threads))

    def _hear(self, run: PlannedRun, message: dict) -> None:
        if "warning" in message:
            self.display.say(f"{run.rung}, seed {run.seed}: warning: {message['warning']}", "yellow")
        else:
            self.display.advanced(run, message["row"], message["steps"])
