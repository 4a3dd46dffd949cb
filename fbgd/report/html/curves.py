"""Curves over passes, a group a line: mean and range over seeds, and single seeds in few points."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fbgd.report.evidence import Evidence
from fbgd.report.html.pool import read_metrics, run_directories

# So many points tell a curve of the width of a page; more single curves than that are for a figure of one's own.
POINTS, SEED_POINTS, MOST_SINGLE = 160, 80, 500
DIGITS = 5
METRICS = {
    "loss": ("training loss", True),
    "test_accuracy": ("test accuracy %", False),
    "test_loss": ("test loss", True),
    "learning_rate": ("learning rate", False),
}
# What measurements call these, and what an error lacks to be an accuracy.
MEASURED = {"train_loss": "loss", "test_loss": "test_loss", "learning_rate": "learning_rate"}
FEWEST_POINTS = 3


@dataclass(frozen=True)
class Curves:
    """What a study's curves are drawn of.

    Args:
        source: a sentence that says where they are from, or why there are none.
        panels: key, title and whether it begins logarithmic, of each metric that is there.
        groups: ``label``, ``seeds`` and ``lines`` by metric, in the table's order.
    """

    source: str
    panels: list[dict] = field(default_factory=list)
    groups: list[dict] = field(default_factory=list)


def group_columns(evidence: Evidence, table: pd.DataFrame) -> list[str]:
    """The columns of ``table`` that make the groups of a study's page."""
    description = evidence.description
    names = {"n": "train_size"} if "n" not in table else {}
    wanted = [names.get(name, name) for name in [*description.by, description.across]]
    return [name for name in wanted if name in table]


def label_of(values: Iterable[object]) -> str:
    """A group's name: ``full batch / Adam``."""
    return " / ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def read_curves(evidence: Evidence, folder: Path) -> Curves:
    """The curves of a study: of its run directories, else of its measurements, else none.

    Args:
        evidence: of the study.
        folder: where it lies.
    """
    if (found := from_runs(evidence, folder)) is not None:
        return found
    if (found := from_measurements(evidence)) is not None:
        return found
    if not len(evidence.runs):
        return Curves("No run was recorded over passes, so there are no curves.")
    where = f"neither here nor in {folder.resolve().parent.name}/runs"
    drawn = " The study's own picture of them stands below: curves.png." if (folder / "curves.png").exists() else ""
    return Curves(f"The run directories of this study are {where}, so no curves can be drawn.{drawn}")


def from_runs(evidence: Evidence, folder: Path) -> Curves | None:
    """Curves of the run directories that there are."""
    runs = evidence.runs
    by = group_columns(evidence, runs)
    if not len(runs) or not by:
        return None
    directories = run_directories(folder)
    groups: dict[str, list[tuple[int, pd.DataFrame]]] = {}
    count = 0
    for run in runs[[*by, "seed", "identity"]].to_dict("records"):
        path = directories.get(str(run["identity"])[:10])
        rows = groups.setdefault(label_of(run[name] for name in by), [])
        if path is not None and len(metrics := read_metrics(path)):
            rows.append((int(run["seed"]), metrics))
            count += 1
    if not count:
        return None
    where = "runs/" if (folder / "runs").is_dir() else f"{folder.resolve().parent.name}/runs/"
    return assembled(groups, f"{count} of {len(runs)} runs have their records in {where}.")


def from_measurements(evidence: Evidence) -> Curves | None:
    """Curves of a study's measurements, where these are taken at several passes of a run."""
    table = evidence.measurements
    by = group_columns(evidence, table)
    if not by or not {"passes", "seed"} <= set(table):
        return None
    known = table.dropna(subset=["passes"]).rename(columns=MEASURED)
    if "test_error" in known:
        known = known.assign(test_accuracy=1 - known["test_error"])
    columns = ["passes", *(name for name in METRICS if name in known)]
    groups: dict[str, list[tuple[int, pd.DataFrame]]] = {}
    for (*values, seed), rows in known.groupby([*by, "seed"], sort=False):
        if rows["passes"].nunique() >= FEWEST_POINTS:
            groups.setdefault(label_of(values), []).append((int(seed), rows[columns]))
    return (
        assembled(groups, "Of the evaluations in measurements.csv; the run directories are not here.")
        if groups
        else None
    )


