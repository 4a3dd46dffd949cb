"""Numbers of double descent as people read them."""

import math

import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.statistics import Difference


def percent(values: pd.Series) -> str:
    """Mean ± standard deviation of fractions over seeds, in percent."""
    if not len(values) or values.isna().all():
        return UNKNOWN
    spread = "" if len(values) < 2 else f" ± {100 * values.std():.2f}"
    return f"{100 * values.mean():.2f}{spread}"


def points(change: Difference | None) -> str:
    """A difference of fractions with its 95 % interval, in percentage points."""
    if change is None:
        return UNKNOWN
    interval = "" if math.isnan(change.low) else f" ({100 * change.low:.1f} to {100 * change.high:.1f})"
    return f"{100 * change.delta:+.2f}{interval}"


def place(value: float) -> str:
    """A width, a number of samples or of passes; a dash where there is none."""
    return UNKNOWN if math.isnan(value) else f"{value:.3g}" if value < 100 else f"{value:.0f}"
