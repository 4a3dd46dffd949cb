"""A disk under a program that crashes: before, in the middle of and after every change of a file.

What a killed process leaves is what it wrote. A power cut takes more: content that was not brought to the disk, and
names that were not, the last ones first, as a file system with a journal loses them.
"""

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fbgd.runs import directory

OPEN, FSYNC, REPLACE, UNLINK, MKDIR = open, os.fsync, os.replace, os.unlink, os.mkdir


class Crash(BaseException):
    """In place of the end of the process; nothing catches it."""


@dataclass
class Disk:
    """Every change of a file below ``root``, counted; at the ``at``-th point nothing more happens.

    Args:
        root: what is looked at.
        at: the point of the crash; ``None``: there is none.
        on_point: called at every point.
        points: names of all points so far.
        unsynced: files whose content is not on the disk.
        undo: changes of names that are not, in their order: what takes each back in a copy of ``root``.
    """

    root: Path
    at: int | None = None
    on_point: Callable[["Disk"], None] = lambda disk: None
    points: list[str] = field(default_factory=list)
    unsynced: set[Path] = field(default_factory=set)
    undo: list[tuple[Path, dict[Path, bytes | None]]] = field(default_factory=list)
    dead: bool = False

    def point(self, name: str) -> None:
        """A point at which the process may end."""
        if self.dead:
            raise Crash
        self.points.append(name)
        self.on_point(self)
        if len(self.points) - 1 == self.at:
            self.dead = True
            raise Crash

    def around(self, name: str, change) -> None:
        """A change, with a point before and one after it."""
        self.point(f"before {name}")
        change()
        self.point(f"after {name}")

    def write(self, path: Path, content: bytes, change) -> None:
        """A write, which may also end in its middle."""
        self.point(f"before write {path.name}")
        with OPEN(path, "wb") as file:
            file.write(content[: len(content) // 2])
        self.unsynced.add(path)
        self.point(f"within write {path.name}")
        change()
        self.point(f"after write {path.name}")

    def open(self, path, mode="r", **options):
        """The built-in of :mod:`fbgd.runs.directory`, which writes whole files only."""
        if "w" not in mode or not self.has(path):
            return OPEN(path, mode, **options)
        self.point(f"before open {Path(path).name}")
        return File(self, Path(path), OPEN(path, mode, **options))

    def write_text(self, path, text, **options):
        """``Path.write_text``."""
        content = text.encode()
        self.write(path, content, lambda: directory_write(path, content))

    def fsync(self, descriptor: int) -> None:
        """``os.fsync`` of a file, or of a folder for the names in it."""
        status = os.fstat(descriptor)
        known = [path for path in self.unsynced if same(path, status)]
        if not known and not stat.S_ISDIR(status.st_mode):
            FSYNC(descriptor)
            return

        def change() -> None:
            self.unsynced -= set(known)
            self.undo = [entry for entry in self.undo if not same(entry[0], status)]

        self.around(f"fsync {known[0].name if known else 'folder'}", change)

    def replace(self, source, target) -> None:
        """``os.replace``."""
        if not self.has(target):
            REPLACE(source, target)
            return
        source, target = Path(source), Path(target)

        def change() -> None:
            self.undo.append((target.parent, {path: content_of(path) for path in (target, source)}))
            REPLACE(source, target)
            self.unsynced.discard(target)
            if source in self.unsynced:
                self.unsynced ^= {source, target}

        self.around(f"replace {target.name}", change)

    def unlink(self, path, **options) -> None:
        """``os.unlink``; a process that is gone removes nothing."""
        path = Path(path)
        if not self.has(path) or not path.exists():
            UNLINK(path, **options)
        elif not self.dead:

            def change() -> None:
                self.undo.append((path.parent, {path: content_of(path)}))
                UNLINK(path, **options)

            self.around(f"unlink {path.name}", change)

    def mkdir(self, path, *arguments, **options) -> None:
        """``os.mkdir``."""
        if not self.has(path) or Path(path).exists():
            MKDIR(path, *arguments, **options)
        else:
            self.around("mkdir", lambda: MKDIR(path, *arguments, **options))

    def has(self, path) -> bool:
        """Whether a path is below ``root``; of numbers of open files nothing is known."""
        return not isinstance(path, int) and Path(path).is_relative_to(self.root)

    def copy(self, target: Path, lost: int | None = None) -> Path:
        """What is there after the crash.

        Args:
            target: a new folder for it.
            lost: so many changes of names were lost with the power, the last ones, and all unsynced content;
                ``None``: the process was killed, and the system wrote everything.
        """
        shutil.copytree(self.root, target)
        if lost is not None:
            for path in self.unsynced & set(self.root.rglob("*")):
                moved = target / path.relative_to(self.root)
                moved.write_bytes(moved.read_bytes()[: moved.stat().st_size // 2])
            for _, contents in reversed(self.undo[len(self.undo) - lost :]):
                for path, content in contents.items():
                    moved = target / path.relative_to(self.root)
                    moved.unlink(missing_ok=True) if content is None else moved.write_bytes(content)
        return target


class File:
    """An open file of a :class:`Disk`."""

    def __init__(self, disk: Disk, path: Path, file):
        self.disk, self.path, self.file = disk, path, file

    def write(self, content: bytes) -> None:
        def change() -> None:
            self.file.write(content)
            self.file.flush()

        self.disk.write(self.path, content, change)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


def directory_write(path: Path, content: bytes) -> None:
    """Write a file, past all disks."""
    with OPEN(path, "wb") as file:
        file.write(content)


def content_of(path: Path) -> bytes | None:
    """A file's content; ``None`` where there is none."""
    return path.read_bytes() if path.exists() else None


def same(path: Path, status: os.stat_result) -> bool:
    """Whether a path leads to what an open descriptor is of."""
    return path.exists() and os.path.samestat(path.stat(), status)


@contextmanager
def crashing(disk: Disk, monkeypatch):
    """All changes of files go through ``disk``."""
    with monkeypatch.context() as patch:
        patch.setattr(directory, "open", disk.open, raising=False)
        patch.setattr(Path, "write_text", lambda path, *arguments, **options: disk.write_text(path, *arguments))
        for name in ("fsync", "replace", "unlink", "mkdir"):
            patch.setattr(os, name, getattr(disk, name))
        yield
