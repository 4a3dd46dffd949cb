"""Executing a study's rungs: what all studies plan with, and what comes out."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fbgd.config.data import read_arrays
from fbgd.errors import ConfigError, nearest
from fbgd.runs.devices import visible_devices
from fbgd.runs.launch import Cluster, Worker, end, launch, start_ahead
from fbgd.runs.plan import PlannedRun, Rung, plan
from fbgd.runs.signals import exit_status

MOST_SEEDS = 10_000


@dataclass
class Outcome:
    """What a study's runs came to.

    Args:
        planned: the runs that count.
        searched: the search's runs, a row a candidate; empty without tuning.
        measurements: of a study without runs; others have a ``measure``.
        rungs: the settings that were run in the end; ``None``: those that were asked for.
    """

    planned: list[PlannedRun]
    searched: pd.DataFrame = field(default_factory=pd.DataFrame)
    measurements: pd.DataFrame = field(default_factory=pd.DataFrame)
    rungs: list[Rung] | None = None


@dataclass
class Execution:
    """Plans rungs, runs them, and knows whether anything was interrupted.

    Args:
        preset: of the study.
        seeds: so many, at least one.
        overrides: the user's words for all runs.
        pool: the folder whose ``runs/`` they go to.
        workers: processes at a time.
        only: names of settings, or their beginnings: all others are left as they are; none for all.
        folder: the study's own, for what it keeps there itself; by default the pool.
        limit: seconds that a run may take.
        devices: the GPUs that workers are dealt to.
        cluster: executes the runs in place of workers of this computer.
        earlier: rows of finished runs by identity, see :mod:`fbgd.studies.reuse`.

    Raises:
        ConfigError: fewer than one seed, or more than anybody waits for.
    """

    preset: Any
    seeds: int
    overrides: Sequence[str]
    pool: Path
    workers: int
    only: list[str] = field(default_factory=list)
    folder: Path | None = None
    limit: float | None = None
    devices: Sequence[str] = ()
    cluster: Cluster | None = None
    earlier: Mapping[str, dict[str, object]] = field(default_factory=dict)
    finished: bool = True
    status: int = 1
    idle: list[Worker] | None = None

    def __post_init__(self):
        if self.seeds < 1:
            raise ConfigError(f"--seeds = {self.seeds} must be at least 1")
        if self.seeds > MOST_SEEDS:
            raise ConfigError(f"--seeds = {self.seeds} must be at most {MOST_SEEDS:,}")

    def plan(
        self, rungs: Sequence[Rung], seeds: Sequence[int] | None = None, among: Sequence[Rung] = ()
    ) -> list[PlannedRun]:
        """The runs of ``rungs``, some ``among`` all; only planned, with the seeds from 0 on where none are given."""
        seeds = range(self.seeds) if seeds is None else seeds
        return plan(list(rungs), self.overrides, seeds, self.pool, among, self.earlier)

    def run(self, rungs: Sequence[Rung], seeds: Sequence[int] | None = None) -> list[PlannedRun]:
        """The runs of ``rungs``, executed as far as they are not done; after an interruption nothing more is begun."""
        return self.execute(self.plan(rungs, seeds))

    def execute(self, planned: list[PlannedRun]) -> list[PlannedRun]:
        """Execute those planned runs that are wanted and not done."""
        wanted = [run for run in planned if self.wanted(run.rung)]
        if not wanted and planned:
            names = dict.fromkeys(run.rung for run in planned)
            raise ConfigError(f"--only {self.only[0]!r} fits no setting; {nearest(self.only[0], names)}")
        if self.finished:
            # Whether a run is done is read from its files.
            todo = [run for run in wanted if not run.done]
            if self.idle is not None and self.cluster is None and not self.devices:
                start_ahead(self.idle, todo, self.workers)
            make_data(todo)
            try:
                launch(wanted, self.workers, self.idle, self.limit, self.devices, self.cluster)
            except KeyboardInterrupt as interruption:
                print("\ninterrupted: the same command goes on from the last checkpoints", file=sys.stderr)
                self.finished, self.status = False, exit_status(interruption)
        return planned

    @contextmanager
    def kept_workers(self) -> Iterator[None]:
        """Within it the workers of one :meth:`execute` wait for the next, which need not start its own."""
        self.idle = []
        try:
            yield
        finally:
            end(self.idle)
            self.idle = None
            if self.cluster is not None:
                self.cluster.close()

    def wanted(self, rung: str) -> bool:
        """Whether the runs of a setting are to be executed, by ``only``: whole names or beginnings, of any case."""
        return not self.only or rung.lower().startswith(tuple(word.lower() for word in self.only))


def check_only(only: list[str], names: Sequence[str]) -> None:
    """Raise :class:`ConfigError` when a word of ``--only`` begins no setting's name."""
    for word in only:
        if not word.strip():
            raise ConfigError(f"--only {word!r} names nothing; {nearest(word, names)}")
        if not any(name.lower().startswith(word.lower()) for name in names):
            raise ConfigError(f"--only {word!r} fits no setting; {nearest(word, names)}")


def refuse_only(only: list[str], study: str) -> None:
    """Raise :class:`ConfigError` when ``--only`` was given to a study that keeps no runs."""
    if only:
        raise ConfigError(f"--only: {study} keeps no runs, so there are none to choose among")


def check_folder(out: Path) -> None:
    """Raise :class:`ConfigError` unless ``out`` is a folder that can be written to, or can be made."""
    place = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not place.is_dir():
        raise ConfigError(f"--out {out}: {place} is a file; name a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(f"--out {out}: {place} is not writable; name another folder")


def make_data(planned: list[PlannedRun]) -> None:
    """Read a study's data once before its workers do, if one of them will: what is missing is said here.

    Raises:
        ValueError: it is not there, or no data.
    """
    if not all(run.done for run in planned):
        read_arrays(planned[0].config)


def places(workers: int | None, runs_per_gpu: int | None) -> tuple[int, tuple[str, ...]]:
    """How many processes run at a time, and the GPUs that they are dealt to.

    Args:
        workers: of ``--workers``; by default one a core, or one a GPU where there are some.
        runs_per_gpu: of ``--runs-per-gpu``, which says the same in another way.

    Raises:
        ConfigError: both are said, there is no GPU, or a number is less than 1.
    """
    import torch

    devices = visible_devices(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    if runs_per_gpu is not None:
        if runs_per_gpu < 1:
            raise ConfigError(f"--runs-per-gpu = {runs_per_gpu} must be at least 1")
        if workers is not None:
            raise ConfigError(f"--runs-per-gpu {runs_per_gpu} says the number of --workers; leave one of them out")
        if not devices:
            raise ConfigError(f"--runs-per-gpu {runs_per_gpu}: no GPU is seen here")
        return runs_per_gpu * len(devices), devices
    return workers if workers is not None else len(devices) or os.cpu_count() or 1, devices
