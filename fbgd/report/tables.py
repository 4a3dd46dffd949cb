"""From runs to validation tables: a row a group, or groups side by side in two or more columns."""

import math

import pandas as pd

from fbgd.errors import nearest
from fbgd.report.statistics import difference, holm, t_interval

COSTS = ("passes", "gradient_evaluations", "seconds")
COLUMNS = (
    "n",
    "runs",
    "diverged",
    "mean",
    "std",
    "ci_low",
    "ci_high",
    "delta",
    "delta_low",
    "delta_high",
    "p_value",
    "test",
    "published",
    *COSTS,
)
SIDE = ("n", "runs", "diverged", "mean", "std")
BETWEEN = ("delta", "delta_low", "delta_high", "p_value", "test")
Group = tuple[str, ...]


def is_fraction(metric: str) -> bool:
    """Whether a metric is a fraction, shown in percent."""
    return metric.endswith("accuracy")


def summarise(
    runs: pd.DataFrame,
    *,
    by: list[str],
    baseline: dict[str, str] | None = None,
    metric: str = "test_accuracy",
    published: dict[Group, float] | None = None,
    percent: bool | None = None,
) -> pd.DataFrame:
    """One row a group, in the order of first appearance: the columns ``by``, then :data:`COLUMNS`.

    ``mean``, ``std`` (n - 1), the 95 % t-interval and ``delta``, the difference to the baseline's mean with its own
    interval, are of ``metric``; ``p_value`` is that of the difference by ``test``, Holm-corrected over the table;
    costs are means over runs. ``n`` of ``runs`` runs have a value: failed and missing ones are in no mean, diverged
    ones count with what they ended with, if that is a number.

    Args:
        runs: a row a run with ``by``, ``seed``, ``status``, the metric and the costs.
        by: the grouping columns.
        baseline: values of some of them, ``{"optimizer": "SGD"}``: each row is compared with the row that has these
            and else its own. ``None``: no comparison.
        metric: the compared column.
        published: values from the literature by group.
        percent: multiply the metric by 100; by default for fractions.

    Raises:
        ValueError: no such column, or no row is such a baseline.
    """
    check_columns(runs, [*by, metric])
    values, members = split_values(runs, by, metric, is_fraction(metric) if percent is None else percent)
    if baseline is not None:
        check_baseline(list(members), by, baseline)
    rows = []
    for group, own in values.items():
        reference = group if baseline is None else referred(group, by, baseline)
        found = None if reference == group or reference not in values else difference(own, values[reference])
        delta = dict(zip(BETWEEN, found or (*[math.nan] * 4, ""), strict=True))
        low, high = t_interval(own.to_numpy())
        costs = members[group].loc[lambda frame: frame["status"].isin(["done", "diverged"])]
        rows.append(
            {
                **dict(zip(by, group, strict=True)),
                **side(own, members[group]),
                "ci_low": low,
                "ci_high": high,
                **delta,
                "published": (published or {}).get(group, math.nan),
                **{cost: costs[cost].astype(float).mean() for cost in COSTS},
            }
        )
    table = pd.DataFrame(rows, columns=[*by, *COLUMNS])
    table["p_value"] = holm(table["p_value"].to_numpy())
    return table


def side_by_side(
    runs: pd.DataFrame,
    by: list[str],
    across: str,
    metric: str = "test_accuracy",
    *,
    first: str | None = None,
    percent: bool | None = None,
) -> pd.DataFrame:
    """One row a group, and for every value of the column ``across`` its mean; all others against the first.

    The columns are ``by``; for each value :data:`SIDE`, as ``mean SGD``; for each but the first :data:`BETWEEN`, as
    ``delta full batch``: that value's mean minus the first's. p-values are Holm-corrected over the whole table.

    Args:
        runs: a row a run.
        by: the grouping columns.
        across: the column whose values stand side by side.
        metric: the compared column.
        first: the value that the others are compared with; by default the first to appear.
        percent: multiply the metric by 100; by default for fractions.

    Raises:
        ValueError: no such column or value, or fewer than two values to set side by side.
    """
    check_columns(runs, [*by, across, metric])
    columns = list(dict.fromkeys(runs[across]))
    if first is not None and first not in columns:
        raise ValueError(f"{across} = {first!r} is not among the runs; {nearest(first, columns)}")
    if len(columns) < 2:
        raise ValueError(f"{across} has one value only among these runs, {columns[0]!r}: nothing to set side by side")
    columns = list(dict.fromkeys([first or columns[0], *columns]))
    values, members = split_values(runs, [*by, across], metric, is_fraction(metric) if percent is None else percent)
    nothing = pd.Series(dtype=float)
    rows = []
    for group in dict.fromkeys(key[:-1] for key in values):
        row: dict[str, object] = dict(zip(by, group, strict=True))
        for value in columns:
            own = side(values.get((*group, value), nothing), members.get((*group, value), runs.iloc[:0]))
            row |= {f"{key} {value}": entry for key, entry in own.items()}
        reference = values.get((*group, columns[0]), nothing)
        for value in columns[1:]:
            found = difference(values.get((*group, value), nothing), reference)
            row |= {f"{key} {value}": entry for key, entry in zip(BETWEEN, found, strict=True)}
        rows.append(row)
    table = pd.DataFrame(rows)
    tested = [f"p_value {value}" for value in columns[1:]]
    table[tested] = holm(table[tested].to_numpy().ravel()).reshape(len(table), len(tested))
    return table


def side(values: pd.Series, members: pd.DataFrame) -> dict[str, object]:
    """How many runs of a group have a value, of how many, how many diverged; mean and standard deviation."""
    diverged = int((members["status"] == "diverged").sum())
    entries = (len(values), len(members), diverged, values.mean(), values.std())
    return dict(zip(SIDE, entries, strict=True))


def split_values(
    runs: pd.DataFrame, by: list[str], metric: str, percent: bool
) -> tuple[dict[Group, pd.Series], dict[Group, pd.DataFrame]]:
    """The metric's values by group, indexed by seed, and all runs by group, in the order of appearance."""
    members = dict(list(runs.groupby(by, sort=False, dropna=False)))
    ended = {group: frame[frame["status"].isin(["done", "diverged"])] for group, frame in members.items()}
    scale = 100 if percent else 1
    values = {group: frame.set_index("seed")[metric].astype(float).dropna() * scale for group, frame in ended.items()}
    return values, members


def referred(group: Group, by: list[str], baseline: dict[str, str]) -> Group:
    """The group that ``group`` is compared with: the baseline's values, and its own for the rest."""
    return tuple(baseline.get(key, own) for key, own in zip(by, group, strict=True))


def check_columns(runs: pd.DataFrame, names: list[str]) -> None:
    """Raise ``ValueError`` unless the runs have all these columns."""
    for name in names:
        if name not in runs:
            raise ValueError(f"the runs have no column {name!r}; {nearest(name, runs)}")


def check_baseline(groups: list[Group], by: list[str], baseline: dict[str, str]) -> None:
    """Raise ``ValueError`` unless the baseline names grouping columns, and some group fits it."""
    for key, value in baseline.items():
        if key not in by:
            raise ValueError(f"baseline {key}={value}: the table is not grouped by {key!r}; {nearest(key, by)}")
        known = [group[by.index(key)] for group in groups]
        if value not in known:
            raise ValueError(f"baseline {value!r} is no {key}; {nearest(value, known)}")
    if not any(group == referred(group, by, baseline) for group in groups):
        raise ValueError(f"no group is the baseline {', '.join(f'{k}={v}' for k, v in baseline.items())}")
