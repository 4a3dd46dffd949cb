"""One run in one directory: skipped when done, resumed when cut off, never half written.

config.yaml      the whole configuration
metrics.csv      a row per record
checkpoint.pt    model, optimizer, progress and the rows so far; checkpoint.previous.pt is the one before it
summary.json     written last: a directory with it is a finished run
error.txt        why the last attempt of a study failed, until one succeeds
"""

import io
import json
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from filelock import FileLock, Timeout
from omegaconf import OmegaConf
from torch import Tensor

from fbgd.config.build import Built, build
from fbgd.config.schema import Config, to_dict
from fbgd.data import Dataset
from fbgd.engine.experiment import Experiment, Progress
from fbgd.engine.record import Row
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from fbgd.runs.provenance import differences, environment, identity, science, target_packages

# How long to wait for another process to let go of a run directory: a worker whose study was killed ends in a second.
LOCK_SECONDS = 20


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
        # Only a checkpoint that is known to be good may become the one before.
        self._intact = False

    def read_summary(self) -> dict | None:
        """The summary of a finished run, ``None`` for any other."""
        try:
            return json.loads(self.summary.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def write_checkpoint(self, state: dict) -> None:
        """Write a checkpoint; the one before it is kept until the next."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        temporary = write_temporary(self.checkpoint, buffer.getvalue())
        if self._intact:
            os.replace(self.checkpoint, self.previous)
        os.replace(temporary, self.checkpoint)
        self._intact = True

    def clean(self) -> None:
        """Remove what a crash left behind while writing; only for whoever holds the directory's lock."""
        for name in (self.checkpoint, self.metrics, self.summary, self.config):
            for leftover in self.path.glob(f".{name.name}.*"):
                leftover.unlink()

    def read_checkpoint(self, warn: Callable[[str], None]) -> dict | None:
        """The newest intact checkpoint; ``warn`` hears of damaged ones. ``None``: there is none."""
        for path in (self.checkpoint, self.previous):
            if not path.exists():
                continue
            try:
                # torch.load does not look at the archive's checksums.
                if (damaged := zipfile.ZipFile(path).testzip()) is not None:
                    raise ValueError(f"checksum of {damaged} is wrong")
                state = torch.load(path, weights_only=True, map_location="cpu")
                self._intact = path == self.checkpoint
                return state
            except Exception as error:  # noqa: BLE001 - a damaged file can fail anywhere
                warn(f"{path} is damaged ({error}); going back to the checkpoint before it, or to the start")
        return None


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace ``path`` by ``content`` such that no reader, and no crash, ever meets a part of it."""
    os.replace(write_temporary(path, content.encode() if isinstance(content, str) else content), path)


def write_temporary(path: Path, content: bytes) -> Path:
    """Write ``content`` to a hidden file beside ``path``, down to the disk, and return that file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def execute(
    config: Config,
    path: Path | str,
    on_row: Callable[[Row, int], None] = lambda row, steps: None,
    warn: Callable[[str], None] = print,
) -> dict:
    """Run ``config`` in the directory ``path``: skip it when done, resume it when cut off.

    Args:
        config: the experiment.
        path: made when missing. It must be empty or hold this very experiment.
        on_row: called with every recorded row and the run's number of steps.
        warn: hears of damaged checkpoints.

    Returns:
        The run's summary.

    Raises:
        ConfigError: the directory holds another experiment.
        TimeoutError: another process is at work in it.
    """
    with opened(config, path) as directory:
        if (summary := directory.read_summary()) is not None:
            return summary
        attempt = Attempt(config, directory, on_row, warn)
        train(attempt.built.experiment, attempt.progress, attempt.record)
        return attempt.finish()


@contextmanager
def opened(config: Config, path: Path | str) -> Iterator[RunDirectory]:
    """The directory ``path``, made when missing and locked, once it is sure to be that of ``config``."""
    directory = RunDirectory(path)
    directory.path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory.path / ".lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise TimeoutError(f"{directory.path}: another process is running this experiment") from None
    try:
        check_same(config, directory)
        yield directory
    finally:
        lock.release()


def check_same(config: Config, directory: RunDirectory) -> None:
    """Raise :class:`ConfigError` when the directory holds another experiment than ``config``."""
    if not directory.config.exists():
        return
    held = OmegaConf.to_container(OmegaConf.load(directory.config))
    found = differences(science(held), science(to_dict(config)))
    if found:
        raise ConfigError(
            f"{directory.path} holds another experiment (there -> here: {'; '.join(found)}); "
            "choose another directory, or delete this one"
        )


class Attempt:
    """One start of a run: from its newest checkpoint, or from the beginning, to its summary.

    Args:
        config: the experiment.
        directory: its directory, whose lock the caller holds.
        on_row: called with every recorded row and the run's number of steps.
        warn: hears of damaged checkpoints.
        dataset: its data, where they are loaded already.
        blocks_per_call: what to take for ``auto`` in a run that has not begun.

    Raises:
        ConfigError: the run was begun with other data.
    """

    def __init__(
        self,
        config: Config,
        directory: RunDirectory,
        on_row: Callable[[Row, int], None],
        warn: Callable[[str], None],
        dataset: Dataset | None = None,
        blocks_per_call: int | None = None,
    ):
        self.config, self.directory, self.on_row, self.warn = config, directory, on_row, warn
        directory.clean()
        state = directory.read_checkpoint(warn)
        if state is not None and state["identity"] != identity(config):
            warn(f"{directory.checkpoint} belongs to another experiment; starting over")
            state = None
        plan = directory.path / ".plan.json"
        chosen = json.loads(plan.read_text())["blocks_per_call"] if plan.exists() else blocks_per_call
        self.built = build(config, chosen, dataset)
        # A resumed run must sum in the same order, so the choice is kept from the first moment on.
        write_atomically(plan, json.dumps({"blocks_per_call": self.built.facts["blocks_per_call"]}))
        write_atomically(directory.config, OmegaConf.to_yaml(OmegaConf.create(to_dict(config))))
        self.rows: list[Row] = []
        self.progress = Progress()
        self.together = 1
        content_hash = self.built.facts["content_hash"]
        if state is not None and state["content_hash"] != content_hash:
            raise ConfigError(
                f"{directory.path} was begun with other data (content hash {state['content_hash'][:12]}, "
                f"now {content_hash[:12]}): restore the data files, or delete the directory"
            )
        if state is not None:
            restore(self.built.experiment, state)
            self.progress, self.rows = Progress(**state["progress"]), state["rows"]
            self.together = state.get("together", 1)
        self.saved = time.monotonic()

    @property
    def ended(self) -> bool:
        """Whether there are no more steps to take."""
        return self.progress.diverged or self.progress.stopped or self.progress.step == self.built.experiment.steps

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self.saved >= self.config.impl.checkpoint_seconds

    def record(self, row: Row, progress: Progress, due: bool | None = None) -> None:
        """Keep a row, and write a checkpoint when the run has ended or one is ``due``, by default by its own clock."""
        self.rows.append(row)
        if self.ended or (self.due if due is None else due):
            self.save()
        self.on_row(row, self.built.experiment.steps)

    def save(self) -> None:
        """Write the metrics so far and a checkpoint."""
        write_atomically(self.directory.metrics, pd.DataFrame(self.rows).to_csv(index=False))
        state = snapshot(self.built.experiment, self.progress, self.rows)
        about = {"identity": identity(self.config), "content_hash": self.built.facts["content_hash"]}
        self.directory.write_checkpoint({**state, **about, "together": self.together})
        self.saved = time.monotonic()

    def finish(self) -> dict:
        """Write and return the summary of a run that has ended."""
        if self.built.experiment.monitor.never_averaged:
            self.warn("the run ended before any weights were averaged: what is evaluated are the last weights")
        summary = summarise(self.config, self.built, self.progress, self.rows)
        if self.together > 1:
            summary["together"] = self.together
        write_atomically(self.directory.summary, json.dumps(summary, indent=2) + "\n")
        self.directory.previous.unlink(missing_ok=True)
        return summary


def snapshot(experiment: Experiment, progress: Progress, rows: list[Row]) -> dict:
    """All state of a run between two steps."""
    holders = {"model": experiment.model, "optimizer": experiment.optimizer, "monitor": experiment.monitor}
    states = {name: without_views(holder.state_dict()) for name, holder in holders.items()}
    return {**states, "progress": vars(progress).copy(), "rows": rows}


def without_views(state):
    """The same state, in which views into larger tensors are tensors of their own: they would be saved whole."""
    if isinstance(state, Tensor):
        return state.clone() if state.untyped_storage().nbytes() > state.nbytes else state
    if isinstance(state, dict):
        return {key: without_views(value) for key, value in state.items()}
    return [without_views(value) for value in state] if isinstance(state, list) else state


def restore(experiment: Experiment, state: dict) -> None:
    """Bring model, optimizer and monitor to a snapshot's point."""
    experiment.model.load_state_dict(state["model"])
    experiment.optimizer.load_state_dict(state["optimizer"])
    experiment.monitor.load_state_dict(state["monitor"])


def summarise(config: Config, built: Built, progress: Progress, rows: list[Row]) -> dict:
    """What the summary file holds: the last row, the costs, the facts and the provenance."""
    last = rows[-1]
    return {
        "status": "diverged" if progress.diverged else "done",
        "identity": identity(config),
        "seed": config.seed,
        **{key: value if math.isfinite(value) else None for key, value in last.items()},
        "steps": progress.step,
        **built.facts,
        **environment(target_packages(to_dict(config))),
    }
