"""From a study's runs to its folder: runs.csv, study.json, table.csv, table.md and figures, and the table printed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fbgd.report.description import Description, published_values, write_description
from fbgd.report.formats import render, show
from fbgd.report.pages import page_of
from fbgd.report.plots import save
from fbgd.runs.plan import PlannedRun, Rung, collect, curves
from fbgd.runs.rows import read_rows, with_result


@dataclass(frozen=True)
class Evidence:
    """What a figure is drawn from: the study's title, a row a run, a row a group, and the runs' recorded rows."""

    title: str
    runs: pd.DataFrame
    table: pd.DataFrame
    curves: pd.DataFrame


def report(
    title: str,
    rungs: list[Rung],
    planned: list[PlannedRun],
    out: Path,
    *,
    by: Sequence[str] | None = None,
    baseline: Mapping[str, str] | None = None,
    metric: str = "test_accuracy",
    across: str = "",
    shown: Sequence[str] = (),
    source: str = "",
    overrides: Sequence[str] = (),
    paragraphs: Sequence[str] = (),
    figures: Mapping[str, Callable[[Evidence], Figure]] | None = None,
) -> bool:
    """Write and print everything that the finished runs of a study show.

    Files that an earlier call wrote for more finished runs are kept: then the table is printed only.

    Args:
        title: of table and figures.
        rungs: the study's settings, in the table's order.
        planned: its runs; those without a result are listed under the table.
        out: the folder.
        by: the labels that the table groups by; all of them by default.
        baseline: the row that differences are taken to, as values of some of these labels.
        metric: the compared metric.
        across: the label whose values stand side by side, the baseline's first; a row a group by default.
        shown: settings with a column of their own.
        source: where published values come from.
        overrides: what was changed about all rungs, for the caption.
        paragraphs: what else a reader of the table must know.
        figures: file names, and what draws them once there is a result.

    Returns:
        Whether no run has failed.
    """
    by = list(by or (label for label in rungs[0].labels if label != across))
    description = Description(
        title=title,
        by=by,
        baseline=dict(baseline or {}),
        metric=metric,
        across=across,
        shown=list(shown),
        published=published_values(rungs, by),
        source=source,
        overrides=list(overrides),
        paragraphs=list(paragraphs),
    )
    runs = collect(planned)
    page = page_of(runs, description)
    results = out / "runs.csv"
    succeeded = not (runs["status"] == "failed").any()
    finished, before = with_result(runs), with_result(read_rows(results)) if results.exists() else 0
    if finished < before:
        kept = f"Only printed: {out}/ holds the table of {before} finished runs, and these are {finished}."
        show(replace(page, paragraphs=[*page.paragraphs, kept]))
        return succeeded
    out.mkdir(parents=True, exist_ok=True)
    runs.to_csv(results, index=False)
    write_description(out / "study.json", description)
    for name, form in (("table.csv", "csv"), ("table.md", "md")):
        (out / name).write_text(render(page, form))
    drawn = dict(figures or {}) if finished else {}
    if drawn:
        evidence = Evidence(title, runs, page.table, curves(planned))
        for name, draw in drawn.items():
            save(draw(evidence), out / name)
    names = ", ".join(["table.md", "table.csv", "runs.csv", "study.json", *drawn])
    show(replace(page, paragraphs=[*page.paragraphs, f"Written to {out}/: {names}"]))
    return succeeded
