"""One start of a run in its directory: skipped when done, resumed when cut off, summarised at its end."""

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from fbgd.config.build import Built, build
from fbgd.config.schema import Config, to_dict
from fbgd.data import Dataset
from fbgd.engine.experiment import Member, Progress
from fbgd.engine.ranks import ALONE, Ranks
from fbgd.engine.record import Row, is_complete
from fbgd.engine.train import train_members
from fbgd.errors import ConfigError
from fbgd.runs import summary as summaries
from fbgd.runs.directory import RunDirectory, opened, write_atomically
from fbgd.runs.provenance import environment, identity, target_packages
from fbgd.runs.signals import StopRequest
from fbgd.runs.snapshots import restore, snapshot
from fbgd.runs.tracking import STATE, Tracking

OnRow = Callable[[Row, int], None]
Warn = Callable[[str], None]


def execute(
    config: Config,
    path: Path | str,
    on_row: OnRow = lambda row, steps: None,
    warn: Warn = print,
    stop: StopRequest | None = None,
) -> dict:
    """Run ``config`` in the directory ``path``: skip it when done, resume it when cut off.

    Args:
        config: the experiment.
        path: made when missing. It must be empty or hold this very experiment.
        on_row: called with every recorded row and the run's number of steps.
        warn: hears of damaged checkpoints.
        stop: says when to stop before the end, with a checkpoint; ``None``: never.

    Returns:
        The run's summary.

    Raises:
        ConfigError: the directory holds another experiment.
        Interrupted: it was asked to stop, and has.
        TimeoutError: another process is at work in it.
    """
    with opened(config, path) as directory:
        if (summary := believed(config, directory, warn)) is not None:
            return summary
        attempt = begin(config, directory, on_row, warn)
        train_members(attempt.built.experiment, [attempt.member(attempt.record)], stop or (lambda: False))
        if stop is not None and not attempt.ended:
            stop.check()
        return attempt.finish()


def believed(config: Config, directory: RunDirectory, warn: Warn) -> dict | None:
    """The summary of a run that is finished; ``warn`` hears of one that is not to be believed."""
    summary, problem = directory.check_summary(identity(config))
    if problem is None:
        return summary
    source = "the checkpoint" if directory.checkpoint.exists() or directory.previous.exists() else "the beginning"
    warn(f"{problem}; it is made anew, from {source}")
    return None


def begin(
    config: Config,
    directory: RunDirectory,
    on_row: OnRow = lambda row, steps: None,
    warn: Warn = print,
    dataset: Dataset | None = None,
    blocks_per_call: int | None = None,
    ranks: Ranks = ALONE,
) -> "Attempt":
    """Start a run: from its newest checkpoint, or from the beginning.

    Args:
        config: the experiment.
        directory: its directory, whose lock the caller holds.
        on_row: called with every recorded row and the run's number of steps.
        warn: hears of damaged checkpoints.
        dataset: its data, where they are loaded already.
        blocks_per_call: what to take for ``auto`` in a run that has not begun.
        ranks: the processes that it is dealt to.

    Raises:
        ConfigError: the run was begun with other data.
    """
    directory.clean()
    for state in directory.checkpoints(warn):
        if state["identity"] != identity(config):
            warn(f"{directory.path} has a checkpoint of another experiment; going back to the one before it")
            continue
        attempt = prepare(config, directory, on_row, warn, dataset, blocks_of(directory, state, warn), ranks)
        try:
            attempt.resume(state)
        except ConfigError:
            raise
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            warn(f"{directory.path} has a checkpoint that does not fit ({reason}); going back to the one before it")
            continue
        return attempt
    # From the beginning: also in the tracker.
    (directory.path / STATE).unlink(missing_ok=True)
    blocks_per_call = blocks_of(directory, {}, warn) or blocks_per_call
    return prepare(config, directory, on_row, warn, dataset, blocks_per_call, ranks)


def prepare(
    config: Config,
    directory: RunDirectory,
    on_row: OnRow,
    warn: Warn,
    dataset: Dataset | None,
    blocks_per_call: int | None,
    ranks: Ranks = ALONE,
) -> "Attempt":
    """A run at its beginning; its configuration and what was chosen for it are written down."""
    built = build(config, blocks_per_call, dataset, ranks)
    # A resumed run must sum in the same order, so the choice is kept from the first moment on.
    write_atomically(directory.plan, json.dumps({"blocks_per_call": built.facts.blocks_per_call}))
    text = OmegaConf.to_yaml(OmegaConf.create(to_dict(config)))
    with suppress(FileNotFoundError):
        try:
            directory.read_config()
        except ConfigError as error:
            warn(f"{error}; it is written anew")
    write_atomically(directory.config, text)
    return Attempt(config, directory, built, on_row, warn, ranks=ranks.count)


