r"""Kendall's correlation of a measure with the gap, over all runs or within groups, with a bootstrap over seeds.

.. math::
    \tau_b = \frac{\sum_{ij} \operatorname{sgn}(x_i - x_j) \operatorname{sgn}(y_i - y_j)}
                  {\sqrt{\sum_{ij} \operatorname{sgn}(x_i - x_j)^2 \, \sum_{ij} \operatorname{sgn}(y_i - y_j)^2}}

where pairs are those within a group. Runs of one seed share data order and initial weights, so seeds are drawn again,
with all of their runs, and no single runs. Sums over pairs of runs are first taken for every pair of seeds: a resample
is then three quadratic forms in how often each seed was drawn.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

RESAMPLES = 4000
# A run has fitted its training set from this accuracy on.
FITTED = 0.95
ALL, SAME_RATE, FITTED_RUNS = "all runs", "same rate", "fitted runs"


class Correlation(NamedTuple):
    """Kendall's tau-b, its interval, and the number of runs."""

    tau: float
    low: float
    high: float
    runs: int


def kendall(table: pd.DataFrame, measure: str, gap: str, within: list[str], level: float) -> Correlation:
    """The correlation of two columns, in pairs of runs that agree in the columns ``within``.

    The interval is the t-interval with the standard error of the bootstrap, seeds minus one degrees of freedom: with
    ten seeds the quantiles of resamples themselves would be too narrow at high levels. It is not defined for fewer
    than three seeds, or where all resamples agree.

    Args:
        table: a row a run, with the column ``seed``.
        measure: a column.
        gap: another one.
        within: columns; none for all pairs.
        level: of the interval.
    """
    from scipy import stats

    rows = table.dropna(subset=[measure, gap])
    seeds = np.unique(rows["seed"])
    member = (rows["seed"].to_numpy()[:, None] == seeds).astype(float)
    x, y = (np.sign(np.subtract.outer(own, own)) for own in (rows[measure].to_numpy(), rows[gap].to_numpy()))
    if within:
        groups = rows.groupby(within, sort=False).ngroup().to_numpy()
        same = groups[:, None] == groups
        x, y = x * same, y * same
    sums = [member.T @ pairs @ member for pairs in (x * y, x * x, y * y)]
    tau = float(ratio(np.ones((1, len(seeds))), sums)[0])
    if len(seeds) < 3 or math.isnan(tau):
        return Correlation(tau, math.nan, math.nan, len(rows))
    draws = np.random.default_rng(0).multinomial(len(seeds), [1 / len(seeds)] * len(seeds), size=RESAMPLES)
    error = float(np.nanstd(ratio(draws.astype(float), sums), ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, len(seeds) - 1)) * error
    if not error > 0:
        return Correlation(tau, math.nan, math.nan, len(rows))
    return Correlation(tau, tau - half, tau + half, len(rows))


def ratio(counts: np.ndarray, sums: list[np.ndarray]) -> np.ndarray:
    """Tau-b of every row of counts (R, seeds), from the sums over pairs of seeds."""
    both, first, second = (np.einsum("rs,st,rt->r", counts, own, counts) for own in sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        return both / np.sqrt(first * second)


def grouped(runs: pd.DataFrame, measure: str, gap: str, group: str, level: float = 0.95) -> Correlation:
    """The correlation over all runs, in pairs of one learning rate, or over runs that have fitted their training set.

    Args:
        runs: a row a run.
        measure: a column.
        gap: another one.
        group: :data:`ALL`, :data:`SAME_RATE` or :data:`FITTED_RUNS`.
        level: of the interval.
    """
    mine = runs[runs["train_accuracy"] >= FITTED] if group == FITTED_RUNS else runs
    return kendall(mine, measure, gap, ["rate"] if group == SAME_RATE else [], level)
