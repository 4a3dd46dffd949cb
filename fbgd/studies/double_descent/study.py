"""What the figures of double descent do alike: plan and run points, and write their folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fbgd.errors import ConfigError, nearest
from fbgd.report.captions import notes, provenance, setting
from fbgd.report.formats import Page, render, show
from fbgd.report.plots import save
from fbgd.runs.plan import PlannedRun, plan
from fbgd.runs.rows import label_columns, read_rows, with_result
from fbgd.studies.cli import make_data, run_planned
from fbgd.studies.double_descent.procedures import training
from fbgd.studies.double_descent.settings import Point, Sizes


@dataclass
class Study:
    """Plans points, runs them, and knows whether anything was interrupted.

    Args:
        sizes: the preset.
        seeds: so many, from 0.
        overrides: the user's words for all runs.
        pool: the folder whose ``runs/`` all figures share.
        workers: processes at a time.
        only: names of settings, or their beginnings: all others are left as they are; none for all.
    """

    sizes: Sizes
    seeds: int
    overrides: list[str]
    pool: Path
    workers: int
    only: list[str] = field(default_factory=list)
    finished: bool = True

    def plan(self, points: Sequence[Point], seeds: Sequence[int] | None = None) -> list[PlannedRun]:
        """The runs of ``points``, which are only planned."""
        rungs = [point.rung(self.sizes.words) for point in dict.fromkeys(points)]
        return plan(rungs, self.overrides, range(self.seeds) if seeds is None else seeds, self.pool)

    def run(self, points: Sequence[Point], seeds: Sequence[int] | None = None) -> list[PlannedRun]:
        """The runs of ``points``, executed as far as they are not done; after an interruption nothing more is begun."""
        return self.execute(self.plan(points, seeds))

    def execute(self, planned: list[PlannedRun]) -> list[PlannedRun]:
        """Execute planned runs."""
        if self.finished:
            make_data(planned)
            self.finished = run_planned(planned, self._chosen(planned), self.workers)
        return planned

    def wanted(self, run: PlannedRun) -> bool:
        """Whether a run is to be executed, by ``only``."""
        return not self.only or run.rung.lower().startswith(tuple(word.lower() for word in self.only))

    def _chosen(self, planned: list[PlannedRun]) -> list[str]:
        names = [run.rung for run in planned]
        chosen = [run.rung for run in planned if self.wanted(run)]
        if not chosen:
            raise ConfigError(f"--only {self.only[0]!r} fits no setting; {nearest(self.only[0], dict.fromkeys(names))}")
        return chosen


@dataclass(frozen=True)
class Summary:
    """A figure's table for people.

    Args:
        numbers: a row a line of the table.
        rows: the same as texts, a column a key.
        left: how many columns say what the row is about.
        paragraphs: what a reader must know to read it.
        metric: what the table tells of the runs' end, by the name of its column in ``runs.csv``; empty where it
            tells of other moments.
    """

    numbers: pd.DataFrame
    rows: list[dict[str, str]]
    left: int
    paragraphs: list[str]
    metric: str = "test_error"


def page(title: str, summary: Summary, runs: pd.DataFrame | None) -> Page:
    """The summary with its setting, its provenance and every run that went wrong.

    Args:
        title: above the table.
        summary: the table and what it needs.
        runs: a row a run; ``None`` for what is computed in closed form.
    """
    header = list(summary.rows[0]) if summary.rows else ["nothing finished"]
    rows = [[row[name] for name in header] for row in summary.rows]
    paragraphs = summary.paragraphs
    if runs is not None:
        about = [*setting(runs, summary.metric), *training(runs)]
        paragraphs = [*about, *paragraphs, *provenance(runs), *notes(runs, label_columns(runs))]
    return Page(title, summary.numbers, header, rows, summary.left, paragraphs)


def write(
    folder: Path,
    title: str,
    table: pd.DataFrame,
    runs: pd.DataFrame | None,
    summarise: Callable[[pd.DataFrame], Summary],
    draw: Callable[[pd.DataFrame, str], Figure],
) -> bool:
    """Write ``table.csv``, ``table.md``, ``figure.png`` and, of runs, ``runs.csv``; print the page.

    What an earlier call wrote for more finished runs is kept: then the page is printed only.

    Args:
        folder: of the figure.
        title: of page and figure.
        table: the tidy table of what is finished.
        runs: a row a run; ``None`` for what is computed in closed form.
        summarise: the table to its summary.
        draw: the table and the title to the figure.

    Returns:
        Whether no run has failed.
    """
    summary = summarise(table) if len(table) else Summary(table, [], 1, [])
    earlier = len(read_table(folder)) if runs is None and (folder / "table.csv").exists() else 0
    succeeded = runs is None or not (runs["status"] == "failed").any()
    results = folder / "runs.csv"
    before = with_result(read_rows(results)) if runs is not None and results.exists() else 0
    if runs is not None and with_result(runs) < before:
        told = f"Only printed: {folder}/ holds the table of {before} finished runs, and these are {with_result(runs)}."
    elif len(table) < earlier:
        told = f"Only printed: {folder}/ holds a table of {earlier} rows, and this one has {len(table)}."
    elif not len(table):
        told = "No run has finished, nothing is written."
    else:
        folder.mkdir(parents=True, exist_ok=True)
        if runs is not None:
            runs.to_csv(results, index=False)
        table.to_csv(folder / "table.csv", index=False, float_format="%.8g")
        # From the file, so that whoever reads it makes the same page.
        (folder / "table.md").write_text(render(page(title, summarise(read_table(folder)), runs), "md"))
        save(draw(table, title), folder / "figure.png")
        names = ["table.md", "table.csv", *(["runs.csv"] if runs is not None else []), "figure.png"]
        told = f"Written to {folder}/: {', '.join(names)}"
    show(page(title, replace(summary, paragraphs=[*summary.paragraphs, told]), runs))
    return succeeded


def read_table(folder: Path) -> pd.DataFrame:
    """The tidy table of a figure's folder."""
    return pd.read_csv(folder / "table.csv")