def assembled(groups: dict[str, list[tuple[int, pd.DataFrame]]], source: str) -> Curves:
    """Groups of recorded rows as the lines of a page.

    Args:
        groups: by label, the seeds and their rows.
        source: where they are from.
    """
    count = sum(map(len, groups.values()))
    single = count <= MOST_SINGLE
    metrics = [
        name
        for name in METRICS
        if any(name in rows and rows[name].notna().any() for runs in groups.values() for _, rows in runs)
    ]
    # A run's test loss says little beside its test accuracy.
    metrics = [name for name in metrics if name != "test_loss" or "test_accuracy" not in metrics]
    panels = [{"key": name, "title": METRICS[name][0], "log": METRICS[name][1]} for name in metrics]
    lines = [
        {
            "label": label,
            "seeds": len(runs),
            "lines": {name: line(runs, name, single) for name in metrics},
        }
        for label, runs in groups.items()
        if runs
    ]
    if empty := sum(not runs for runs in groups.values()):
        source += f" {empty} of {len(groups)} groups have none and are left out."
    if not single:
        source += f" With more than {MOST_SINGLE} runs, single seeds are left out."
    return Curves(source, panels, lines)


def line(runs: list[tuple[int, pd.DataFrame]], name: str, single: bool) -> dict:
    """Mean and range of a metric over a group's seeds at each pass, and its single seeds.

    Seeds that were recorded at other passes are interpolated between their own records, and none beyond its last.

    Args:
        runs: seed and recorded rows.
        name: the metric.
        single: whether the single seeds are wanted.
    """
    scale = 100 if name == "test_accuracy" else 1
    known = []
    for seed, rows in runs:
        if name in rows:
            points = rows[["passes", name]].astype(float)
            points = points[np.isfinite(points).all(axis=1)].drop_duplicates("passes", keep="last")
            if len(points):
                known.append((seed, points["passes"].to_numpy(), scale * points[name].to_numpy()))
    if not known:
        return {"x": [], "mean": [], "low": [], "high": [], "n": [], "single": []}
    grid = thinned(np.unique(np.concatenate([passes for _, passes, _ in known])), POINTS)
    values = np.array([np.interp(grid, passes, own, left=np.nan, right=np.nan) for _, passes, own in known])
    count = np.isfinite(values).sum(axis=0)
    grid, values, count = grid[count > 0], values[:, count > 0], count[count > 0]
    return {
        "x": digits(grid),
        "mean": digits(np.nanmean(values, axis=0)),
        "low": digits(np.nanmin(values, axis=0)),
        "high": digits(np.nanmax(values, axis=0)),
        "n": [int(entry) for entry in count],
        "single": [one(*entry) for entry in known] if single and len(known) > 1 else [],
    }


def one(seed: int, passes: np.ndarray, values: np.ndarray) -> dict:
    """A single seed's curve in few points."""
    chosen = np.isin(passes, thinned(passes, SEED_POINTS))
    return {"seed": seed, "x": digits(passes[chosen]), "y": digits(values[chosen])}


def thinned(grid: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the sorted values, both ends among them: half spaced evenly, half by their logarithms."""
    if len(grid) <= most:
        return grid
    even = np.linspace(0, len(grid) - 1, most // 2)
    early = np.geomspace(1, len(grid), most // 2) - 1
    return grid[np.unique(np.concatenate([even, early]).round().astype(int))]


def digits(values: np.ndarray) -> list[float]:
    """Numbers in as many digits as a picture can tell."""
    return [float(f"{value:.{DIGITS}g}") for value in values]
