"""From evidence to the page: the one way that every study and every comparison takes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pandas as pd

from fbgd.errors import nearest
from fbgd.report.captions import caption, side_statistics, statistics
from fbgd.report.cells import cells, side_cells
from fbgd.report.claims import Claim, judge
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.report.formats import Page
from fbgd.report.ranges import CUT, reaches_past
from fbgd.report.tables import side_by_side, summarise


@dataclass(frozen=True)
class Summary:
    """The body of a page.

    Args:
        numbers: a row a line of the table.
        rows: the same as texts, a column a key; none where nothing has finished.
        left: how many columns say what the row is about.
        paragraphs: what a reader must know to read it.
        metric: what the table tells of the runs' end, by the name of its column in ``runs.csv``; empty where it
            tells of other moments.
        told: columns of ``runs.csv`` whose values the reader knows from the table.
    """

    numbers: pd.DataFrame
    rows: list[dict[str, str]]
    left: int
    paragraphs: list[str] = field(default_factory=list)
    metric: str = "test_accuracy"
    told: tuple[str, ...] = ()


def no_paragraphs(evidence: Evidence) -> list[str]:
    """Nothing to add."""
    return []


@dataclass(frozen=True)
class Recipe:
    """What code adds to a ``study.json``.

    Args:
        summarise: from the evidence to the table.
        claims: what the study is asked.
        paragraphs: what a reader of the page must know about how its settings came about.
    """

    summarise: Callable[[Evidence], Summary]
    claims: tuple[Claim, ...] = ()
    paragraphs: Callable[[Evidence], list[str]] = no_paragraphs


def page_of(evidence: Evidence, recipe: Recipe | None = None, told: tuple[str, ...] = ()) -> Page:
    """The page of a study, or of any runs with a description.

    Args:
        evidence: what there is.
        recipe: of the study; by default groups as the description says, and no claims.
        told: columns whose values the reader knows, such as filtered ones.

    Raises:
        ValueError: the runs lack a column, or there is no such baseline.
    """
    recipe = recipe or Recipe(by_description)
    summary = recipe.summarise(evidence)
    description = evidence.description
    texts = [*recipe.paragraphs(evidence), *summary.paragraphs]
    texts = caption(evidence.runs, description, texts, summary.metric, (*summary.told, *told))
    header = list(summary.rows[0]) if summary.rows else ["nothing finished"]
    return Page(
        description.title,
        summary.numbers,
        header,
        [[row[name] for name in header] for row in summary.rows],
        summary.left,
        texts,
        judge(recipe.claims, replace(evidence, table=summary.numbers)),
    )


def revision_note(table: pd.DataFrame) -> str:
    """The revisions that a study without runs was measured at, by the table's column ``git_revision``."""
    return f"Revision {', '.join(sorted({str(name)[:12] for name in table['git_revision']}))}."


def measured(summarise: Callable[[pd.DataFrame], Summary]) -> Callable[[Evidence], Summary]:
    """A summary of the tidy table alone; an empty one of an empty table."""

    def summary(evidence: Evidence) -> Summary:
        if not len(evidence.measurements):
            return Summary(evidence.measurements, [], 1, metric="")
        return summarise(evidence.measurements)

    return summary


def by_description(evidence: Evidence) -> Summary:
    """The table that a description asks for: groups side by side, or a row a group."""
    return side_summary(evidence) if evidence.description.across else group_summary(evidence)


def group_summary(evidence: Evidence) -> Summary:
    """A row a group, with differences to the baseline."""
    runs, description = evidence.runs, evidence.description
    by, metric = description.by, description.metric
    table = summarise(
        runs,
        by=by,
        baseline=description.baseline or None,
        metric=metric,
        published=description.published_means(by, metric),
    )
    values = {key: values_by_group(runs, by, key) for key in description.shown}
    for place, (key, own) in enumerate(values.items(), start=len(by)):
        table.insert(place, key, own)
    header, rows = cells(table, [*by, *values], metric)
    texts = [statistics(table, by, description.baseline), *([CUT] if reaches_past(table, metric) else [])]
    return Summary(table, [dict(zip(header, row, strict=True)) for row in rows], len(by), texts, metric, tuple(values))


def values_by_group(runs: pd.DataFrame, by: list[str], key: str) -> list[str]:
    """The values of a setting within each group, in the groups' order of appearance.

    Raises:
        ValueError: the runs have no such setting.
    """
    if key not in runs:
        raise ValueError(f"the runs have no column {key!r}; {nearest(key, runs)}")
    groups = runs.groupby(by, sort=False, dropna=False)[key]
    return [", ".join(dict.fromkeys(own)) for _, own in groups]


def side_summary(evidence: Evidence) -> Summary:
    """Groups side by side, in columns for the values of ``across``; the baseline's value is the reference.

    Raises:
        ValueError: the runs lack a column or the value, or have one value only.
    """
    description = evidence.description
    by, across, metric = description.by, description.across, description.metric
    table = side_by_side(evidence.runs, by, across, metric, first=description.baseline.get(across))
    values = [name.removeprefix("mean ") for name in table if name.startswith("mean ")]
    header, rows = side_cells(table, by, values, metric)
    texts = [side_statistics(table, across, values)]
    return Summary(table, [dict(zip(header, row, strict=True)) for row in rows], len(by), texts, metric)


def compared(description: Description, runs: pd.DataFrame, told: tuple[str, ...], **changes) -> Page:
    """The page of runs that were filtered or grouped anew: by the description with ``changes``."""
    return page_of(Evidence(replace(description, **changes), runs), told=told)
