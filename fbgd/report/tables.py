"""From runs to validation tables: a row a group, or groups side by side in two or more columns."""

import math

import numpy as np
import pandas as pd

from fbgd.errors import nearest
from fbgd.report.families import against_one
from fbgd.report.gaps import GAPS
from fbgd.report.statistics import Difference, holm, t_interval

COSTS = ("passes", "gradient_evaluations", "seconds")
COLUMNS = (
    "n",
    "runs",
    "diverged",
    "failed",
    "mean",
    "std",
    "ci_low",
    "ci_high",
    "delta",
    "delta_low",
    "delta_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "p_value",
    "test",
    "published",
    *COSTS,
)
SIDE = ("n", "runs", "diverged", "failed", "mean", "std")
BETWEEN = ("delta", "delta_low", "delta_high", "ratio", "ratio_low", "ratio_high", "p_value", "test")
# Errors that differ by so much are compared by their logarithms.
DECADE = 10
LOG = ", log error"
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

    ``mean``, ``std`` (n - 1), the 95 % t-interval and ``delta``, the difference to the baseline's mean, are of
    ``metric``; ``p_value`` is that of the difference by ``test``. Intervals and p-values of differences hold for the
    whole table together, see :func:`differences`. Where errors differ by a decade or more, logarithms are compared:
    ``ratio`` is the quotient of the geometric mean errors, and the interval is its. Costs are means over runs.

    ``n`` of ``runs`` runs have a value: failed and missing ones are in no mean, diverged ones count with what they
    ended with, if that is a number. A group with any of these has no interval and no p-value, for what is left of it
    was selected by surviving.

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
    shown_percent = is_fraction(metric) if percent is None else percent
    values, members = split_values(runs, by, metric, shown_percent)
    if baseline is not None:
        check_baseline(list(members), by, baseline)
    references = baseline_of(list(values), by, baseline or {})
    changes = differences(values, members, references, whole_error(metric, shown_percent))
    rows = []
    for group, own in values.items():
        whole = is_whole(own, members[group])
        low, high = t_interval(own.to_numpy()) if whole else (math.nan, math.nan)
        costs = members[group].loc[lambda frame: frame["status"].isin(["done", "diverged"])]
        rows.append(
            {
                **dict(zip(by, group, strict=True)),
                **side(own, members[group]),
                "ci_low": low,
                "ci_high": high,
                **changes.get(group, NOTHING),
                "published": (published or {}).get(group, math.nan),
                **{cost: costs[cost].astype(float).mean() for cost in COSTS},
            }
        )
    return pd.DataFrame(rows, columns=[*by, *COLUMNS])


NOTHING = dict(zip(BETWEEN, [*[math.nan] * 7, ""], strict=True))


def differences(
    values: dict[Group, pd.Series],
    members: dict[Group, pd.DataFrame],
    references: dict[Group, Group],
    whole: float | None,
) -> dict[Group, dict[str, object]]:
    """The columns :data:`BETWEEN` of every group that has a reference, corrected over the table.

    Groups with the same reference are a family, see :func:`fbgd.report.families.against_one`. Of several families
    each gets its share of the 5 % (Bonferroni); single comparisons are Holm-corrected among themselves.

    Args:
        values: of the metric by group, indexed by seed.
        members: all runs by group.
        references: the group that each group is compared with.
        whole: what an accuracy and its error add up to; ``None`` where the metric itself is small when it is good.
    """
    found: dict[Group, dict[str, object]] = {
        group: NOTHING | {"delta": values[group].mean() - values[other].mean()}
        for group, other in references.items()
        if all(len(values[key]) == len(members[key]) for key in (group, other))
    }
    pairs = {group: other for group, other in references.items()
             if all(is_whole(values[key], members[key]) for key in (group, other))}  # fmt: skip
    families = [[group for group in pairs if pairs[group] == other] for other in dict.fromkeys(pairs.values())]
    for family in families:
        reference = pairs[family[0]]
        scale = {group: values[group] for group in (reference, *family)}
        errors = {group: own if whole is None else whole - own for group, own in scale.items()}
        logarithmic = spans_a_decade(errors)
        if logarithmic:
            scale = {group: np.log(own) for group, own in errors.items()}
        tested = against_one({group: scale[group] for group in family}, scale[reference], 1 - 0.05 / len(families))
        found |= {group: found[group] | between(change, logarithmic) for group, change in tested.items()}
    tests = [group for family in families for group in family]
    p_values = np.array([found[group]["p_value"] for group in tests], dtype=float)
    single = len(tests) == len(families)
    corrected = holm(p_values) if single else np.minimum(1, p_values * len(families))
    for group, p_value in zip(tests, corrected, strict=True):
        found[group]["p_value"] = float(p_value)
    return found


def between(change: Difference, logarithmic: bool) -> dict[str, object]:
    """The interval and the test of a difference as columns: of the values, or of the logarithms of their errors."""
    if not logarithmic:
        return {"delta_low": change.low, "delta_high": change.high, "p_value": change.p_value, "test": change.test}
    ratios = dict(zip(("ratio", "ratio_low", "ratio_high"), map(math.exp, change[:3]), strict=True))
    return {**ratios, "p_value": change.p_value, "test": change.test and change.test + LOG}


def whole_error(metric: str, percent: bool) -> float | None:
    """What a metric and its error add up to, as it is shown; ``None`` where the metric is no fraction."""
    return (100 if percent else 1) if is_fraction(metric) and metric not in GAPS else None


def spans_a_decade(errors: dict[Group, pd.Series]) -> bool:
    """Whether all errors are positive and the groups' means differ by a factor of ten or more."""
    means = [own.mean() for own in errors.values()]
    return all((own > 0).all() for own in errors.values()) and max(means) >= DECADE * min(means)


def is_whole(values: pd.Series, members: pd.DataFrame) -> bool:
    """Whether every run of a group is done and has a value."""
    return len(values) == len(members) and bool((members["status"] == "done").all())


def baseline_of(groups: list[Group], by: list[str], baseline: dict[str, str]) -> dict[Group, Group]:
    """The group that each group is compared with; none for the baselines themselves and those whose was not run."""
    found = {group: referred(group, by, baseline) for group in groups} if baseline else {}
    return {group: other for group, other in found.items() if other != group and other in groups}


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
    ``delta full batch``: that value's mean minus the first's. Rows are compared one by one; p-values and intervals are
    corrected over the whole table.

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
    shown_percent = is_fraction(metric) if percent is None else percent
    values, members = split_values(runs, [*by, across], metric, shown_percent)
    nothing = pd.Series(dtype=float)
    groups = list(dict.fromkeys(key[:-1] for key in values))
    references = {(*group, value): (*group, columns[0]) for group in groups for value in columns[1:]
                  if {(*group, value), (*group, columns[0])} <= set(values)}  # fmt: skip
    changes = differences(values, members, references, whole_error(metric, shown_percent))
    rows = []
    for group in groups:
        row: dict[str, object] = dict(zip(by, group, strict=True))
        for value in columns:
            own = side(values.get((*group, value), nothing), members.get((*group, value), runs.iloc[:0]))
            row |= {f"{key} {value}": entry for key, entry in own.items()}
        for value in columns[1:]:
            row |= {f"{key} {value}": entry for key, entry in changes.get((*group, value), NOTHING).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def side(values: pd.Series, members: pd.DataFrame) -> dict[str, object]:
    """How many runs of a group have a value, of how many, how many diverged or failed; mean, standard deviation."""
    diverged, failed = (int((members["status"] == status).sum()) for status in ("diverged", "failed"))
    entries = (len(values), len(members), diverged, failed, values.mean(), values.std())
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
