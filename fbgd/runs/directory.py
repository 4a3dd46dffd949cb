"""The directory of one run: what files it has, written whole or not at all, and whose it is.

config.yaml      the whole configuration
metrics.csv      a row per record
checkpoint.pt    model, optimizer, progress and the rows so far; checkpoint.previous.pt is the one before it
summary.json     written last: a directory with it is a finished run
error.txt        why the last attempt of a study failed, until one succeeds
"""

import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from fbgd.config.schema import Config, to_dict
from fbgd.config.yaml_file import read_values
from fbgd.errors import ConfigError
from fbgd.runs import summary as summaries
from fbgd.runs.lock import held
from fbgd.runs.provenance import differences, identity, science

# Where runs go that belong to no study, unless another folder is named.
RUNS = Path("runs")
# What :func:`write_temporary` calls its files: by the file and the process.
TEMPORARY = r"\..+\.\d+"
# What every checkpoint has had from the first version on.
CHECKPOINT = ("model", "optimizer", "monitor", "progress", "rows", "identity", "content_hash")


class RunDirectory:
    """The files of a run: atomic writes, and reads that tell a damaged file from a missing one."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.csv"
        self.checkpoint = self.path / "checkpoint.pt"
        self.previous = self.path / "checkpoint.previous.pt"
        self.summary = self.path / "summary.json"
        self.error = self.path / "error.txt"
        self.plan = self.path / ".plan.json"
        # Only a checkpoint that is known to be good may become the one before.
        self._intact = False

    def read_summary(self, identity: str | None = None) -> dict | None:
        """The summary of a finished run, ``None`` for any other, and where it cannot be believed.

        Args:
            identity: of the run, where it is known.
        """
        summary, problem = self.check_summary(identity)
        return None if problem else summary

    def check_summary(self, identity: str | None = None) -> tuple[dict | None, str | None]:
        """The summary of a finished run, and what is wrong with it in words; see :func:`fbgd.runs.summary.read`."""
        summary, problem = summaries.read(self.summary)
        if summary is not None and problem is None and identity not in (None, summary["identity"]):
            problem = "is of another experiment, by its identity"
        return summary, problem and f"{self.summary} {problem}"

    def read_config(self) -> dict[str, Any]:
        """The whole configuration of the run, as its file has it; nothing that it names is imported.

        Raises:
            ConfigError: the file is damaged.
            FileNotFoundError: it is not there.
        """
        return read_values(self.config)

    def write_checkpoint(self, state: dict) -> None:
        """Write a checkpoint; the one before it is kept until the next."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        temporary = write_temporary(self.checkpoint, buffer.getvalue())
        if self._intact:
            os.replace(self.checkpoint, self.previous)
        os.replace(temporary, self.checkpoint)
        sync_folder(self.path)
        self._intact = True

    def clean(self) -> None:
        """Remove what a crash left behind while writing; only for whoever holds the directory's lock."""
        remove_leftovers(self.path)

    def read_checkpoint(self, warn: Callable[[str], None]) -> dict | None:
        """The newest intact checkpoint; ``warn`` hears of damaged ones. ``None``: there is none."""
        return next(self.checkpoints(warn), None)

    def checkpoints(self, warn: Callable[[str], None]) -> Iterator[dict]:
        """The intact checkpoints, the newest first; ``warn`` hears of damaged ones.

        Whoever asks for the next one has found that the one before cannot be resumed from.
        """
        for path in (self.checkpoint, self.previous):
            if not path.exists():
                continue
            try:
                # torch.load does not look at the archive's checksums.
                with zipfile.ZipFile(path) as archive:
                    if (damaged := archive.testzip()) is not None:
                        raise ValueError(f"checksum of {damaged} is wrong")
                state = torch.load(path, weights_only=True, map_location="cpu")
                if absent := [name for name in CHECKPOINT if not isinstance(state, dict) or name not in state]:
                    raise ValueError(f"it has no {absent[0]}")
            except Exception as error:  # noqa: BLE001 - a damaged file can fail anywhere
                # PyTorch's reasons are long.
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                warn(f"{path} is damaged ({reason}); going back to the checkpoint before it, or to the start")
                continue
            self._intact = path == self.checkpoint
            yield state
            self._intact = False


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace ``path`` by ``content`` such that no reader, and no crash, ever meets a part of it."""
    os.replace(write_temporary(path, content.encode() if isinstance(content, str) else content), path)
    sync_folder(path.parent)


def write_temporary(path: Path, content: bytes) -> Path:
    """Write ``content`` to a hidden file beside ``path``, down to the disk, and return that file.

    Raises:
        OSError: it cannot be written; the error names ``path``, and nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None
    return temporary


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writes that a crash ended; only for whoever holds the folder's lock."""
    for path in folder.glob(".*"):
        if re.fullmatch(TEMPORARY, path.name):
            path.unlink(missing_ok=True)


def default_folder(config: Config) -> Path:
    """The directory of a run that belongs to no study, named by its data and its identity."""
    return RUNS / f"{config.data.name}-{identity(config)[:10]}"


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder down to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def opened(config: Config, path: Path | str) -> Iterator[RunDirectory]:
    """The directory ``path``, made when missing and locked, once it is sure to be that of ``config``."""
    directory = RunDirectory(path)
    directory.path.mkdir(parents=True, exist_ok=True)
    with held(directory.path, "is running this experiment"):
        check_same(config, directory)
        yield directory


def check_same(config: Config, directory: RunDirectory) -> None:
    """Raise :class:`ConfigError` when the directory holds another experiment than ``config``.

    Where its ``config.yaml`` is damaged or gone, its checkpoint says whose it is.
    """
    # What the configuration names is loaded first: then the file's classes are known, as far as they are the same.
    own = identity(config)
    try:
        present = science(directory.read_config())
    except (FileNotFoundError, ConfigError, KeyError, TypeError, AttributeError):
        state = directory.read_checkpoint(lambda text: None)
        changes = [] if state is None or state["identity"] == own else ["by its checkpoint"]
    else:
        changes = differences(present, science(to_dict(config)))
    if changes:
        raise ConfigError(
            f"{directory.path} holds another experiment (there -> here: {'; '.join(changes)}); choose another directory"
        )
