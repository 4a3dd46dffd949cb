r"""Products with the Hessian of the training objective in a metric: the identity, or the optimizer's own.

.. math:: A = S^{1/2} H S^{1/2} + D

with the diagonals S and D of :class:`fbgd.probes.Recursion`: S is the inverse of Adam's, RMSprop's or Adagrad's
diagonal as it is now, D what weight decay adds. Descent in the coordinates :math:`S^{-1/2} \theta` meets this matrix.
"""

from torch import Tensor

import optimizers
from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.products import HessianProduct, Product, hessian_product
from fbgd.probes.recursion import Recursion, recursion_of
from regularizers.tensor_lists import flatten

METRICS = ("identity", "optimizer")


def check_metric(metric: str) -> None:
    """Raise :class:`ConfigError` unless ``metric`` is one of :data:`METRICS`."""
    if metric not in METRICS:
        raise ConfigError(f"metric = {metric!r} must be one of {', '.join(METRICS)}")


class InMetricProduct:
    """A as a function of a vector, a product with H each.

    Args:
        product: with H.
        recursion: whose S and D.

    Attributes:
        size: entries of a vector.
        shift: the diagonal of D (D), in double precision.

    >>> import torch
    >>> recursion = Recursion([torch.tensor([4.0, 1.0])], [torch.tensor([0.0, 0.5])], rate=0.1)
    >>> InMetricProduct(lambda vector: 2 * vector, recursion)(torch.tensor([1.0, 1.0]).double()).tolist()
    [8.0, 2.5]
    """

    def __init__(self, product: Product, recursion: Recursion):
        self.product = product
        self.root, self.shift = flatten(recursion.scales).double().sqrt(), flatten(recursion.shifts).double()
        self.size = len(self.root)

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with ``vector`` (D), in its type."""
        return self.root * self.product(self.root * vector) + self.shift * vector


def own_recursion(state: ProbeState) -> Recursion:
    """The recursion of a state's optimizer, SAM's is that of its base.

    Raises:
        ConfigError: it is not known, see :func:`recursion_of`.
    """
    optimizer = state.optimizer
    base = optimizer.base if type(optimizer) is optimizers.SAM else optimizer
    return recursion_of(base, list(state.model.parameters()))


def product_in(metric: str, state: ProbeState, precision: str) -> HessianProduct | InMetricProduct:
    """The product with the Hessian in a metric of :data:`METRICS`; its cost is counted.

    Raises:
        ConfigError: the optimizer's metric is asked for and not known.
    """
    product = hessian_product(state, precision)
    return product if metric == "identity" else InMetricProduct(product, own_recursion(state))