def blocks_of(directory: RunDirectory, state: dict, warn: Warn) -> int | None:
    """The blocks per call that an earlier start chose: by its checkpoint, or by the file that is written before one."""
    if "blocks_per_call" in state:
        return state["blocks_per_call"]
    try:
        chosen = json.loads(directory.plan.read_bytes())["blocks_per_call"]
        if isinstance(chosen, int) and not isinstance(chosen, bool) and chosen >= 1:
            return chosen
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    warn(f"{directory.plan} is damaged: the blocks per call are chosen anew, which may change how numbers are rounded")
    return None


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
        ranks: the most processes that it was dealt to.
        tally: the means that were under way where it was paused.
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
    ranks: int = 1
    tally: dict = field(default_factory=dict)
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
                f"now {now[:12]}): restore the data files, or choose another directory"
            )
        restore(self.built.experiment, state)
        self.progress, self.rows = Progress.restored(state["progress"]), list(state["rows"])
        if not (self.rows or state.get("tally")) or not all(isinstance(row, dict) for row in self.rows):
            raise ValueError("its rows are missing")
        self.together, self.tally = state.get("together", 1), state.get("tally", {})
        self.ranks = max(self.ranks, state.get("ranks", 1))
        self.write_rows()

    def write_rows(self) -> None:
        """Write the rows so far."""
        if self.rows:
            write_atomically(self.directory.metrics, pd.DataFrame(self.rows).to_csv(index=False))

    def member(self, on_record: Callable[[Row, Progress], None], before_pause: Callable[[], None] = lambda: None):
        """The run as the training loop sees it; ``before_pause`` brings its optimizer up to date."""

        def on_pause(tally: dict) -> None:
            before_pause()
            self.tally = tally
            self.save()

        experiment = self.built.experiment
        return Member(experiment.model, experiment.monitor, self.progress, on_record, self.tally, on_pause)

    def record(self, row: Row, progress: Progress, due: bool | None = None) -> None:
        """Keep a row, and write a checkpoint when the run has ended or one is ``due``, by default by its own clock."""
        self.rows.append(row)
        self.tally = {}
        if is_complete(row) and (self.ended or (self.due if due is None else due)):
            self.save()
        self.on_row(row, self.built.experiment.steps)

    def save(self) -> None:
        """Write the metrics so far and a checkpoint."""
        self.write_rows()
        state = snapshot(self.built.experiment, self.progress, self.rows)
        about: dict[str, Any] = {"identity": identity(self.config), "content_hash": self.built.facts.content_hash}
        about["blocks_per_call"] = self.built.facts.blocks_per_call
        about |= {"together": self.together, "ranks": self.ranks, "tally": self.tally}
        self.directory.write_checkpoint({**state, **about})
        self.tracking.send(self.rows)
        self.saved = time.monotonic()

    def finish(self) -> dict:
        """Write and return the summary of a run that has ended."""
        if self.built.experiment.monitor.never_averaged:
            self.warn("the run ended before any weights were averaged: what is evaluated are the last weights")
        summary = summarise(self.config, self.built, self.progress, self.rows)
        for name, count in (("together", self.together), ("ranks", self.ranks)):
            summary |= {name: count} if count > 1 else {}
        self.write_rows()
        sealed = summaries.sealed(summary, self.directory.config, self.directory.metrics)
        # Nobody comes back to a finished run to remove it.
        self.directory.previous.unlink(missing_ok=True)
        write_atomically(self.directory.summary, sealed)
        self.tracking.send(self.rows)
        self.tracking.finish(summary)
        return summary


def summarise(config: Config, built: Built, progress: Progress, rows: list[Row]) -> dict:
    """What the summary file holds: the last row, the costs, the facts and the provenance."""
    last = rows[-1] | (progress.shares or {})
    return {
        "status": "diverged" if progress.diverged else "done",
        "identity": identity(config),
        "seed": config.seed,
        **{key: value if math.isfinite(value) else None for key, value in last.items()},
        "steps": progress.step,
        **built.facts.summary(),
        **environment(target_packages(to_dict(config))),
    }
