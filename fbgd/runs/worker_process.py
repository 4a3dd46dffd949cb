"""A worker as its study sees it: a process that gets jobs and answers line by line."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from fbgd.runs.processes import PARENT


def pipe(stream: IO[str] | None) -> IO[str]:
    """A stream that was asked to be a pipe."""
    assert stream is not None
    return stream


def worker_environment(threads: int) -> dict[str, str]:
    """The environment of a worker: its study, the size of its thread pools, and where this package is.

    Thread pools take their size when their library is loaded, before any configuration is read. An empty entry of
    ``PYTHONPATH``, left by a colon too many, would be the folder where the user stands.
    """
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    root = Path(__file__).parents[2]
    if root.name not in ("site-packages", "dist-packages"):
        path.insert(0, str(root))
    sizes = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return os.environ | sizes | {"PYTHONPATH": os.pathsep.join(path), PARENT: str(os.getpid())}


class Worker:
    """A worker process that executes one job at a time."""

    def __init__(self, threads: int):
        self.process = subprocess.Popen(
            # Without -P a folder optimizers/ where the user stands would be imported in place of the package.
            [sys.executable, "-P", "-m", "fbgd.runs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=worker_environment(threads),
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
