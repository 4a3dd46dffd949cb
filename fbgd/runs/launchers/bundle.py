"""What a node of a cluster does: the jobs of a bundle one after another, by a worker of its own.

The worker is the one that a study on one computer has, so that a job that hangs, takes too long or is killed is noticed
here as there. This module loads nothing heavy: PyTorch is the worker's.
"""

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

from fbgd.runs.signals import Interrupted
from fbgd.runs.worker_process import Failure, Worker

Send = Callable[..., None]


@dataclass(frozen=True)
class Bundle:
    """Jobs that a node executes one after another.

    Args:
        jobs: each a list of runs, as :func:`fbgd.runs.launch.to_job` makes it.
        threads: of the worker's thread pools.
        folder: where the study's command was given: relative paths of data begin there.
        limit: seconds that a job may take.
    """

    jobs: list[list[dict]]
    threads: int
    folder: str
    limit: float | None = None

    def execute(self, send: Send) -> None:
        """Execute all jobs. One whose worker was stopped or killed is tried once more.

        Args:
            send: is told as keyword arguments, each time with the ``job``, its place in the bundle: that it has
                ``started``, on which computer; what its worker says of its runs; that it is tried ``again``, and why;
                that it has ``ended``, ``None`` or why it failed.
        """
        if os.path.isdir(self.folder):
            os.chdir(self.folder)
        worker: Worker | None = None
        try:
            for index, job in enumerate(self.jobs):
                send(job=index, started=socket.gethostname())
                failure: Failure | None = None
                for last in (False, True):
                    # A cluster signals all processes of a job; what the signal means is decided here.
                    worker = worker or Worker(self.threads, apart=True)
                    failure = worker.execute(job, partial(forward, send, index), self.limit)
                    if failure is None:
                        break
                    worker.close()
                    worker = None
                    if last or not failure.again:
                        break
                    send(job=index, again=failure.reason)
                send(job=index, ended=None if failure is None else failure.text)
        except BaseException:
            # Asked to end: the worker writes a checkpoint.
            if worker is not None:
                worker.stop()
            raise
        finally:
            if worker is not None:
                worker.close()


def forward(send: Send, index: int, message: dict) -> None:
    """Say on what the worker said of a job."""
    send(job=index, **message)


class Once:
    """A handler of signals: the first is an :class:`fbgd.runs.signals.Interrupted`, all others change nothing."""

    def __init__(self):
        self.number = 0

    def __call__(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal."""
        if not self.number:
            self.number = number
            raise Interrupted(number)


def signal_named(name: str) -> int:
    """A signal by its name without ``SIG``.

    >>> signal_named("USR2") == signal.SIGUSR2
    True
    """
    return getattr(signal, f"SIG{name}")
