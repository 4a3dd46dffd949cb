"""A bundle's jobs on a computer that does not see the study's disk: in a folder of its own, which is sent home."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from fbgd.runs.directory import RunDirectory
from fbgd.runs.launchers.bundle import Bundle
from fbgd.runs.launchers.home import Files, pack, unpack


class Away:
    """Executes a bundle in a folder of this node, and sends run directories home: with every checkpoint, at the end.

    Args:
        bundle: the jobs.
        folder: empty.
        begun: what the run directories held at home.
        send: tells the study.
    """

    def __init__(self, bundle: Bundle, folder: Path, begun: list[list[Files]], send: Callable[..., None]):
        self.send = send
        self.sent: dict[Path, int] = {}
        jobs = []
        for job, states in zip(bundle.jobs, begun, strict=True):
            away = [folder / Path(run["path"]).name for run in job]
            for path, files in zip(away, states, strict=True):
                unpack(files, path)
            jobs.append([run | {"path": str(path)} for run, path in zip(job, away, strict=True)])
        self.bundle = replace(bundle, jobs=jobs)

    def execute(self) -> None:
        """Execute the jobs."""
        try:
            self.bundle.execute(self.hear)
        except BaseException:
            # Asked to end: the last checkpoints go home, if anybody is there.
            with suppress(Exception):
                for index in range(len(self.bundle.jobs)):
                    self.bring(index)
            raise

    def hear(self, **message: object) -> None:
        """Say on what the worker says; what its runs have written goes before it."""
        if "row" in message or "ended" in message:
            self.bring(int(str(message["job"])))
        self.send(**message)

    def bring(self, index: int) -> None:
        """Send home those run directories of a job that have something new."""
        for place, run in enumerate(self.bundle.jobs[index]):
            path = Path(run["path"])
            if (now := newest(path)) != self.sent.get(path, 0):
                self.sent[path] = now
                self.send(job=index, home=place, files=pack(path))


def newest(path: Path) -> int:
    """When a checkpoint or the summary was written last; 0 where there is neither."""
    directory = RunDirectory(path)
    times = [0]
    for file in (directory.checkpoint, directory.summary):
        with suppress(OSError):
            times.append(file.stat().st_mtime_ns)
    return max(times)
