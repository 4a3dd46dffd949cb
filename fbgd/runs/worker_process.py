"""A worker as its study sees it: a process that gets jobs and answers line by line."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fbgd.runs.devices import VISIBLE
from fbgd.runs.processes import PARENT

# How long a worker that was asked to end may take, for a step and a checkpoint.
GRACE_SECONDS = 10.0
# Without a word for so long it is stopped; without a step and without work for so long it hangs.
SILENT_SECONDS = 120.0
HUNG_SECONDS = 600.0
POLL_SECONDS = 1.0
# Less processor time than this is no work: to say that it is alive takes a little.
WORK_SECONDS = 1.0
ASKED_TO_END = (143, 130)


@dataclass(frozen=True)
class Failure:
    """Why a job was not executed to its end.

    Args:
        text: for ``error.txt``; its last line says it in short.
        again: whether it may go better a second time: the process was stopped or killed, and did not fail by itself.
        killed: whether the system killed it, as it does when memory runs out.
    """

    text: str
    again: bool = False
    killed: bool = False

    @property
    def reason(self) -> str:
        """The last line."""
        return self.text.strip().splitlines()[-1]


class Pulse:
    """Judges from its messages whether a worker is alive and getting on.

    Time counts only while somebody listens: a study that was itself stopped, by Ctrl-Z or with its computer, finds its
    workers as they were.

    Args:
        limit: seconds that a job may take.
    """

    def __init__(self, limit: float | None = None):
        self.limit = limit
        self.silent = self.idle = self.total = 0.0
        self.steps, self.busy = -1, 0.0

    def heard(self, message: dict) -> None:
        """A message came."""
        self.silent = 0.0
        steps, busy = message.get("alive", self.steps), message.get("busy", self.busy)
        if "alive" not in message or steps != self.steps or busy - self.busy > WORK_SECONDS:
            self.idle, self.steps, self.busy = 0.0, steps, busy

    def wait(self, seconds: float) -> Failure | None:
        """So much time went by; returns what is wrong, if anything is."""
        seconds = min(seconds, 2 * POLL_SECONDS)
        self.silent, self.idle, self.total = self.silent + seconds, self.idle + seconds, self.total + seconds
        if self.silent > SILENT_SECONDS:
            return Failure(f"the worker was stopped: no sign of life for {SILENT_SECONDS:.0f} seconds\n", again=True)
        if self.idle > HUNG_SECONDS:
            return Failure(f"the worker hung: no step and no work for {HUNG_SECONDS:.0f} seconds\n", again=True)
        if self.limit is not None and self.total > self.limit:
            text = f"reached --run-limit {self.limit:.0f} seconds; the same command goes on from its checkpoint\n"
            return Failure(text)
        return None


def pipe(stream: IO[str] | None) -> IO[str]:
    """A stream that was asked to be a pipe."""
    assert stream is not None
    return stream


def python_path() -> str:
    """Where Python finds this package in another process, and all else that ``PYTHONPATH`` says.

    An empty entry, left by a colon too many, would be the folder where the user stands.
    """
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    root = Path(__file__).parents[2]
    if root.name not in ("site-packages", "dist-packages"):
        path.insert(0, str(root))
    return os.pathsep.join(path)


def worker_environment(threads: int, device: str | None = None) -> dict[str, str]:
    """The environment of a worker: its study, its GPU, the size of its thread pools, and where this package is.

    Thread pools take their size when their library is loaded, before any configuration is read.
    """
    sizes = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    seen = {} if device is None else {VISIBLE: device}
    return os.environ | sizes | seen | {"PYTHONPATH": python_path(), PARENT: str(os.getpid())}


class Worker:
    """A worker process that executes one job at a time.

    Args:
        threads: of its thread pools.
        device: the only GPU that it sees; ``None``: all that this process sees.
        apart: in a process group of its own, so that signals to the group of this process do not reach it.
    """

    def __init__(self, threads: int, device: str | None = None, apart: bool = False):
        self.device = device
        # Until it has been given a job there is nothing that it could lose.
        self.unused = True
        self.process = subprocess.Popen(
            # Without -P a folder optimizers/ where the user stands would be imported in place of the package.
            [sys.executable, "-P", "-m", "fbgd.runs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=worker_environment(threads, device),
            start_new_session=apart,
        )
        self.printed: list[str] = []
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self._read_errors, self._read_lines)]
        for reader in self.readers:
            reader.start()

    def execute(
        self, job: list[dict], on_message: Callable[[dict], None], limit: float | None = None
    ) -> Failure | None:
        """Execute a job; every message but the last goes to ``on_message``. Returns why it failed, or ``None``.

        Args:
            job: of every run the ``path`` and the ``config``.
            on_message: hears of rows and warnings.
            limit: seconds that it may take.
        """
        self.printed.clear()
        self.unused = False
        try:
            print(json.dumps(job), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return self._crash()
        pulse, before = Pulse(limit), time.monotonic()
        while True:
            try:
                line = self.lines.get(timeout=POLL_SECONDS)
            except queue.Empty:
                line = ""
            now = time.monotonic()
            if (failure := pulse.wait(now - before)) is not None:
                self.stop()
                return failure
            before = now
            if line is None:
                return self._crash()
            if line:
                message = json.loads(line)
                pulse.heard(message)
                if "ended" in message:
                    return None if message["ended"] is None else Failure(f"{message['ended'].strip()}\n")
                if "alive" not in message:
                    on_message(message)

    def stop(self, seconds: float | None = None) -> None:
        """End the process: it may write a checkpoint, and is killed when that takes longer than the grace."""
        with suppress(OSError):
            self.process.terminate()
        try:
            self.process.wait(GRACE_SECONDS if seconds is None else seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(OSError):
                self.process.kill()

    def _crash(self) -> Failure:
        """Why the process ended without a word: what it printed, and its exit status."""
        status = self.process.wait()
        self._join()
        text = "".join(self.printed).strip() or "no message"
        again, how = status < 0 or status in ASKED_TO_END, f"exit status {status}"
        killed = status == -signal.SIGKILL
        if killed:
            how += " (killed, as the system does when memory runs out)"
        return Failure(f"{text}\n{how}: {text.splitlines()[-1]}\n", again, killed)

    def dismiss(self) -> None:
        """Let the process end by itself, once its run is done; one that was never given any need not load PyTorch."""
        if self.unused:
            self.process.kill()
        with suppress(BrokenPipeError):
            pipe(self.process.stdin).close()

    def close(self) -> None:
        """Dismiss the process and wait for its end; one that takes too long is ended."""
        self.dismiss()
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
        self.process.wait()
        self._join()
        pipe(self.process.stdout).close()
        pipe(self.process.stderr).close()

    def _join(self) -> None:
        # What the process started itself may hold its streams open.
        for reader in self.readers:
            reader.join(GRACE_SECONDS)

    def _read_errors(self) -> None:
        for line in pipe(self.process.stderr):
            self.printed.append(line)

    def _read_lines(self) -> None:
        for line in pipe(self.process.stdout):
            self.lines.put(line)
        self.lines.put(None)


def end(idle: list[Worker]) -> None:
    """Let the workers that wait for a job end, all at the same time."""
    for worker in idle:
        worker.dismiss()
    while idle:
        idle.pop().close()
