"""Further metrics beside the compared one: mean and standard deviation of each, without tests of their own."""

from dataclasses import replace

import pandas as pd

from fbgd.report.cells import COST_NAMES, UNKNOWN, count, decimals, label, spread
from fbgd.report.formats import Page
from fbgd.report.tables import COSTS, is_fraction, side, split_values


def names_of(metrics: str | None) -> list[str]:
    """The metrics of ``a,b``, each once."""
    return [] if metrics is None else list(dict.fromkeys(name.strip() for name in metrics.split(",")))


def with_metrics(page: Page, runs: pd.DataFrame, by: list[str], across: str, metrics: list[str]) -> Page:
    """The page with a column for each of ``metrics``, of each value that stands side by side.

    Args:
        page: of the compared metric.
        runs: of the page, a row a run.
        by: what a row is.
        across: the column whose values stand side by side; empty for none.
        metrics: further columns of the runs.
    """
    groups = list(dict.fromkeys(runs[by].itertuples(index=False, name=None)))
    kinds = list(dict.fromkeys(runs[across])) if across else [""]
    header, rows, table = list(page.header), [list(row) for row in page.rows], page.table.copy()
    costs = {COST_NAMES.get(cost, cost) for cost in COSTS}
    place = next((index for index, name in enumerate(header) if name in costs), len(header))
    for metric in metrics:
        for kind in kinds:
            mine = runs[runs[across] == kind] if across else runs
            values, members = split_values(mine, by, metric, is_fraction(metric))
            sides = [side(values[group], members[group]) if group in values else None for group in groups]
            digits = decimals(pd.Series([entry["mean"] for entry in sides if entry], dtype=float), is_fraction(metric))
            name = " ".join(filter(None, [metric, kind]))
            for key in ("mean", "std", "n"):
                table[f"{key} {name}"] = [entry[key] if entry else None for entry in sides]
            header.insert(place, f"{kind}: {label(metric)}" if kind else label(metric))
            for row, entry in zip(rows, sides, strict=True):
                row.insert(place, told(entry, digits))
            place += 1
    sentence = f"{', '.join(map(label, metrics))}: mean ± standard deviation, without a test."
    return replace(page, header=header, rows=rows, table=table, paragraphs=[*page.paragraphs, sentence])


def told(entry: dict | None, digits: int) -> str:
    """Mean and standard deviation, and how many runs have the metric where not all do."""
    if entry is None:
        return UNKNOWN
    return spread(entry, digits) + ("" if entry["n"] == entry["runs"] else f" ({count(entry)})")
