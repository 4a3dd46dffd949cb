r"""The trade-off between steps and samples: how many steps a batch size takes to a target.

.. math:: \frac{S}{S_{min}} - 1 = \frac{B_{crit}}{B}

which is :math:`(S / S_{min} - 1)(E / E_{min} - 1) = 1` with :math:`E = B S` samples and
:math:`B_{crit} = E_{min} / S_{min}` (McCandlish et al. 2018).
"""

from typing import NamedTuple

import numpy as np


class TradeOff(NamedTuple):
    """What steps over batch sizes come to.

    Args:
        steps: :math:`S_{min}`.
        critical: :math:`B_{crit}`.
        residual: root mean square of the logarithms of the steps over the fitted ones.
    """

    steps: float
    critical: float
    residual: float


def fit(sizes: np.ndarray, steps: np.ndarray) -> TradeOff:
    """Least squares in the logarithm of the steps.

    Args:
        sizes: of batches, two at least.
        steps: to the target, positive.

    >>> trade_off = fit(np.array([8.0, 32.0, 128.0]), 50 * (1 + 40 / np.array([8.0, 32.0, 128.0])))
    >>> round(trade_off.steps, 3), round(trade_off.critical, 3), round(trade_off.residual, 6)
    (50.0, 40.0, 0.0)
    """
    from scipy.optimize import least_squares

    measured = np.log(steps)

    def residuals(logarithms: np.ndarray) -> np.ndarray:
        return logarithms[0] + np.log1p(np.exp(logarithms[1]) / sizes) - measured

    found = least_squares(residuals, [measured.min(), np.log(np.median(sizes))])
    least, critical = np.exp(found.x)
    return TradeOff(float(least), float(critical), float(np.sqrt(np.mean(found.fun**2))))
