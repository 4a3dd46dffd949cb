"""Planning: rungs x seeds, each an independent run with a directory of its own."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from fbgd.config.build import check, work
from fbgd.config.compose import compose
from fbgd.config.groups import GROUPS
from fbgd.config.overrides import Override, overlay, parse
from fbgd.config.schema import Config, to_dict
from fbgd.errors import ConfigError
from fbgd.runs.directory import RunDirectory
from fbgd.runs.provenance import identity, science
from fbgd.runs.rows import FIXED, run_row, to_frame


@dataclass(frozen=True)
class Published:
    """A value from the literature, in percent; ``confirmed`` when it was read in two sources."""

    mean: float
    std: float
    confirmed: bool = True

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.std:.2f}{'' if self.confirmed else ' (recalled)'}"


@dataclass(frozen=True)
class Rung:
    """One setting of a study.

    Args:
        name: of the run directories, and for ``--only``.
        overrides: the words that make it.
        published: a value from the literature.
        labels: what tables group by, ``{"optimizer": "Adam", "regime": "full batch"}``; the name as ``rung`` for none.
    """

    name: str
    overrides: tuple[str, ...]
    published: Published | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "overrides", tuple(parse(self.overrides)))
        if not self.labels:
            object.__setattr__(self, "labels", {"rung": self.name})
        reserved = [key for key in self.labels if key in FIXED or "." in key]
        if reserved:
            raise ValueError(f"rung {self.name!r}: {reserved[0]!r} is no label, runs.csv has such a column already")


@dataclass(frozen=True)
class PlannedRun:
    """One rung at one seed: its labels, its configuration, its directory, and finished runs that need no directory."""

    rung: str
    labels: dict[str, str]
    config: Config
    path: Path
    earlier: Mapping[str, dict[str, object]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.config.seed

    @property
    def work(self) -> float:
        """Expected cost, in gradients of the whole training set."""
        return work(self.config)

    @cached_property
    def identity(self) -> str:
        """Of the run's configuration."""
        return identity(self.config)

    @property
    def done(self) -> bool:
        """Whether there is a summary that can be believed, or a row of an earlier table."""
        return self.identity in self.earlier or RunDirectory(self.path).read_summary(self.identity) is not None

    @property
    def row(self) -> dict[str, object]:
        """Labels, seed, status, final numbers, error, and every science setting, by the names of their columns."""
        settings = science(to_dict(self.config))
        made = run_row(RunDirectory(self.path), self.labels, self.seed, settings)
        return made if made["status"] in ("done", "diverged") else made | self.earlier.get(self.identity, {})


def plan(
    rungs: list[Rung],
    overrides: Sequence[str],
    seeds: int | Sequence[int],
    out: Path,
    among: Sequence[Rung] = (),
    earlier: Mapping[str, dict[str, object]] | None = None,
) -> list[PlannedRun]:
    """All runs of a study, seed by seed, so that a table over fewer seeds is complete early.

    Args:
        rungs: the settings.
        overrides: words for every rung. They win over the rung's own; a group chosen here replaces all that the rung
            says about it, and words about one regulariser apply to the rungs that have it.
        seeds: a number of them, from 0, or the seeds themselves.
        out: the study's folder; runs go to ``out/runs``, named by rung, seed and identity.
        among: all settings of the study, where these are some of them: one of them must have the regulariser that a
            word of ``overrides`` is about.
        earlier: rows of finished runs by identity, which stand in the place of runs.

    Raises:
        ConfigError: a setting is invalid, before anything is run.
        ValueError: fewer than one seed; rungs with other label names than the rest, or with equal labels.
    """
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    if not seeds:
        raise ValueError(f"--seeds = {len(seeds)} must be at least 1")
    check_labels(rungs)
    overrides = parse(overrides)
    for word in overrides:
        if (name := regularizer_of(word)) and not any(word in rung_words(rung, overrides) for rung in [*rungs, *among]):
            raise ConfigError(f"{word}: no rung has the regulariser {name!r}; choose it with regularizer={name}")
    columns = []
    for rung in rungs:
        config = compose(rung_words(rung, overrides))
        own = [replace(config, seed=seed) for seed in seeds]
        runs = [PlannedRun(rung.name, rung.labels, mine, run_path(rung.name, mine, out), earlier or {}) for mine in own]
        # What has ended was checked when it began; building an optimizer and a network takes seconds.
        if not all(run.done for run in runs):
            check(config)
        columns.append(runs)
    return [run for row in zip(*columns, strict=True) for run in row]


def run_path(name: str, config: Config, out: Path) -> Path:
    """The directory of a run of the rung ``name`` in the study's folder ``out``."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return out / "runs" / f"{slug}-seed{config.seed}-{identity(config)[:10]}"


def with_subset_of_seed(planned: list[PlannedRun], out: Path) -> list[PlannedRun]:
    """The same runs, each on the training subset and validation split of its own seed (``data.seed`` is its seed)."""
    runs = []
    for run in planned:
        config = replace(run.config, data=replace(run.config.data, seed=run.seed))
        runs.append(replace(run, config=config, path=run_path(run.rung, config, out)))
    return runs


def check_labels(rungs: list[Rung]) -> None:
    """Raise ``ValueError`` unless all rungs have the same label names, and no two the same labels."""
    for index, rung in enumerate(rungs):
        if list(rung.labels) != list(rungs[0].labels):
            raise ValueError(f"rung {rung.name!r} has the labels {list(rung.labels)}, not {list(rungs[0].labels)}")
        if rung.labels in [other.labels for other in rungs[:index]]:
            raise ValueError(f"two rungs have the labels {rung.labels}")


def rung_words(rung: Rung, overrides: list[Override]) -> list[Override]:
    """The rung's own words under the user's, without those about a regulariser that it does not have."""
    general = [word for word in overrides if regularizer_of(word) is None]
    words = overlay(parse(rung.overrides), general, GROUPS)
    special = [word for word in overrides if regularizer_of(word) is not None]
    if not special:
        return words
    present = compose(words).regularizer
    return words + [word for word in special if regularizer_of(word) in present]


def regularizer_of(word: Override) -> str | None:
    """The regulariser that a word like ``regularizer.gradient_penalty.radius=0.1`` is about, else ``None``."""
    parts = word.key.split(".")
    return parts[1] if parts[0] == "regularizer" and len(parts) > 2 else None


def collect(planned: list[PlannedRun]) -> pd.DataFrame:
    """One row a planned run."""
    return to_frame([run.row for run in planned], planned[0].labels)


def curves(planned: list[PlannedRun]) -> pd.DataFrame:
    """The recorded rows of all finished runs, with columns for their labels and ``seed``."""
    frames = []
    for run in planned:
        # Of an earlier version's runs it is not known whether their rows are still there.
        with suppress(OSError, ValueError):
            if run.done:
                frames.append(pd.read_csv(RunDirectory(run.path).metrics).assign(**run.labels, seed=run.seed))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*planned[0].labels, "seed"])
