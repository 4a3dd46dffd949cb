"""From runs and what their table is to the page: the one way that every study and every comparison takes."""

import pandas as pd

from fbgd.errors import nearest
from fbgd.report.captions import caption, side_statistics, statistics
from fbgd.report.description import Description
from fbgd.report.formats import Page, cells, side_cells
from fbgd.report.tables import side_by_side, summarise


def page_of(runs: pd.DataFrame, description: Description, told: tuple[str, ...] = ()) -> Page:
    """The page that a description asks for: groups side by side, or a row a group; see the two below."""
    if description.across:
        first = description.baseline.get(description.across)
        return side_page(runs, description, description.across, first, told)
    return study_page(runs, description, told)


def study_page(runs: pd.DataFrame, description: Description, told: tuple[str, ...] = ()) -> Page:
    """The validation table of runs, a row a group, with its caption.

    Args:
        runs: a row a run.
        description: what the table is.
        told: columns beside the grouping ones whose values the reader knows.

    Raises:
        ValueError: the runs lack a column, or there is no such baseline.
    """
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
    texts = caption(runs, description, statistics(runs, description), (*values, *told))
    return Page(description.title, table, header, rows, len(by), texts)


def values_by_group(runs: pd.DataFrame, by: list[str], key: str) -> list[str]:
    """The values of a setting within each group, in the groups' order of appearance.

    Raises:
        ValueError: the runs have no such setting.
    """
    if key not in runs:
        raise ValueError(f"the runs have no column {key!r}; {nearest(key, runs)}")
    groups = runs.groupby(by, sort=False, dropna=False)[key]
    return [", ".join(dict.fromkeys(own)) for _, own in groups]


def side_page(
    runs: pd.DataFrame, description: Description, across: str, first: str | None = None, told: tuple[str, ...] = ()
) -> Page:
    """Groups side by side, in columns for the values of ``across``, with its caption.

    Args:
        runs: a row a run.
        description: what the table is; its baseline is not used.
        across: the column whose values stand side by side.
        first: the value that the others are compared with.
        told: further columns whose values the reader knows.

    Raises:
        ValueError: the runs lack a column or the value, or have one value only.
    """
    by, metric = description.by, description.metric
    table = side_by_side(runs, by, across, metric, first=first)
    values = [name.removeprefix("mean ") for name in table if name.startswith("mean ")]
    header, rows = side_cells(table, by, values, metric)
    texts = caption(runs, description, side_statistics(runs, by, across, values, metric), told, across)
    return Page(description.title, table, header, rows, len(by), texts)
