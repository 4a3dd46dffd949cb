"""What a single run shows in the terminal: a progress bar, then its summary."""

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fbgd.config.schema import Config
from fbgd.engine.ranks import ALONE, Ranks
from fbgd.engine.record import Row
from fbgd.errors import ConfigError
from fbgd.runs.attempt import execute
from fbgd.runs.dealt import execute_dealt
from fbgd.runs.heartbeat import Heartbeat
from fbgd.runs.ranks import Meeting
from fbgd.runs.signals import StopRequest, heard_by


def describe(row: Row) -> str:
    """The newest loss and accuracies of a run, in one short line."""
    names = (("loss", "loss"), ("accuracy", "train"), ("validation_accuracy", "validation"), ("test_accuracy", "test"))
    scores = (("r2", "R2"), ("validation_r2", "validation R2"), ("test_r2", "test R2"))
    parts = []
    for key, name in names + scores:
        if row.get(key) is not None:
            parts.append(f"{name} {100 * row[key]:.1f} %" if "accuracy" in key else f"{name} {row[key]:.4g}")
    return "  ".join(parts)


def check_place(path: Path) -> None:
    """Raise :class:`ConfigError` where a folder is a study's or holds the directories of runs, and is none itself."""
    if (path / "config.yaml").exists():
        return
    holds = next((name for name in ("study.json", "runs.csv", "runs") if (path / name).exists()), None)
    holds = holds or next((f"the run {found.parent.name}/" for found in path.glob("*/config.yaml")), None)
    if holds is not None:
        raise ConfigError(f"--out {path} is no directory of a run: it holds {holds}; name a new one, as runs/mine")


def run_on_ranks(config: Config, path: Path, meeting: Meeting) -> dict:
    """Execute a run on the processes of torchrun, or alone; rank 0 shows its progress. Returns its summary.

    Raises:
        ConfigError: ``path`` is no place for a single run, or the device is not to be shared.
        Interrupted: by Ctrl-C or SIGTERM, after a checkpoint.
        RankLost: another process is gone.
    """
    with meeting.joined(config) as ranks:
        if ranks.first:
            return run_with_progress(config, path, ranks)
        # All ranks hear of one signal, each perhaps twice; torchrun ends those that take too long.
        stop = StopRequest(patient=True)
        with heard_by(stop.hear):
            return execute_dealt(config, path, ranks, lambda row, steps: None, print, stop)


def run_with_progress(config: Config, path: Path, ranks: Ranks = ALONE) -> dict:
    """Execute a run under a progress bar that counts its steps, or, without a terminal, with a line every minute.

    Returns its summary.

    Raises:
        ConfigError: ``path`` is no place for a single run.
        Interrupted: by Ctrl-C or SIGTERM, after a checkpoint.
    """
    check_place(path)
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("preparing", total=None)
        held: Row = {}
        heart = Heartbeat(lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True))

        def on_row(row: Row, steps: int) -> None:
            held.update(row)
            bar.update(task, completed=row["step"], total=steps, description=describe(held))
            if bar.disable and row["step"] < steps:
                heart.beat(row["step"] / steps, f"step {row['step']} of {steps}: {describe(held)}")

        def warn(text: str) -> None:
            console.print(f"[yellow]warning:[/] {text}")

        stop = StopRequest(patient=ranks.count > 1)
        with heard_by(stop.hear):
            if ranks.count > 1:
                return execute_dealt(config, path, ranks, on_row, warn, stop)
            return execute(config, path, on_row, warn, stop)


def outcome(summary: dict) -> str:
    """How a run ended, with what guessing gives beside a diverged one: ``diverged (chance level: 10.0 %)``."""
    chance = summary.get("chance_level")
    if summary["status"] != "diverged" or chance is None:
        return summary["status"]
    return f"diverged (chance level: {100 * chance:.1f} %)"


def show_summary(summary: dict, path: Path) -> None:
    """Print a finished run as a table of its final numbers and costs."""
    table = Table(title=f"{path}: {outcome(summary)}", show_header=False)
    for key, name in (
        ("test_accuracy", "test accuracy"),
        ("validation_accuracy", "validation accuracy"),
        ("test_r2", "test R2"),
        ("validation_r2", "validation R2"),
        ("test_loss", "test loss"),
        ("accuracy", "training accuracy, mean since the last record"),
        ("r2", "training R2, mean since the last record"),
        ("loss", "training loss, mean since the last record"),
        ("passes", "passes"),
        ("steps", "steps"),
        ("gradient_evaluations", "gradient evaluations"),
        ("seconds", "seconds"),
        ("parameters", "parameters"),
        ("train_size", "training samples"),
        ("test_size", "test samples"),
    ):
        if summary.get(key) is not None:
            value = summary[key]
            text = (
                f"{100 * value:.2f} %"
                if "accuracy" in key
                else f"{value:,.4g}"
                if isinstance(value, float)
                else f"{value:,}"
            )
            table.add_row(name, text)
    Console().print(table)
