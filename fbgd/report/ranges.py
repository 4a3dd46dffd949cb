"""What a metric can be: shown intervals end there, whatever the t-distribution says of few seeds."""

import math

import pandas as pd

from fbgd.report.gaps import GAPS
from fbgd.report.statistics import t_interval
from fbgd.report.tables import is_fraction

CUT = "Intervals that reach past what a percentage can be are shown up to there; the CSV has them whole."


def bounds(metric: str) -> tuple[float, float]:
    """The least and the largest value of a metric as it is shown: 0 and 100 of an accuracy, -100 and 100 of its gap."""
    if not is_fraction(metric):
        return -math.inf, math.inf
    return (-100.0 if metric in GAPS else 0.0), 100.0


def within_range(value: float, metric: str) -> float:
    """An interval's end as it is shown; NaN stays NaN.

    Args:
        value: of an interval of two seeds, say, which may reach far beyond anything that an accuracy can be.
        metric: what it is of; fractions in percent.

    >>> within_range(104.0, "test_accuracy"), within_range(-3.0, "gap_accuracy"), within_range(104.0, "test_loss")
    (100.0, -3.0, 104.0)
    """
    low, high = bounds(metric)
    return value if math.isnan(value) else min(high, max(low, value))


def reaches_past(table: pd.DataFrame, metric: str) -> bool:
    """Whether an interval of a table, ``ci_low`` to ``ci_high``, reaches past what the metric can be."""
    low, high = bounds(metric)
    return bool((table["ci_low"] < low).any() or (table["ci_high"] > high).any())


def shown_interval(values: pd.Series, metric: str) -> tuple[float, float]:
    """The 95 % t-interval of a metric's shown values, up to what it can be; NaN for fewer than two."""
    low, high = t_interval(values.to_numpy())
    return within_range(low, metric), within_range(high, metric)
