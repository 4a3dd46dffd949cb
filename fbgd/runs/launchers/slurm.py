"""Jobs of Slurm by submitit: arrays, requeued when they are preempted or reach their limit; also its local executor.

The folder ``runs/.launcher/`` beside the run directories has a folder a submission, with submitit's files and logs,
what every job says, and ``jobs.json``, by which a study that was killed finds its jobs again. It is removed once all
its jobs have ended without a failure.
"""

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbgd.errors import ConfigError, one_line
from fbgd.runs.directory import write_atomically
from fbgd.runs.launchers.cluster import ClusterLauncher, Ending, Part
from fbgd.runs.launchers.events import Reader
from fbgd.runs.launchers.options import SlurmOptions
from fbgd.runs.launchers.slurm_task import Task
from fbgd.runs.launchers.submitting import check_cluster, make_executor, surroundings
from fbgd.runs.plan import PlannedRun
from fbgd.runs.processes import born
from fbgd.runs.study_progress import StudyProgress
from fbgd.runs.worker_process import GRACE_SECONDS

FOLDER, JOBS = ".launcher", "jobs.json"
# How often Slurm is asked by force how jobs are: submitit asks less and less often by itself.
ASK_SECONDS = 30.0
# How long a preempted job may take to be seen in the queue again: where preemption cancels jobs, none ever is.
PREEMPTED_SECONDS = 600.0
# What a job that was told to end may take: to load what it was loading, the step under way, a checkpoint.
CANCEL_SECONDS = GRACE_SECONDS + 20.0


@dataclass
class Submitted:
    """A part at the cluster.

    Args:
        job: of submitit.
        reader: of what it says.
        stopped: whether it said that it ends before its jobs do.
        preempted: since when Slurm says that it was preempted, on the clock ``time.monotonic``.
    """

    job: Any
    reader: Reader
    stopped: bool = False
    preempted: float | None = None


