"""From a study's folder to what its part of the page shows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fbgd.report.captions import provenance
from fbgd.report.claims import Finding
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence, is_study, read_evidence
from fbgd.report.formats import Page, render
from fbgd.report.html.bars import Bar, own_bar
from fbgd.report.html.cells import Cell, Column, table_cells
from fbgd.report.html.curves import Curves, group_columns, label_of, read_curves
from fbgd.report.html.figures import Figure, read_figures
from fbgd.report.html.pool import Unfinished, running_evidence, unfinished
from fbgd.report.pages import Recipe, page_of
from fbgd.report.tables import is_fraction
from fbgd.runs.rows import label_columns, setting_columns

VARIES = "several values"
RecipeOf = Callable[[Description], Recipe | None]


@dataclass(frozen=True)
class Verdict:
    """A claim's finding with its interval's bar; ``bar`` is ``None`` where it has no interval, or is no difference."""

    finding: Finding
    bar: Bar | None


@dataclass(frozen=True)
class StudyReport:
    """What the page shows of a study.

    Args:
        page: its table and notes.
        provenance: with what its runs were made, a sentence each.
        verdicts: its claims.
        columns: of its table.
        rows: of its table.
        notes: what a reader must know.
        curves: over passes.
        settings: by group, the settings in which groups differ; empty where there are none.
        figures: its pictures.
        copies: the table as CSV, LaTeX and Markdown, by the format's name.
        unfinished: runs without a result; ``None`` where these were not looked for.
    """

    page: Page
    provenance: list[str]
    verdicts: list[Verdict]
    columns: list[Column]
    rows: list[list[Cell]]
    notes: list[str]
    curves: Curves
    settings: dict[str, dict[str, str]]
    figures: list[Figure]
    copies: dict[str, str]
    unfinished: list[Unfinished] | None = None

    @property
    def embedded(self) -> dict[str, object]:
        """What the page's script reads."""
        curves = {"panels": self.curves.panels, "groups": self.curves.groups}
        return {"copies": self.copies, "curves": curves, "settings": self.settings}

    @property
    def counts(self) -> dict[str, int]:
        """How many claims have each verdict."""
        verdicts = [verdict.finding.verdict for verdict in self.verdicts]
        return {name: verdicts.count(name) for name in ("supported", "opposite", "undecided")}


def no_recipe(description: Description) -> None:
    """What is known of a study whose code nobody has."""


@dataclass(frozen=True)
class Source:
    """A study's folder, and what is looked for in it.

    Args:
        folder: of the study.
        recipe_of: what the code of a study adds to its ``study.json``; ``None`` for a study without code.
        live: also look for runs without a result, and be content with these.
    """

    folder: Path
    recipe_of: RecipeOf = no_recipe
    live: bool = False

    def read(self) -> StudyReport:
        """What the page shows of this folder.

        Raises:
            ValueError: it is the folder of no study, or a file in it is damaged.
        """
        evidence = self.evidence()
        page = page_of(evidence, self.recipe_of(evidence.description))
        columns, rows = table_cells(page, is_fraction(evidence.description.metric), list(evidence.description.baseline))
        made = made_with(evidence)
        return StudyReport(
            page,
            made,
            list(map(judged, page.findings)),
            columns,
            rows,
            [text for text in page.paragraphs if text not in made],
            read_curves(evidence, self.folder),
            settings_by_group(evidence),
            read_figures(self.folder, page.title),
            {form: render(page, form) for form in ("csv", "latex", "md")},
            unfinished(self.folder) if self.live else None,
        )

    def evidence(self) -> Evidence:
        """The study's results.

        Raises:
            ValueError: there are none.
        """
        if self.live and not is_study(self.folder):
            return running_evidence(self.folder)
        if not self.folder.is_dir():
            raise ValueError(f"{self.folder}: there is no such folder")
        if not is_study(self.folder):
            inner = sorted(path.parent.as_posix() for path in self.folder.glob("*/study.json"))
            hint = f"did you mean {' '.join(inner)}?" if inner else "name one such as results/geiping_ladder/mnist1d"
            raise ValueError(f"{self.folder} is no study's folder, it has no study.json: {hint}")
        return read_evidence(self.folder)


def judged(finding: Finding) -> Verdict:
    """A finding with its bar around 0, where the estimate is a difference: these are written with their sign."""
    difference = finding.form.startswith("+")
    return Verdict(finding, own_bar(finding.value, finding.low, finding.high) if difference else None)


def made_with(evidence: Evidence) -> list[str]:
    """How many runs there are and how they ended, and with what they were made."""
    runs = evidence.runs
    if not len(runs):
        revisions = sorted(set(evidence.measurements.get("git_revision", pd.Series(dtype=str)).dropna()))
        made = f" Revision {', '.join(revision[:12] for revision in revisions)}." if revisions else ""
        return [f"{len(evidence.measurements):,} measurements, no training runs.{made}"]
    ends = runs["status"].value_counts()
    wrong = [f"{ends[status]} {status}" for status in ("diverged", "failed", "missing") if status in ends]
    searched = f" {len(evidence.searched):,} runs of the search." if len(evidence.searched) else ""
    return [f"{len(runs):,} runs{''.join(f', {text}' for text in wrong)}.{searched}", *provenance(runs)]


def settings_by_group(evidence: Evidence) -> dict[str, dict[str, str]]:
    """The settings of each group, of those in which groups differ."""
    runs = evidence.runs
    if not len(runs):
        return {}
    by = group_columns(evidence, runs) or label_columns(runs)
    groups: dict[str, dict[str, str]] = {}
    for values, rows in runs.groupby(by, sort=False, dropna=False):
        own = {key: set(rows[key].astype(str)) for key in setting_columns(runs)}
        groups[label_of(values)] = {key: one.pop() if len(one) == 1 else VARIES for key, one in own.items()}
    keys = [key for key in setting_columns(runs) if len({own[key] for own in groups.values()}) > 1]
    return {label: {key: own[key] for key in keys} for label, own in groups.items()} if len(groups) > 1 else {}
