"""Run directories as values: taken along to a computer that does not see the study's disk, and brought home again."""

from contextlib import suppress
from pathlib import Path

from fbgd.runs.directory import RunDirectory, write_atomically
from fbgd.runs.lock import held
from fbgd.runs.tracking import STATE

Files = dict[str, bytes]


def pack(folder: Path) -> Files:
    """The files of a run directory by their names; none where there is no folder yet.

    The summary is read first: a run that has one has written everything else.
    """
    directory = RunDirectory(folder)
    names = [path for path in folder.rglob("*") if path.is_file() and carried(path, directory)]
    files = {}
    for path in sorted(names, key=lambda path: path != directory.summary):
        # A file may be replaced by its successor between two looks.
        with suppress(FileNotFoundError):
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return files


def carried(path: Path, directory: RunDirectory) -> bool:
    """Whether a file belongs to the run, a tracker's state too: no lock, and nothing that is just being written."""
    return path in (directory.plan, directory.path / STATE) or not path.name.startswith(".")


def unpack(files: Files, folder: Path) -> None:
    """Write the files of a run directory, its summary last; one that is finished is left as it is.

    Raises:
        TimeoutError: another process is at work in it.
        ValueError: a name leads out of the folder.
    """
    if not files:
        return
    directory = RunDirectory(folder)
    for name in files:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name!r} leads out of {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, "is running this experiment"):
        if directory.read_summary() is not None:
            return
        for name in sorted(files, key=lambda name: name == directory.summary.name):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, files[name])
