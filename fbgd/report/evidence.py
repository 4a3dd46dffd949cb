"""What a study's page and figures are made of, read from its folder or collected from its runs.

A folder holds ``study.json`` (how the page is made), ``runs.csv`` (a row a run), ``measurements.csv`` (what the study
measured beyond the runs' last rows), ``search.csv`` (the candidates of a tuned setting), ``table.csv`` and
``table.md`` (the page), ``claims.csv``, and figures. Not every study has all of them.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fbgd.report.description import Description, read_description
from fbgd.runs.rows import read_rows


@dataclass(frozen=True)
class Evidence:
    """A study's results.

    Args:
        description: how its page is made.
        runs: a row a run; empty where nothing is trained.
        measurements: the study's own tidy table; empty where ``runs`` says it all.
        searched: a row a candidate of the tuned setting; empty without tuning.
        curves: the recorded rows of all finished runs, for figures; empty where they were read from a folder.
        table: the numbers of the page, for claims and figures.
        level: of the intervals of estimates; :func:`fbgd.report.claims.judge` raises it with the number of claims.
    """

    description: Description
    runs: pd.DataFrame = field(default_factory=pd.DataFrame)
    measurements: pd.DataFrame = field(default_factory=pd.DataFrame)
    searched: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    level: float = 0.95

    @property
    def title(self) -> str:
        """The title of page and figures."""
        return self.description.title

    @property
    def empty(self) -> bool:
        """Whether no run has a result and nothing was measured."""
        results = "status" in self.runs and self.runs["status"].isin(["done", "diverged"]).any()
        return not results and not len(self.measurements)


def is_study(folder: Path) -> bool:
    """Whether a folder is that of a study."""
    return (folder / "runs.csv").exists() or (folder / "study.json").exists()


def read_evidence(folder: Path, description: Description | None = None) -> Evidence:
    """A study's folder, without the recorded rows of its runs.

    Args:
        folder: of the study.
        description: instead of the one in ``study.json``.

    Raises:
        ValueError: a file is damaged, or there is no ``study.json``.
    """
    description = description or read_description(folder / "study.json")
    if description is None:
        raise ValueError(f"{folder}/study.json is missing: it says how the page is made; run the study again")
    return Evidence(
        description,
        read_optional(folder / "runs.csv", read_rows),
        read_optional(folder / "measurements.csv", pd.read_csv),
        read_optional(folder / "search.csv", read_rows),
    )


def read_optional(path: Path, read) -> pd.DataFrame:
    """The table of a file; an empty one where there is no file."""
    return read(path) if path.exists() else pd.DataFrame()
