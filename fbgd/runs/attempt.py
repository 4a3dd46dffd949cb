"""One start of a run in its directory: skipped when done, resumed when cut off, summarised at its end."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf
from torch import Tensor

from fbgd.config.build import Built, build
from fbgd.config.schema import Config, to_dict
from fbgd.data import Dataset
from fbgd.engine.experiment import Experiment, Progress
from fbgd.engine.record import Row, is_complete
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from fbgd.runs.directory import RunDirectory, opened, write_atomically
from fbgd.runs.provenance import environment, identity, target_packages
from fbgd.runs.tracking import STATE, Tracking

OnRow = Callable[[Row, int], None]
Warn = Callable[[str], None]


def execute(
    config: Config,
    path: Path | str,
    on_row: OnRow = lambda row, steps: None,
    warn: Warn = print,
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
        attempt = begin(config, directory, on_row, warn)
        train(attempt.built.experiment, attempt.progress, attempt.record)
        return attempt.finish()


def begin(
    config: Config,
    directory: RunDirectory,
    on_row: OnRow = lambda row, steps: None,
    warn: Warn = print,
    dataset: Dataset | None = None,
    blocks_per_call: int | None = None,
) -> "Attempt":
    """Start a run: from its newest checkpoint, or from the beginning.

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
    directory.clean()
    state = directory.read_checkpoint(warn)
    if state is not None and state["identity"] != identity(config):
        warn(f"{directory.checkpoint} belongs to another experiment; starting over")
        state = None
    if state is None:
        (directory.path / STATE).unlink(missing_ok=True)
    plan = directory.path / ".plan.json"
    chosen = json.loads(plan.read_text())["blocks_per_call"] if plan.exists() else blocks_per_call
    built = build(config, chosen, dataset)
    # A resumed run must sum in the same order, so the choice is kept from the first moment on.
    write_atomically(plan, json.dumps({"blocks_per_call": built.facts.blocks_per_call}))
    write_atomically(directory.config, OmegaConf.to_yaml(OmegaConf.create(to_dict(config))))
    attempt = Attempt(config, directory, built, on_row, warn)
    if state is not None:
        attempt.resume(state)
    return attempt


@dataclass
class Attempt:
    """A run under way, between its start and its summary; :func:`begin` makes one.

    Args:
        config: the experiment.
        directory: its directory, whose lock the caller holds.
        built: the experiment as objects.
        on_row: called with every recorded row and the run's number of steps.
        warn: hears what a reader of the summary should know.
        progress: how far it is.
        rows: recorded so far.
        together: the most runs that it was trained together with, itself included.
        saved: when its last checkpoint was written, on the clock ``time.monotonic``.
    """

    config: Config
    directory: RunDirectory
    built: Built
    on_row: OnRow
    warn: Warn
    progress: Progress = field(default_factory=Progress)
    rows: list[Row] = field(default_factory=list)
    together: int = 1
    saved: float = field(default_factory=lambda: time.monotonic())
    tracking: Tracking = field(init=False)

    def __post_init__(self):
        self.tracking = Tracking(self.config, self.directory, self.warn)

    @property
    def ended(self) -> bool:
        """Whether there are no more steps to take."""
        return self.progress.diverged or self.progress.stopped or self.progress.step == self.built.experiment.steps

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self.saved >= self.config.impl.checkpoint_seconds

    def resume(self, state: dict) -> None:
        """Go on from a checkpoint.

        Raises:
            ConfigError: the run was begun with other data.
        """
        before, now = state["content_hash"], self.built.facts.content_hash
        if before != now:
            raise ConfigError(
                f"{self.directory.path} was begun with other data (content hash {before[:12]}, "
                f"now {now[:12]}): restore the data files, or delete the directory"
            )
        restore(self.built.experiment, state)
        self.progress, self.rows = Progress(**state["progress"]), state["rows"]
        self.together = state.get("together", 1)

    def record(self, row: Row, progress: Progress, due: bool | None = None) -> None:
        """Keep a row, and write a checkpoint when the run has ended or one is ``due``, by default by its own clock."""
        self.rows.append(row)
        if is_complete(row) and (self.ended or (self.due if due is None else due)):
            self.save()
        self.on_row(row, self.built.experiment.steps)

    def save(self) -> None:
        """Write the metrics so far and a checkpoint."""
        write_atomically(self.directory.metrics, pd.DataFrame(self.rows).to_csv(index=False))
        state = snapshot(self.built.experiment, self.progress, self.rows)
        about = {"identity": identity(self.config), "content_hash": self.built.facts.content_hash}
        self.directory.write_checkpoint({**state, **about, "together": self.together})
        self.tracking.send(self.rows)
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
        self.tracking.send(self.rows)
        self.tracking.finish(summary)
        return summary


def snapshot(experiment: Experiment, progress: Progress, rows: list[Row]) -> dict:
    """All state of a run between two steps."""
    holders: dict[str, Any] = {
        "model": experiment.model,
        "optimizer": experiment.optimizer,
        "monitor": experiment.monitor,
    }
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
        **built.facts.summary(),
        **environment(target_packages(to_dict(config))),
    }
