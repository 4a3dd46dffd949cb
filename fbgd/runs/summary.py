"""The summary of a finished run, and whether it can be believed."""

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

STATUSES = ("done", "diverged")
CHECKSUM = "checksum"
# What every summary has had from the first version on, and of each the kinds of values that JSON may hold there.
SCHEMA: dict[str, tuple[type, ...]] = {
    "status": (str,),
    "identity": (str,),
    "seed": (int,),
    "passes": (int, float),
    "gradient_evaluations": (int,),
    "content_hash": (str,),
}


def digest(content: bytes) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def sealed(summary: dict[str, Any], config: Path, rows: Path) -> str:
    """The text of ``summary.json``: a summary with the checksums of itself and of the files that it goes with.

    Args:
        summary: what it says.
        config: the run's ``config.yaml``.
        rows: the run's ``metrics.csv``.
    """
    sums = {"config": digest(config.read_bytes()), "rows": digest(rows.read_bytes())}
    return json.dumps({**summary, CHECKSUM: {**sums, "summary": own_digest(summary, sums)}}, indent=2) + "\n"


def own_digest(summary: dict[str, Any], sums: dict[str, str]) -> str:
    """The checksum of what a summary says, and of the other two."""
    return digest(json.dumps([summary, sums["config"], sums["rows"]], sort_keys=True).encode())


def read(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    """What a summary says, without its checksums, and what is wrong with it; both ``None`` where there is none.

    Of an earlier version, which wrote no checksums, it must have the schema, and the numbers of the last recorded row.

    Args:
        path: of the ``summary.json``, beside which ``config.yaml`` and ``metrics.csv`` lie.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, RecursionError) as error:
        return None, f"is not readable ({error})"
    if (problem := misshapen(content)) is not None:
        return None, problem
    sums = content.pop(CHECKSUM, None)
    if sums is None:
        return content, differing(content, path.parent / "metrics.csv")
    if not isinstance(sums, dict) or set(sums) != {"config", "rows", "summary"}:
        return None, "has no proper checksum"
    if own_digest(content, sums) != sums["summary"]:
        return None, "does not match its checksum"
    for name, file in (("config", "config.yaml"), ("rows", "metrics.csv")):
        try:
            same = digest((path.parent / file).read_bytes()) == sums[name]
        except OSError:
            return content, f"goes with a {file} that is not readable"
        if not same:
            return content, f"goes with another {file}: this one does not match its checksum"
    return content, None


def differing(summary: dict[str, Any], rows: Path) -> str | None:
    """In what a summary differs from the last recorded row; ``None``: in nothing, or there are no rows."""
    try:
        with open(rows, newline="", encoding="utf-8") as file:
            *_, last = csv.DictReader(file)
    except (OSError, ValueError, csv.Error):
        return None
    for key, text in last.items():
        if key in summary and summary[key] is not None and text:
            try:
                same = float(text) == summary[key]
            except (TypeError, ValueError):
                same = False
            if not same:
                return f"goes with another metrics.csv: its {key} is {summary[key]}, and there it is {text}"
    return None


def misshapen(content: object) -> str | None:
    """What a summary lacks to be one; ``None``: nothing."""
    if not isinstance(content, dict):
        return "holds no keys and values"
    for key, kinds in SCHEMA.items():
        value = content.get(key)
        if not isinstance(value, kinds) or isinstance(value, bool):
            return f"has no proper {key}"
    if content["status"] not in STATUSES:
        return f"has the status {content['status']!r}, which no finished run has"
    if not re.fullmatch("[0-9a-f]{64}", content["identity"]):
        return "has no proper identity"
    for key, value in content.items():
        if "accuracy" in key and value is not None and not (is_number(value) and 0 <= value <= 1):
            return f"has no proper {key}"
        if ("loss" in key or key == "seconds") and not (value is None or is_number(value)):
            return f"has no proper {key}"
    return None


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite number; ``True`` is none."""
    finite = isinstance(value, int | float) and value == value and abs(value) != float("inf")
    return finite and not isinstance(value, bool)
