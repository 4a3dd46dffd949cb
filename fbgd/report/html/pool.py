"""Run directories of a study's folder: in its own ``runs/``, or in the ``runs/`` that it shares with others."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.runs.directory import RunDirectory
from fbgd.runs.provenance import science
from fbgd.runs.rows import run_row, to_frame

# Directories are named by setting, seed and the first digits of their identity.
NAMED = re.compile(r"(?P<setting>.+)-seed(?P<seed>\d+)-(?P<identity>[0-9a-f]{10})")
WANTED = ("passes", "loss", "test_accuracy", "test_loss", "learning_rate")


@dataclass(frozen=True)
class Unfinished:
    """A run without a result.

    Args:
        setting: its directory's name for what is run.
        seed: of the run.
        passes: done, when it was last saved.
        budget: passes in all.
        loss: the newest training loss; ``None`` before the first record.
        error: the last line of why it failed; empty where it has not.
    """

    setting: str
    seed: int
    passes: float
    budget: float
    loss: float | None
    error: str = ""

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return min(1.0, self.passes / self.budget) if self.budget > 0 else 0.0


def pools(folder: Path) -> list[Path]:
    """The folders that may hold a study's runs: its own first."""
    return [pool for pool in (folder / "runs", folder.parent / "runs") if pool.is_dir()]


def run_directories(folder: Path) -> dict[str, Path]:
    """All run directories that may be a study's, by the first ten digits of their identity."""
    found: dict[str, Path] = {}
    for pool in pools(folder):
        for path in sorted(pool.iterdir()):
            if match := NAMED.fullmatch(path.name):
                found.setdefault(match["identity"], path)
    return found


def read_metrics(path: Path) -> pd.DataFrame:
    """The columns of a run's recorded rows that curves are drawn of; none where nothing is recorded yet."""
    try:
        return pd.read_csv(RunDirectory(path).metrics, usecols=lambda name: name in WANTED)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return pd.DataFrame(columns=["passes"])


def read_settings(path: Path) -> dict:
    """The whole configuration of a run, nested; empty where it is not written yet."""
    config = RunDirectory(path).config
    return parsed(config, config.stat().st_mtime_ns) if config.exists() else {}


@lru_cache(maxsize=4096)
def parsed(path: Path, changed: int) -> dict:
    """The content of a run's ``config.yaml`` as it was at the time ``changed``.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return RunDirectory(path.parent).read_config()
    except ValueError as error:
        raise ValueError(f"{path} is no configuration of a run: {error}") from None


def runs_of_folder(folder: Path) -> Iterator[tuple[Path, re.Match[str], dict]]:
    """A folder's run directories, the parts of their names, and their settings.

    Runs of other data sets in a shared pool are left out: folders carry the name of their data set.
    """
    for path in run_directories(folder).values():
        match = NAMED.fullmatch(path.name)
        settings = read_settings(path)
        own = path.parent.parent == folder
        if match and settings and (own or settings["data"]["name"] in folder.name):
            yield path, match, settings


def unfinished(folder: Path) -> list[Unfinished]:
    """The runs of a folder that have no result yet."""
    found = []
    for path, match, settings in runs_of_folder(folder):
        directory = RunDirectory(path)
        if directory.summary.exists():
            continue
        rows = read_metrics(path)
        last = rows.iloc[-1] if len(rows) else {}
        error = directory.error.read_text().strip().splitlines()[-1:] if directory.error.exists() else []
        done, loss = last.get("passes", 0.0), last.get("loss")
        budget = float(settings["budget"]["passes"])
        known = None if loss is None or pd.isna(loss) else float(loss)
        found.append(Unfinished(match["setting"], int(match["seed"]), float(done), budget, known, "".join(error)))
    return found


def running_evidence(folder: Path) -> Evidence:
    """What there is of a study that has no page yet: a row a run directory, named as the directories are.

    Raises:
        ValueError: there are no such directories.
    """
    rows = []
    for path, match, settings in runs_of_folder(folder):
        labels, seed = {"setting": match["setting"]}, int(match["seed"])
        row = run_row(RunDirectory(path), labels, seed, science(settings))
        # A run without a result is known by its directory alone.
        rows.append({"identity": match["identity"]} | row)
    if not rows:
        raise ValueError(
            f"{folder} is no study's folder: it has neither study.json nor runs, and {folder.parent}/runs has none of "
            "it; name a folder that a study writes, such as results/geiping_ladder/mnist1d"
        )
    title = f"{folder.parent.name}, {folder.name}"
    text = "study.json is written when a study ends: until then rows are named as the run directories are."
    return Evidence(Description(title, ["setting"], paragraphs=[text]), to_frame(rows, ["setting"]))
