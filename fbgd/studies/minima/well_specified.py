r"""A regression whose model is right: the gap is p/n, however sharp the parametrisation makes its minimum.

Labels are :math:`y = X \theta + \epsilon` with standard normal noise, the loss half the mean squared error; training
is least squares. Written as :math:`\theta = S \phi` with an invertible S it is the same model, with the Hessian
:math:`S^T X^T X S / n` in place of :math:`X^T X / n`, and the same minimum. Relative to the losses of the true weights

.. math::
    (L_{test}(\hat\theta) - L_{test}(\theta)) + (L_{train}(\theta) - L_{train}(\hat\theta))
    = \lVert P \epsilon \rVert^2 / n

with P the projection onto the columns of X and fresh noise on the same inputs in expectation: its mean is p/n exactly,
and that of the gap itself, whose further terms have the mean 0.
"""

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fbgd.probes.information import criterion
from fbgd.report.claims import Estimate, exactly, of_mean
from fbgd.report.evidence import Evidence
from fbgd.seeds import generator

SAMPLES, WEIGHTS = 400, 20
# The diagonal of S by parametrisation: one factor for all weights, or factors from 1 to 100.
SCALES = {
    "as it is": torch.ones(WEIGHTS, dtype=torch.float64),
    "weights divided by 30": torch.full((WEIGHTS,), 30.0, dtype=torch.float64),
    "weights times 30": torch.full((WEIGHTS,), 1 / 30, dtype=torch.float64),
    "weights divided by 1 to 100": torch.logspace(0, 2, WEIGHTS, dtype=torch.float64),
}
# Draws of the noise for every seed of the study.
DRAWS = 40
KIND = "well-specified"


def well_specified_table(seeds: int) -> pd.DataFrame:
    """A row a parametrisation and draw of the noise: sharpness, gap relative to the true weights' losses, and TIC."""
    inputs = torch.randn(SAMPLES, WEIGHTS, generator=generator(0, "inputs"), dtype=torch.float64)
    rows = []
    for draw in range(DRAWS * seeds):
        noise = torch.randn(SAMPLES, generator=generator(draw, "noise"), dtype=torch.float64)
        rows += [
            {"kind": KIND, "name": name, "seed": draw, **fitted(inputs * scale, noise)}
            for name, scale in SCALES.items()
        ]
    return pd.DataFrame(rows)


def fitted(inputs: Tensor, noise: Tensor) -> dict[str, float]:
    """What least squares on labels that are noise around true weights of 0 comes to, in one parametrisation.

    Args:
        inputs: X S, (n, p).
        noise: of the labels (n).
    """
    count = len(inputs)
    at = torch.linalg.lstsq(inputs, noise[:, None]).solution[:, 0]
    moved = inputs @ at
    hessian = inputs.T @ inputs / count
    found = criterion(hessian, inputs * (moved - noise)[:, None], damping=0.0)
    # Of fresh labels the cross term has the mean 0.
    gap = (moved.square().mean() + noise.square().mean() - (moved - noise).square().mean()) / 2
    return {"loss_gap": float(gap), "λ₁": found["largest"], "TIC": found["tic"]}


def rows_of(evidence: Evidence) -> pd.DataFrame:
    """Those of the regression."""
    table = evidence.measurements
    return table[table["kind"] == KIND] if "kind" in table else table.iloc[:0]


def gap_over_theory(evidence: Evidence) -> list[Estimate]:
    """The gap, and TIC, over p/n, minus 1: a case a parametrisation."""
    theory, found = WEIGHTS / SAMPLES, []
    for name, part in rows_of(evidence).groupby("name", sort=False):
        for column, what in (("loss_gap", "gap"), ("TIC", "TIC")):
            found.append(of_mean(part[column] / theory, evidence.level, f"{what}, {name}", less=1))
    return found


def other_sharpness(evidence: Evidence) -> list[Estimate]:
    """By how many powers of ten the largest eigenvalue is another than that of the first parametrisation."""
    parts = {str(name): part["λ₁"].mean() for name, part in rows_of(evidence).groupby("name", sort=False)}
    first = parts.pop(next(iter(SCALES)), np.nan)
    return [exactly(math.log10(value / first), name) for name, value in parts.items() if not math.isnan(first)]
