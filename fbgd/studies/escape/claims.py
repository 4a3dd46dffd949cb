"""What the study is asked."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, higher, lower, of_mean, within
from fbgd.report.evidence import Evidence

ZHU = "Zhu et al. 2019"
FACTOR = 1.5
ISOTROPIC, DIAGONAL, COVARIANCE, LEADING = "isotropic", "diagonal", "covariance", "leading"
# A barrier of so much between where a chain settled and where descent without noise did: two basins.
BARRIER = 0.05


def sooner(first: str, second: str) -> Callable[[Evidence], list[Estimate]]:
    """The logarithm of the steps of one shape over those of another, by seed, a case a trace.

    Who has not left counts with all steps that were taken: so the truth is beyond, where ``second`` has not.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        found = []
        for trace, part in traces(evidence.measurements):
            steps = part.pivot(index="seed", columns="structure", values="steps")
            if {first, second} <= set(steps):
                ratios = np.log(steps[first] / steps[second]).dropna()
                found.append(of_mean(ratios, evidence.level, f"trace {trace:g}"))
        return found

    return estimates


def traces(table: pd.DataFrame):
    """The rows of each trace."""
    return table.groupby("trace", sort=False) if len(table) else ()


def own_trace(evidence: Evidence, columns: Callable[[pd.DataFrame], pd.Series], *structures: str) -> list[Estimate]:
    """The mean over seeds of a number of each shape, at SGD's own trace."""
    table = evidence.measurements
    rows = table[(table["trace"] == 1) & table["structure"].isin(structures)] if len(table) else table
    parts = rows.groupby("structure", sort=False) if len(rows) else ()
    values = {str(name): columns(part).dropna() for name, part in parts}
    return [of_mean(own, evidence.level, name) for name, own in values.items() if len(own)]


def anisotropy(evidence: Evidence) -> list[Estimate]:
    """The logarithm of D tr(HC) / (tr H tr C) at the minima: a step's rise by covariance over that by white noise."""
    table = evidence.measurements
    rows = table[table["trace"] == 1].drop_duplicates(["seed", "structure"]) if len(table) else table
    if not len(rows) or not {ISOTROPIC, COVARIANCE} <= set(rows["structure"]):
        return []
    rises = rows.pivot(index="seed", columns="structure", values="predicted")
    found = logarithm(rises[COVARIANCE] / rises[ISOTROPIC]).dropna()
    return [of_mean(found, evidence.level)] if len(found) else []


def logarithm(ratios: pd.Series) -> pd.Series:
    """The natural logarithm; unknown where it has none."""
    return np.log(ratios.where(ratios > 0))


def flatter(part: pd.DataFrame) -> pd.Series:
    """The largest eigenvalue where a chain settled in another basin minus that without noise."""
    return (part["sharpness"] - part["reference"])[part["barrier"] > BARRIER]


RATIO = "natural logarithm of the ratio of steps"
EVERY = (ISOTROPIC, DIAGONAL, COVARIANCE, LEADING, "SGD")
CLAIMS = (
    Claim("noise at the minimum is anisotropic", "At the minimum the covariance of block gradients lies along the "
          "curved directions.", "natural logarithm of D tr(HC) / (tr H tr C)", anisotropy, higher,
          f"larger than 0 ({ZHU})"),
    Claim("sooner than isotropic", "Noise with SGD's covariance leaves the minimum sooner than isotropic noise of the "
          "same trace.", RATIO, sooner(COVARIANCE, ISOTROPIC), lower, f"sooner ({ZHU})"),
    Claim("sooner than diagonal", "Noise with SGD's covariance leaves it sooner than its diagonal.", RATIO,
          sooner(COVARIANCE, DIAGONAL), lower, f"sooner ({ZHU})"),
    Claim("leading sooner than isotropic", "Noise along the leading eigenvector leaves it sooner than isotropic noise.",
          RATIO, sooner(LEADING, ISOTROPIC), lower, f"sooner ({ZHU})"),
    Claim("as SGD", f"Noise with SGD's covariance takes as many steps as SGD, to a factor of {FACTOR:g}.", RATIO,
          sooner(COVARIANCE, "SGD"), within(math.log(FACTOR))),
    Claim("the first rise", f"One step's noise raises the loss by h² tr(H Σ) / 2, to a factor of {FACTOR:g}.",
          "natural logarithm of measured over predicted",
          lambda evidence: own_trace(evidence, lambda part: logarithm(part["rise"] / part["predicted"]), *EVERY),
          within(math.log(FACTOR)), f"the escaping efficiency tr(H Σ) ({ZHU})"),
    Claim("flatter elsewhere", "Where it settles in another basin, the largest eigenvalue is smaller than where "
          "descent without noise is by then.", "difference of largest eigenvalues, runs with a barrier in between",
          lambda evidence: own_trace(evidence, flatter, COVARIANCE, "SGD"), lower, f"flatter ({ZHU})"),
)  # fmt: skip
