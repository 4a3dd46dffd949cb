"""Telling a command of the user's that a study has ended."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

SECONDS = 60


def news(title: str, folder: Path, runs: pd.DataFrame, *, finished: bool) -> dict[str, object]:
    """What there is to say of a study that has ended.

    Args:
        title: of the study.
        folder: with its page.
        runs: a row a run.
        finished: whether it was not interrupted.
    """
    statuses = list(runs["status"]) if "status" in runs else []
    counts = {status: statuses.count(status) for status in ("done", "diverged", "failed", "missing")}
    status = "interrupted" if not finished else "failed" if counts["failed"] else "finished"
    return {"study": title, "folder": str(folder.resolve()), "status": status, **counts}


def notify(command: str, content: Mapping[str, object]) -> None:
    """Run a shell command with the content as variables and on its input; its failure is one line, and no more."""
    variables = {f"FBGD_{key.upper()}": str(value) for key, value in content.items()}
    try:
        ended = subprocess.run(
            command,
            shell=True,
            input=json.dumps(content) + "\n",
            text=True,
            capture_output=True,
            env=os.environ | variables,
            timeout=SECONDS,
        )
        problem = f"exit status {ended.returncode}" if ended.returncode else ""
        printed = ended.stderr.strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        problem, printed = str(error), []
    if problem:
        print(": ".join([f"warning: --notify {command!r}", problem, *printed[-1:]]), file=sys.stderr)
