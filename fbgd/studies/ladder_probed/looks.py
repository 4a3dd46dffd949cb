"""From the runs of a probed ladder to a row a look: rate, clipping, sharpness and noise at one moment."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fbgd.runs.plan import PlannedRun, curves

KEYS = ["rung", "seed"]
# Samples of the batch whose gradient noise is told by: a block of the ladder, and of its SGD.
BATCH = 128
# Columns of a run's rows, by what they are called here.
PROBED = {
    "sharpness": "sharpness/sharpness",
    "error": "sharpness/error",
    "trace": "gradient_noise_scale/trace",
    "squared_gradient": "gradient_noise_scale/squared_gradient",
    "noise_scale": "gradient_noise_scale/noise_scale",
}


def clipping_factor(norm: pd.Series, threshold: float) -> pd.Series:
    """What clipping multiplies a gradient of this norm with, min(1, c / norm), and so the learning rate.

    >>> clipping_factor(pd.Series([0.1, 0.5]), threshold=0.25).tolist()
    [1.0, 0.5]
    """
    return (threshold / norm).clip(upper=1.0)


def threshold_of(run: PlannedRun) -> float:
    """The threshold on the norm of a run's mean gradient; infinite where nothing is clipped."""
    options = run.config.regularizer.get("gradient_clipping")
    return float(options["max_norm"]) if isinstance(options, Mapping) else np.inf


def look_table(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a look of every finished run.

    Columns: rung, seed, passes; lr; gradient_norm, of the step before the look, or of stochastic training the mean over
    its pass; clipped, the share of clipped steps since the last look; factor and effective_rate, what clipping makes
    of the learning rate; test_accuracy, where it was
    evaluated; those of :data:`PROBED`.

    Args:
        planned: the runs.
    """
    rows = curves(planned)
    if not len(rows):
        return pd.DataFrame()
    thresholds = {(run.rung, run.seed): threshold_of(run) for run in planned}
    parts = []
    for key, part in rows.groupby(KEYS, sort=False):
        part = part.sort_values("passes")
        looked = part[PROBED["sharpness"]].notna()
        looks = part[looked]
        # How many looks came before a row: equal for all rows that lead up to one.
        before = looked.cumsum().shift(fill_value=0)
        factor = clipping_factor(looks["gradient_norm"], thresholds[key])
        parts.append(
            pd.DataFrame(
                {
                    "rung": key[0],
                    "seed": key[1],
                    "passes": looks["passes"],
                    "lr": looks["learning_rate"],
                    "gradient_norm": looks["gradient_norm"],
                    "clipped": part["clipped"].groupby(before).mean().to_numpy()[: len(looks)],
                    "factor": factor,
                    "effective_rate": factor * looks["learning_rate"],
                    "test_accuracy": looks["test_accuracy"],
                    **{name: looks[column] for name, column in PROBED.items()},
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def geometric(part: pd.DataFrame, column: str) -> pd.Series:
    """The mean over looks of the logarithm of a column, by seed; looks without a positive value are left out."""
    values = part.set_index("seed")[column]
    return np.log(values[values > 0]).groupby(level=0).mean()


def signal(looks: pd.DataFrame) -> pd.Series:
    r"""The share of signal in the squared gradient of a batch of B = :data:`BATCH` samples, of every look.

    .. math:: \frac{|G|^2}{|G|^2 + \operatorname{tr}(C) / B} = \frac{1}{1 + \text{noise scale} / B}

    Half where the noise scale is B samples. It has a meaning at every look: where noise drowns the signal, the
    estimate of :math:`|G|^2`, which is without bias, is negative as often as not, and so is the noise scale; to keep
    the positive ones would be to choose. Noise scales of 0 to infinity are shares of 1 to 0; the least is -B / (N - B),
    where the gradient of all N training samples vanishes.

    >>> signal(pd.DataFrame({"squared_gradient": [1.0, -0.25], "trace": [128.0, 128.0]})).round(4).tolist()
    [0.5, -0.3333]
    """
    return looks["squared_gradient"] / (looks["squared_gradient"] + looks["trace"] / BATCH)


def at_a_moment(part: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The looks with columns as logarithms minus their means over seeds at the same pass.

    What all runs do in the course of training is gone from them. Passes at which a column is equal in all runs are left
    out: nothing there can go together.

    >>> table = pd.DataFrame({"passes": [5, 5, 9, 9], "seed": [0, 1, 0, 1], "factor": [1, np.e**2, 1, 1]})
    >>> at_a_moment(table, ["factor"])["factor"].tolist()
    [-1.0, 1.0]
    """
    logarithms = np.log(part[columns])
    moments = logarithms.groupby(part["passes"])
    vary = (moments.transform("nunique") > 1).all(axis=1)
    return part.assign(**(logarithms - moments.transform("mean")))[vary]


def rank_correlation(part: pd.DataFrame, left: str, right: str) -> pd.Series:
    """Spearman's correlation of two columns over the looks of a run, by seed; left out where either is constant."""
    found = {
        seed: own[left].corr(own[right], method="spearman")
        for seed, own in part.groupby("seed")
        if min(own[left].nunique(), own[right].nunique()) > 1
    }
    return pd.Series(found, dtype=float)
