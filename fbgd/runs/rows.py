"""A run as a row: status, final numbers, and its whole science configuration, one column a dotted key."""

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pandas as pd

from fbgd.config.facts import CLIPPED_OFF, PENALTY_SHARE
from fbgd.config.schema import Config
from fbgd.runs.directory import RunDirectory
from fbgd.runs.provenance import identity_of

MEASURED = (
    "test_accuracy",
    "test_loss",
    "validation_accuracy",
    "train_accuracy",
    "train_loss",
    "accuracy",
    "loss",
    "passes",
    "steps",
    "gradient_evaluations",
    "seconds",
    "parameters",
)
FACTS = (
    "train_size",
    "test_size",
    "identity",
    "content_hash",
    "git_revision",
    "torch",
    "device",
    "threads",
    "blocks_per_call",
)
KEPT = (*MEASURED, *FACTS)
# What regressions have in the place of accuracies; a table without any has no such columns.
REGRESSION = ("test_r2", "validation_r2", "train_r2", "r2")
# How these, and the user's metrics, are called; settings have a dot.
SCORE = re.compile(r"r2|(test|validation|train)_[^.]+")
# What penalties and clippings did at most, by their names.
SHARE = re.compile(f"({PENALTY_SHARE}|{CLIPPED_OFF})/.+")
FIXED = ("seed", "status", *KEPT, "error")
WORDS = ("status", "identity", "content_hash", "git_revision", "torch", "device", "error")


def text(value: object) -> str:
    """A setting as it is shown, grouped by and filtered by: equal numbers are equal texts, ``None`` is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list | tuple):
        return json.dumps(value)
    return str(value)


def canonical(word: str) -> str:
    """A word of the command line as :func:`text` writes the same value: ``1e-1`` becomes ``0.1``."""
    try:
        return text(float(word))
    except ValueError:
        return word


def flatten(node: dict, prefix: str = "") -> dict[str, str]:
    """Nested settings as one text a dotted key."""
    flat: dict[str, str] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = text(value)
    return flat


def run_row(directory: RunDirectory, labels: dict[str, str], seed: int, settings: dict) -> dict[str, object]:
    """One run: its summary's numbers, or why there are none (``status`` failed or missing), and its settings.

    Args:
        directory: where the run is, or will be.
        labels: what its study calls it.
        seed: the run's seed.
        settings: its science configuration, nested.
    """
    summary, problem = directory.check_summary(identity_of(settings) if settings else None)
    row: dict[str, object] = {**labels, "seed": seed}
    if problem is not None:
        row |= {"status": "failed", "error": f"{problem}; the run's command makes it anew"}
    elif summary is not None:
        row |= {"status": summary["status"], **{key: summary.get(key) for key in KEPT}}
        row |= {key: summary[key] for key in REGRESSION if key in summary}
        row |= own_scores(summary, settings.get("metric", {}))
        row |= {key: value for key, value in summary.items() if SHARE.fullmatch(key)}
    elif directory.error.exists():
        lines = directory.error.read_text().strip().splitlines()
        row |= {"status": "failed", "error": lines[-1] if lines else "error.txt is empty"}
    else:
        row |= {"status": "missing"}
    return {**flatten(settings), **row}


def own_scores(summary: dict, metrics: Iterable[str]) -> dict[str, object]:
    """What a summary tells of the metrics of the user's with these names, the test set's first."""
    starts = [f"{part}_{name}" for name in metrics for part in ("test", "validation", "train")]
    return {
        key: value for start in starts for key, value in summary.items() if key == start or key.startswith(f"{start}/")
    }


def to_frame(rows: list[dict[str, object]], labels: Iterable[str]) -> pd.DataFrame:
    """Rows with the columns in their order: labels, seed, status, numbers, facts, error, settings."""
    labels = list(labels)
    first = [*labels, *fixed(key for row in rows for key in row if key not in labels)]
    settings = in_order(key for row in rows for key in row if key not in first)
    frame = pd.DataFrame(rows, columns=[*first, *settings])
    # Made column by column, so a copy puts it together again.
    return frame.astype(dict.fromkeys(settings, object)).fillna(dict.fromkeys(settings, "")).copy()


def fixed(present: Iterable[str]) -> tuple[str, ...]:
    """The columns from ``seed`` to ``error``; scores of regressions and of own metrics after ``status``, shares last.

    Args:
        present: all columns but labels.
    """
    present = dict.fromkeys(present)
    scores = [name for name in present if SCORE.fullmatch(name) and name not in FIXED]
    shares = [name for name in present if SHARE.fullmatch(name)]
    own = (name for name in scores if name not in REGRESSION)
    return (*FIXED[:2], *(name for name in REGRESSION if name in scores), *own, *FIXED[2:-1], *shares, FIXED[-1])


def in_order(settings: Iterable[str]) -> list[str]:
    """Dotted keys, each once, section by section as the configuration has them."""
    places = {entry.name: place for place, entry in enumerate(fields(Config))}
    # A file may hold a section that the configuration no longer has: it goes last.
    return sorted(dict.fromkeys(settings), key=lambda key: places.get(key.split(".")[0], len(places)))


def with_result(runs: pd.DataFrame) -> int:
    """How many runs ended with a result, diverged ones included."""
    return int(runs["status"].isin(["done", "diverged"]).sum())


def label_columns(runs: pd.DataFrame) -> list[str]:
    """The columns before ``seed``: what the study groups its runs by."""
    return list(runs)[: list(runs).index("seed")]


def setting_columns(runs: pd.DataFrame) -> list[str]:
    """The columns after ``error``: the science configuration."""
    return list(runs)[list(runs).index("error") + 1 :]


def read_rows(path: Path) -> pd.DataFrame:
    """The runs of a ``runs.csv``, exactly as they were written.

    Args:
        path: the file.

    Raises:
        ValueError: it is no such file.
    """
    try:
        held = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} cannot be read: {error}; run the study again, which makes it anew") from None
    absent = [name for name in ("seed", "status", "error") if name not in held]
    if absent:
        raise ValueError(f"{path} is no runs.csv of a study: it has no column {', '.join(absent)}")
    columns = fixed(name for name in held if name not in label_columns(held))
    for name in [name for name in columns if name in held]:
        held[name] = held[name].where(held[name] != "", None) if name in WORDS else numbers(held[name], path)
    return held.reindex(columns=[*label_columns(held), *columns, *setting_columns(held)]).copy()


def numbers(column: pd.Series, path: Path) -> pd.Series:
    """A column of texts as the numbers that were written; whole numbers stay whole where none is missing."""
    try:
        return column.replace("", "nan").astype("int64" if column.str.fullmatch(r"-?\d+").all() else float)
    except ValueError as error:
        raise ValueError(f"{path}, column {column.name}: {error}") from None
