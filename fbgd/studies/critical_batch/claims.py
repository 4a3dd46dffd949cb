"""What the study is asked."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, below, higher, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.studies.critical_batch.measures import NOISE, STEPS
from fbgd.studies.critical_batch.tradeoff import fit

MCCANDLISH = "McCandlish et al. 2018"
# How far prediction and measurement may be apart, and what is left of the steps' logarithms.
FACTOR, LEFT = 2.0, 0.1
# Fewer batch sizes say nothing about a curve of two parameters.
FEWEST = 3


def fits(table: pd.DataFrame) -> pd.DataFrame:
    """A row a seed: ``least`` steps, ``critical`` batch size and ``residual`` of the trade-off, and what is predicted.

    ``predicted`` is the mean of the noise scale over the looks, ``growth`` the natural logarithm of its last over its
    first. A seed that did not reach the target with every batch size is left out.
    """
    columns = ["seed", "least", "critical", "residual", "predicted", "growth"]
    if not len(table):
        return pd.DataFrame(columns=columns)
    steps, noise = (table[table["kind"] == kind] for kind in (STEPS, NOISE))
    sizes, rows = steps["size"].nunique(), []
    for seed, part in steps.groupby("seed"):
        scales = noise.loc[noise["seed"] == seed].sort_values("share")["noise_scale"]
        if len(part) == sizes >= FEWEST and len(scales):
            found = fit(part["size"].to_numpy(dtype=float), part["steps"].to_numpy())
            growth = math.log(scales.iloc[-1] / scales.iloc[0]) if (scales.iloc[[0, -1]] > 0).all() else math.nan
            rows.append([seed, *found, scales.mean(), growth])
    return pd.DataFrame(rows, columns=columns)


def over_seeds(values: Callable[[pd.DataFrame], pd.Series]) -> Callable[[Evidence], list[Estimate]]:
    """The mean over seeds of a number of :func:`fits`."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        numbers = values(fits(evidence.measurements)).dropna()
        return [of_mean(numbers, evidence.level)] if len(numbers) else []

    return estimates


def residual_of_means(evidence: Evidence) -> list[Estimate]:
    """What the fit leaves of the mean logarithms over seeds, by the jackknife over seeds.

    What a fit to single seeds leaves has their own scatter in it, and would not fall to 0 on a curve that is exact.
    """
    table = evidence.measurements
    whole = fits(table)["seed"]
    own = table[(table["kind"] == STEPS) & table["seed"].isin(whole)] if len(table) else table
    if len(whole) < FEWEST:
        return []
    logs = np.log(own.pivot(index="seed", columns="size", values="steps"))
    sizes, count = logs.columns.to_numpy(dtype=float), len(logs)

    def residual(rows: pd.DataFrame) -> float:
        return fit(sizes, np.exp(rows.mean().to_numpy())).residual

    without = np.array([residual(logs.drop(index=seed)) for seed in logs.index])
    return [of_mean(count * residual(logs) - (count - 1) * without, evidence.level)]


CLAIMS = (
    Claim("the noise scale predicts it", f"The noise scale predicts the critical batch size to a factor of {FACTOR:g}.",
          "decimal logarithm of measured over predicted",
          over_seeds(lambda rows: np.log10((rows["critical"] / rows["predicted"]).astype(float))),
          within(math.log10(FACTOR)), f"within an order of magnitude ({MCCANDLISH})", "+.3f"),
    Claim("steps follow the trade-off", f"Steps over batch sizes are S_min (1 + B_crit / B) to {100 * LEFT:g} %.",
          "root mean square of what the fit leaves of their mean logarithms over seeds",
          residual_of_means, below(LEFT), f"they do ({MCCANDLISH})", ".3f"),
    Claim("the noise scale grows", "On the way to the target the noise scale grows.",
          "natural logarithm of its last value over its first", over_seeds(lambda rows: rows["growth"]), higher,
          f"grows in training ({MCCANDLISH})"),
)  # fmt: skip
