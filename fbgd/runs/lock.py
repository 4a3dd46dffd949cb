"""The lock of a folder, which says who holds it and is broken when its holder is gone."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from fbgd.runs.processes import born, system

# How long to wait for another process to let go: a worker whose study was killed ends in a second.
LOCK_SECONDS = 20
AGAIN_SECONDS = 1


@contextmanager
def held(folder: Path, what: str, seconds: float | None = None) -> Iterator[None]:
    """Hold the lock of a folder.

    The system frees it when its holder ends. Where it does not (some network drives, a holder's own children), it is
    broken, if its holder is known to be gone: a process of this computer that is no longer there.

    Args:
        folder: which is there.
        what: another process does with it, for the message.
        seconds: to wait for another holder; ``None``: :data:`LOCK_SECONDS`.

    Raises:
        TimeoutError: another process holds it; the message says which.
    """
    path, holder = folder / ".lock", folder / ".holder"
    lock = FileLock(path, timeout=LOCK_SECONDS if seconds is None else seconds)
    try:
        lock.acquire()
    except Timeout:
        lock = _broken(path, holder, f"{folder}: another process {what}")
    try:
        # Held it is all the same, on a full disk too.
        with suppress(OSError):
            holder.write_text(json.dumps(_this_process()))
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _this_process() -> dict[str, object]:
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    own = {"pid": os.getpid(), "born": born(os.getpid())}
    return {**own, "host": socket.gethostname(), "system": system(), "since": since}


def read_holder(path: Path) -> dict:
    """Who holds the lock, as far as it is said; empty where it is not."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_gone(holder: dict) -> bool:
    """Whether a holder is known to be gone; of another computer nothing is known."""
    pid = holder.get("pid")
    return isinstance(pid, int) and holder.get("system") == system() and born(pid) != holder.get("born")


def _broken(path: Path, file: Path, problem: str) -> FileLock:
    """The lock at ``path``, taken from a holder that is gone.

    Raises:
        TimeoutError: it is not known to be.
    """
    before = read_holder(file)
    lock = FileLock(path, timeout=AGAIN_SECONDS)
    try:
        # Meanwhile another process may have got it, and not have said so yet.
        lock.acquire()
        return lock
    except Timeout:
        pass
    if not (is_gone(before) and read_holder(file) == before):
        who = f"process {before['pid']} on {before.get('host')} since {before.get('since')}" if before else ""
        hint = f" ({who}); wait for it, or end it" if who else ""
        raise TimeoutError(f"{problem}{hint}") from None
    path.unlink(missing_ok=True)
    lock = FileLock(path, timeout=AGAIN_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise TimeoutError(problem) from None
    return lock
