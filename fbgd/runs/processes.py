"""Which processes are there: a number that the system has given away anew is another process."""

import os
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

# What a study tells its workers: its own number.
PARENT = "FBGD_PARENT"
POLL_SECONDS = 0.5


def born(pid: int) -> str | None:
    """When a process started, in a form to be compared; ``None``: there is no such process, or it has ended.

    >>> born(os.getpid()) == born(os.getpid())
    True
    """
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else born_by_ps(pid)
    # Behind the name, which may hold anything: the state first, and the start in ticks since the system's.
    return None if words[0] in "ZX" else words[19]


def born_by_ps(pid: int) -> str | None:
    """The same where there is no ``/proc``."""
    with suppress(OSError):
        told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return told.stdout.strip() or None
    return "unknown"


def system() -> str:
    """Where numbers of processes mean the same: the computer since its start, and its name space of processes."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def parent() -> int:
    """The process that this one works for: the one it was told of, or the one that started it."""
    return int(os.environ.get(PARENT) or os.getppid())


def orphaned(pid: int) -> bool:
    """Whether ``pid``, which started this process, has ended since."""
    return os.getppid() != pid


def end_with(pid: int) -> None:
    """End this process within a second of its parent's end, whatever it is doing: all writes are atomic.

    A parent that has ended already ends it at once.
    """
    if orphaned(pid):
        os._exit(1)

    def watch() -> None:
        while not orphaned(pid):
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
