"""The weights that runs ended with, read from their checkpoints."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fbgd.runs.plan import PlannedRun
from fbgd.studies.trained import final_weights

# In units of the prior's standard deviation.
BINS = np.linspace(-4, 4, 81)


def linear_weights(run: PlannedRun) -> Tensor:
    """Weights and biases (classes, d + 1) of a linear model, float64, as in :mod:`.posterior`."""
    weight, bias = (value.double() for value in final_weights(run).values())
    return torch.cat([weight, bias[:, None]], dim=1)


def histogram(values: Tensor, sigma: float) -> pd.DataFrame:
    """The density of values over ``sigma``, a row a bin, and their root mean square in the same unit.

    Args:
        values: any shape.
        sigma: the prior's standard deviation.
    """
    scaled = (values.flatten().double() / sigma).numpy()
    # What lies outside counts in the outermost bins, so that the density integrates to one.
    density, edges = np.histogram(scaled.clip(BINS[0], BINS[-1]), BINS, density=True)
    middles = (edges[:-1] + edges[1:]) / 2
    return pd.DataFrame({"place": middles, "density": density, "spread": np.sqrt(np.mean(scaled**2))})