class SlurmLauncher(ClusterLauncher):
    """Gives jobs to Slurm, or to processes of this computer by the same library.

    Args:
        options: of the launcher.
        parallel: jobs at a time; ``None``: as many as Slurm runs, or a process a core.

    Raises:
        ConfigError: jobs cannot be submitted from here.
        MissingPackageError: submitit is not installed.
    """

    def __init__(self, options: SlurmOptions, parallel: int | None = None):
        check_cluster(options)
        self.options, self.local, self.throttle = options, options.cluster == "local", parallel
        self.lag = 0.0 if self.local else 15.0
        # An array knows how many of its jobs may run; processes are started as places get free.
        at_once = parallel or max(1, (os.cpu_count() or 1) // options.cpus)
        super().__init__(options.cpus, options.runs_per_job, at_once if self.local else None, options.retries)
        self.asked = time.monotonic()
        self.folders: list[Path] = []

    def begin(self, jobs: list[list[PlannedRun]], display: StudyProgress) -> tuple[list[list[PlannedRun]], list[Part]]:
        """Jobs that an earlier call submitted, and that wait or run, are waited for; the others are to be submitted."""
        self.folders = []
        if self.local:
            return jobs, []
        wanted = {paths_of(job): job for job in jobs}
        files = sorted(launcher_folder(jobs[0]).glob(f"*/{JOBS}"))
        # All are made before any is asked for: then Slurm is asked once.
        earlier = [(slurm_job(file.parent, entry["id"]), file, entry) for file in files for entry in read_jobs(file)]
        parts = []
        for job, file, entry in earlier:
            found = [wanted.get(tuple(paths)) for paths in entry["runs"]]
            # What Slurm has forgotten is not waited for.
            if any(found) and not job.done() and job.state.upper() != "UNKNOWN":
                part = Part([runs or [] for runs in found], Submitted(job, Reader(file.parent / entry["events"])))
                part.open = {index for index, runs in enumerate(found) if runs}
                parts.append(part)
                for paths in entry["runs"]:
                    wanted.pop(tuple(paths), None)
        if parts:
            display.say(f"{len(parts)} jobs of an earlier call are still there, and are waited for")
        return list(wanted.values()), parts

    def submit(self, parts: list[Part], limit: float | None) -> None:
        """Submit parts as arrays."""
        for start in range(0, len(parts), self.options.array):
            self._submit_array(parts[start : start + self.options.array], limit)

    def _submit_array(self, parts: list[Part], limit: float | None) -> None:
        folder = launcher_folder(parts[0].jobs[0]) / uuid.uuid4().hex[:8]
        folder.mkdir(parents=True)
        self.folders.append(folder)
        study = (os.getpid(), born(os.getpid())) if self.local else None
        events = [folder / f"{index}.events" for index in range(len(parts))]
        tasks = [Task(self.bundle(part, limit), str(file), study) for part, file in zip(parts, events, strict=True)]
        try:
            with surroundings(deaf=self.local):
                jobs = make_executor(self.options, folder, self.throttle).submit_array(tasks)
        except RuntimeError as error:
            # Slurm refuses a wrong partition or account, too long a time, a quota.
            shutil.rmtree(folder, ignore_errors=True)
            self.folders.remove(folder)
            raise ConfigError(f"--launcher slurm: the jobs were refused: {one_line(error)}") from None
        entries = []
        for part, job, file in zip(parts, jobs, events, strict=True):
            part.handle = Submitted(job, Reader(file))
            entries.append({"id": job.job_id, "events": file.name, "runs": [paths_of(runs) for runs in part.jobs]})
        write_atomically(folder / JOBS, json.dumps(entries))

    def messages(self, part: Part) -> list[dict]:
        """What the part's job has written since the last call."""
        messages = part.handle.reader.read()
        part.handle.stopped |= any("stopped" in message for message in messages)
        self.clean &= not any(message.get("ended") for message in messages)
        return messages

    def ending(self, part: Part) -> Ending | None:
        """How the job has ended, by its result or by what Slurm says."""
        job = part.handle.job
        force = not self.local and time.monotonic() - self.asked > ASK_SECONDS
        if force:
            self.asked = time.monotonic()
        if not job.done(force_check=force):
            return None if self.local else given_up(part.handle)
        lines = [line for line in (job.stderr() or "no message").splitlines() if line.strip()]
        state = str(job.state).lower()
        # Whoever cancels a job does not want it again.
        return Ending(f"job {job.job_id} ended ({state}): {lines[-1].strip()}", not state.startswith("cancelled"))

    def cancel(self, parts: list[Part]) -> None:
        """End all parts that were submitted; those that run write checkpoints, and are waited for."""
        parts = [part for part in parts if part.handle is not None]
        if self.local:
            signal_all(parts, signal.SIGTERM)
        elif parts:
            subprocess.call(["scancel", *(part.handle.job.job_id for part in parts)])
        until = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < until and any(self.writing(part) for part in parts):
            time.sleep(0.1)
        if self.local:
            signal_all([part for part in parts if not part.handle.job.done()], signal.SIGKILL)

    def writing(self, part: Part) -> bool:
        """Whether a part that was told to end may still write."""
        started = bool(part.shown) or any("started" in message for message in self.messages(part))
        return (self.local or (started and not part.handle.stopped)) and not part.handle.job.done()

    def finish(self) -> None:
        """Remove the files of jobs that left nothing to look up."""
        if self.clean:
            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)
            for folder in {folder.parent for folder in self.folders}:
                with suppress(OSError):
                    folder.rmdir()

    def close(self) -> None:
        """There is nothing to let go of."""


def given_up(submitted: Submitted) -> Ending | None:
    """The end of a job that was preempted and is not in the queue again; it is cancelled, should it come back."""
    if not str(submitted.job.state).upper().startswith("PREEMPTED"):
        submitted.preempted = None
        return None
    submitted.preempted = submitted.preempted or time.monotonic()
    if time.monotonic() - submitted.preempted < PREEMPTED_SECONDS:
        return None
    subprocess.call(["scancel", submitted.job.job_id])
    return Ending(f"job {submitted.job.job_id} was preempted, and not put back into the queue")


def launcher_folder(job: list[PlannedRun]) -> Path:
    """Where all goes that is not a run's."""
    return job[0].path.absolute().parent / FOLDER


def paths_of(job: list[PlannedRun]) -> tuple[str, ...]:
    """The directories of a job's runs, by their names."""
    return tuple(run.path.name for run in job)


def read_jobs(file: Path) -> list[dict]:
    """What a submission consisted of; nothing where the file is damaged."""
    try:
        return [entry for entry in json.loads(file.read_text()) if {"id", "events", "runs"} <= entry.keys()]
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def slurm_job(folder: Path, number: str) -> Any:
    """A job that was submitted before."""
    import submitit

    return submitit.SlurmJob(folder=folder, job_id=number)


def signal_all(parts: list[Part], number: signal.Signals) -> None:
    """Send a signal to the processes of parts on this computer."""
    for part in parts:
        with suppress(OSError):
            os.kill(int(part.handle.job.job_id), number)
