"""Rows of earlier tables in the place of runs: a study that grows trains what is new, also where old runs are gone.

A row stands for the run of the same identity, which is its whole configuration with its seed; it says itself with which
revision and on what it was made. The recorded rows of such a run are not there, so curves leave it out.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fbgd.errors import ConfigError
from fbgd.report.evidence import Evidence
from fbgd.report.pages import by_description
from fbgd.runs.rows import fixed, label_columns, read_rows
from fbgd.studies.study import Study

TABLES = ("runs.csv", "search.csv")
RESULTS = ("done", "diverged")
# Columns of whole numbers, which a table with an empty place holds with a decimal point.
WHOLE = ("steps", "gradient_evaluations", "parameters", "train_size", "test_size", "threads", "blocks_per_call")


def earlier_rows(study: Study, folders: Sequence[Path]) -> dict[str, dict[str, object]]:
    """What the tables of earlier calls hold of finished runs, from ``status`` to ``error``, by the runs' identities.

    Args:
        study: which is to take them.
        folders: of results, each with a ``runs.csv``, a ``search.csv`` or both; of equal runs the first counts.

    Raises:
        ConfigError: a folder has neither, or the study looks into the directories of its runs.
        ValueError: a table cannot be read.
    """
    if folders and not (study.measure is None and study.summarise is by_description):
        raise ConfigError(
            f"--reuse {folders[0]}: {study.key} looks into its runs' own folders, which no table can replace"
        )
    found: dict[str, dict[str, object]] = {}
    for folder in folders:
        tables = [read_rows(folder / name) for name in TABLES if (folder / name).is_file()]
        if not tables:
            raise ConfigError(f"--reuse {folder}: no {' and no '.join(TABLES)} in it; name a study's results")
        for table in tables:
            found = {**rows_of(table), **found}
    return found


def rows_of(table: pd.DataFrame) -> dict[str, dict[str, object]]:
    """The finished rows of a ``runs.csv`` by identity, without labels, seed and settings."""
    columns = [name for name in fixed(set(table) - set(label_columns(table))) if name in table and name != "seed"]
    kept = table[table["status"].isin(RESULTS) & table["identity"].notna()]
    return {
        str(row["identity"]): {name: exact(name, value) for name, value in row.items()}
        for row in kept[columns].to_dict("records")
    }


def exact(name: object, value: object) -> object:
    """A value of a table as a run's summary has it: nothing for an empty place, whole numbers whole."""
    if pd.isna(value):
        return None
    return int(value) if name in WHOLE and isinstance(value, float) else value


def told(evidence: Evidence, earlier: dict[str, dict[str, object]], folders: Sequence[Path]) -> str:
    """How many of a study's runs are rows of earlier tables."""
    tables = [table for table in (evidence.runs, evidence.searched) if "identity" in table]
    total = sum(len(table) for table in tables)
    count = sum(int(table["identity"].isin(list(earlier)).sum()) for table in tables)
    return f"{count:,} of {total:,} runs are rows of {', '.join(map(str, folders))}"
