"""What the study ``overparameterised`` is asked."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, beyond, higher, lower, of_difference
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import Difference, difference
from fbgd.studies.weight_decay.dynamics_settings import SGD
from fbgd.studies.weight_decay.product import ANGLES, explained

Rows = Callable[[pd.DataFrame], pd.DataFrame]
Effect = Callable[[pd.DataFrame, str, float], Difference | None]
# A direction explains more than another when its share of the variance is larger by this.
MARGIN = 0.1
# Below any error that a test set can show.
SMALLEST = 1e-5
RESAMPLES = 1000


def make_claims(compared: Rows, cells: Rows, effect: Effect) -> tuple[Claim, ...]:
    """All of them.

    Args:
        compared: the tidy table to the last rows of the compared runs.
        cells: the tidy table to those of the map.
        effect: of decay on a column of rows of one regime and learning rate.
    """

    def errors(evidence: Evidence) -> list[Estimate]:
        groups = compared(evidence.measurements).groupby(["regime", "rate"], sort=False)
        return [
            of_difference(found, f"{regime}, rate {rate:g}")
            for (regime, rate), part in groups
            if (found := effect(part, "test_error", evidence.level)) is not None
        ]

    def at_large_rates(evidence: Evidence) -> list[Estimate]:
        found = []
        for regime, part in compared(evidence.measurements).groupby("regime", sort=False):
            rates = sorted(part["rate"].unique())
            large, small = (by_seed(part[part["rate"] == rate]) for rate in (rates[-1], rates[0]))
            if len(rates) > 1 and len(large) and len(small):
                found.append(of_difference(difference(large, small, evidence.level), str(regime)))
        return found

    def settled(column: str) -> Callable[[Evidence], list[Estimate]]:
        def estimates(evidence: Evidence) -> list[Estimate]:
            table = compared(evidence.measurements)
            table = table[table["regime"] == SGD]
            fast = table[table["rate"] == table["rate"].max()]
            found = effect(fast, column, evidence.level) if len(table) else None
            return [of_difference(found, scale=1)] if found is not None else []

        return estimates

    def of_product(evidence: Evidence) -> list[Estimate]:
        return product_lead(cells(evidence.measurements), evidence.level)

    points = "test error with the chosen decay minus without, points"
    return (
        Claim("decay helps", "The chosen decay lowers the test error.", points, errors, lower),
        Claim("more at large rates", "It lowers it more at the large learning rate.",
              "effect at the large rate minus effect at the small one, points", at_large_rates, lower),
        Claim("loss stays off zero", "While SGD takes large steps, decay raises its settled training loss.",
              "settled training loss with decay minus without", settled("settled_loss"), higher, form="+.3f"),
        Claim("gradients stay large", "While SGD takes large steps, decay raises its settled block gradients.",
              "settled norm with decay minus without", settled("settled_block_norm"), higher, form="+.3f"),
        Claim("the product matters", "The map's test error goes with learning rate times decay.",
              "share of the variance of its logarithm that a parabola in the product explains, minus the best of one "
              "factor", of_product, beyond(MARGIN)),
    )  # fmt: skip


def by_seed(part: pd.DataFrame) -> pd.Series:
    """What decay adds to the test error of every seed."""
    with_decay, without = (part[part["tuned"] == tuned].set_index("seed")["test_error"] for tuned in (True, False))
    return (with_decay - without).dropna()


def product_lead(cells: pd.DataFrame, level: float) -> list[Estimate]:
    """By how much more the product explains of the map's log test error than either factor; none of a tiny map."""
    inner = cells[cells["decay"] > 0]
    inner = inner.assign(log_error=np.log(inner["test_error"].clip(lower=SMALLEST)))
    if min(inner[name].nunique() for name in ("rate", "decay", "test_error")) < 3:
        return []

    def lead(rows: pd.DataFrame) -> float:
        product, *factors = (explained(rows, degrees, "log_error") for degrees in ANGLES.values())
        return product - max(factors)

    draws = np.random.default_rng(0)
    resampled = [lead(inner.iloc[draws.integers(len(inner), size=len(inner))]) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return [Estimate(lead(inner), float(low), float(high), f"{len(inner)} cells, bootstrap over cells")]
