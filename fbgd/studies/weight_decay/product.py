r"""Is it the product of learning rate and weight decay that matters?

A parabola in :math:`u = \cos\varphi \log \lambda + \sin\varphi \log \eta` is fitted to a map's errors. At 0 degrees it
depends on the decay alone, at 90 on the learning rate alone, at 45 on their product; all have the same three
coefficients, so the shares of the variance that they explain can be compared.
"""

import math

import numpy as np
import pandas as pd

ANGLES = {"the product": 45.0, "the decay alone": 0.0, "the learning rate alone": 90.0}


def explained(table: pd.DataFrame, degrees: float, value: str = "test_error") -> float:
    """The share of the variance of ``value`` that a parabola in one direction of the map explains.

    Args:
        table: rows with ``rate`` and ``decay``, both above 0, and ``value``.
        degrees: the direction.
        value: the column that is explained.

    Raises:
        ValueError: fewer than four rows, or ``value`` is the same in all.
    """
    values = table[value].to_numpy(float)
    if len(values) < 4 or np.ptp(values) == 0:
        raise ValueError(f"{len(values)} rows: need four or more with different {value}")
    angle = math.radians(degrees)
    places = (math.cos(angle) * np.log(table["decay"]) + math.sin(angle) * np.log(table["rate"])).to_numpy(float)
    powers = np.stack([np.ones_like(places), places, places**2], axis=1)
    fitted = powers @ np.linalg.lstsq(powers, values, rcond=None)[0]
    return float(1 - np.square(values - fitted).sum() / np.square(values - values.mean()).sum())


def best_direction(table: pd.DataFrame, value: str = "test_error") -> float:
    """The direction, in whole degrees from -89 to 90, that explains the most."""
    return float(max(range(-89, 91), key=lambda degrees: explained(table, degrees, value)))
