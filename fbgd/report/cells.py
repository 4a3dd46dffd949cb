"""Rows of a table as texts for people."""

import math
from collections.abc import Callable
from functools import partial

import pandas as pd

from fbgd.report.ranges import within_range
from fbgd.report.tables import COSTS, is_fraction

UNKNOWN = "–"
COST_NAMES = {"gradient_evaluations": "gradient evals"}


def number(value: float, form: str) -> str:
    """A number in the format ``form``; a dash for an unknown one."""
    return UNKNOWN if value is None or math.isnan(value) else format(value, form)


def shown_value(value: object) -> str:
    """A group's value; a dash for an empty one."""
    return str(value) if value != "" else UNKNOWN


def shown_entry(key: str, row: dict) -> str:
    """A row's group value."""
    return shown_value(row[key])


def shown_number(key: str, form: str, row: dict) -> str:
    """A row's number, such as a cost."""
    return number(row[key], form)


def shown_side(digits: int, suffix: str, row: dict) -> str:
    """Mean, standard deviation and count of one of the groups side by side."""
    return f"{spread(row, digits, suffix)} ({count(row, suffix)})"


def count(row: dict, suffix: str = "") -> str:
    """``3``, ``2 of 3`` where runs have no value, ``3, 1 of 3 diverged``: the rates of what went wrong."""
    n, runs = (int(row[f"{key}{suffix}"]) for key in ("n", "runs"))
    wrong = {name: int(row[f"{name}{suffix}"]) for name in ("diverged", "failed")}
    rates = [f"{number} of {runs} {name}" for name, number in wrong.items() if number]
    return ", ".join([str(n) if n == runs else f"{n} of {runs}", *rates])


def decimals(means: pd.Series, percent: bool) -> int:
    """How many decimals a metric is shown with: two for percent, else four digits of a typical value."""
    known = means.abs()[lambda values: values > 0].dropna()
    if percent or known.empty:
        return 2
    return min(6, max(0, 3 - math.floor(math.log10(known.median()))))


def label(metric: str) -> str:
    """A metric's name for people."""
    return metric.replace("_", " ") + (" %" if is_fraction(metric) else "")


def interval(low: float, high: float, digits: int) -> str:
    """An interval; a dash for an unknown one."""
    return UNKNOWN if math.isnan(low) else f"{low:,.{digits}f} to {high:,.{digits}f}"


def shown_interval_of(row: dict, metric: str, digits: int) -> str:
    """The interval of a row's mean, up to what the metric can be."""
    low, high = (within_range(row[end], metric) for end in ("ci_low", "ci_high"))
    return interval(low, high, digits)


def spread(row: dict, digits: int, suffix: str = "") -> str:
    """Mean ± standard deviation."""
    deviation = row[f"std{suffix}"]
    return number(row[f"mean{suffix}"], f",.{digits}f") + (
        "" if math.isnan(deviation) else f" ± {deviation:,.{digits}f}"
    )


def mean_of(values: pd.Series, form: str, *, whole: bool = False) -> str:
    """Mean ± standard deviation of a column's known values, in the format ``form``; a dash where there are none.

    Args:
        values: a value a run.
        form: of both numbers.
        whole: a single unknown value is a dash, too: the rest are those that survived.

    >>> mean_of(pd.Series([1.0, 3.0]), ".1f"), mean_of(pd.Series([1.0, math.nan]), ".1f")
    ('2.0 ± 1.4', '1.0')
    >>> mean_of(pd.Series([1.0, math.nan]), ".1f", whole=True)
    '–'
    """
    known = values.dropna()
    if not len(known) or (whole and len(known) < len(values)):
        return UNKNOWN
    return f"{known.mean():{form}}" + (f" ± {known.std():{form}}" if len(known) > 1 else "")


def change(row: dict, digits: int, suffix: str = "") -> str:
    """A difference and its interval, that with one digit less: ``-3.63 (-9.9 to 2.6)``.

    Of compared logarithms the quotient and its interval: ``+3.10, error x 0.52 (0.41 to 0.66)``.
    """
    low, high = row[f"delta_low{suffix}"], row[f"delta_high{suffix}"]
    fewer = max(0, digits - 1)
    interval = "" if math.isnan(low) else f" ({low:,.{fewer}f} to {high:,.{fewer}f})"
    if not math.isnan(row[f"ratio{suffix}"]):
        ratio, *limits = (row[f"ratio{end}{suffix}"] for end in ("", "_low", "_high"))
        interval = f", error × {ratio:.3g}" + ("" if math.isnan(limits[0]) else " ({:.2g} to {:.2g})".format(*limits))
    return number(row[f"delta{suffix}"], f"+,.{digits}f") + interval


def cells(table: pd.DataFrame, by: list[str], metric: str = "test_accuracy") -> tuple[list[str], list[list[str]]]:
    """Header and rows of a summarised table; columns about a baseline or the literature only where there is one."""
    percent = is_fraction(metric)
    digits = decimals(table["mean"], percent)
    columns: dict[str, Callable[[dict], str]] = {key: partial(shown_entry, key) for key in by}
    columns |= {
        "n": count,
        label(metric): lambda row: spread(row, digits),
        "95 % interval": partial(shown_interval_of, metric=metric, digits=digits),
    }
    if table["delta"].notna().any():
        columns["Δ baseline (95 %)"] = lambda row: change(row, digits)
        columns["p"] = lambda row: number(row["p_value"], ".2g")
    if table["published"].notna().any():
        columns["published %"] = lambda row: number(row["published"], ".2f")
    forms = {"passes": "g", "gradient_evaluations": ",.0f", "seconds": ".0f"}
    columns |= {
        COST_NAMES.get(cost, cost): partial(shown_number, cost, forms[cost]) for cost in COSTS if cost != metric
    }
    return list(columns), [[show(row) for show in columns.values()] for row in table.to_dict("records")]


def side_cells(
    table: pd.DataFrame, by: list[str], values: list[str], metric: str = "test_accuracy"
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table side by side, ``values`` being the columns' values, the reference first."""
    means = pd.concat([table[f"mean {value}"] for value in values])
    digits = decimals(means, is_fraction(metric))
    columns: dict[str, Callable[[dict], str]] = {key: partial(shown_entry, key) for key in by}
    for value in values:
        suffix = f" {value}"
        columns[f"{value or UNKNOWN}: {label(metric)}"] = partial(shown_side, digits, suffix)
    for value in values[1:]:
        suffix = f" {value}"
        against = f"{value or UNKNOWN} - {values[0] or UNKNOWN}"
        columns[f"{against} (95 %)"] = partial(change, digits=digits, suffix=suffix)
        columns["p" if len(values) == 2 else f"p {value}"] = partial(shown_number, f"p_value{suffix}", ".2g")
    return list(columns), [[show(row) for show in columns.values()] for row in table.to_dict("records")]
