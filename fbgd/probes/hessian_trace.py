"""The trace of the Hessian of what training minimises, by random vectors."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.metric import check_metric, product_in
from fbgd.probes.products import Product, check_precision

# Of a probe's random streams, that of the vectors.
VECTORS = 1


class TraceEstimate(NamedTuple):
    """A mean over random vectors and its standard error, 0 where nothing was drawn, NaN of a single vector."""

    value: float
    error: float


class HessianTrace:
    r"""The trace of the Hessian of the training objective, by Hutchinson's estimator.

    .. math::
        \operatorname{tr} H \approx \frac{1}{m} \sum_{i=1}^m z_i^T H z_i, \qquad z_{ij} = \pm 1,
        \qquad \operatorname{Var} = \frac{2}{m} \sum_{j \ne k} H_{jk}^2

    The objective is that of :class:`fbgd.probes.sharpness.Sharpness`.

    Returns columns ``trace``; ``error``, its standard error over the vectors, which says nothing of the samples; and
    ``mean_eigenvalue``, the trace over the number of parameters. It costs ``2 vectors`` gradients of every sample.

    Args:
        vectors: m, at least 2.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.
        metric: ``"identity"``, or ``"optimizer"`` for the matrix whose largest eigenvalue is that of
            :class:`fbgd.probes.PreconditionedSharpness`.

    Raises:
        ConfigError: an option that is out of range; at a look, an optimizer whose metric is not known.

    Source: Hutchinson 1990, "A stochastic estimator of the trace of the influence matrix".
    """

    def __init__(self, vectors: int = 10, precision: str = "as trained", metric: str = "identity"):
        check_products(vectors, precision)
        check_metric(metric)
        self.vectors, self.precision, self.metric = vectors, precision, metric

    def __call__(self, state: ProbeState) -> dict[str, float]:
        product = product_in(self.metric, state, self.precision)
        trace = mean_form(product, signs(product.size, self.vectors, state))
        return {"trace": trace.value, "error": trace.error, "mean_eigenvalue": trace.value / product.size}


def check_products(vectors: int, precision: str) -> None:
    """Raise :class:`ConfigError` unless there are 2 vectors or more, and such a precision."""
    if not vectors >= 2:
        raise ConfigError(f"vectors = {vectors!r} must be 2 or more")
    check_precision(precision)


def signs(size: int, count: int, state: ProbeState) -> list[Tensor]:
    """``count`` vectors (size) of independent signs, float64, from the probe's own generator."""
    draw = state.generator(VECTORS)
    device = state.params[0].device
    return [(2.0 * torch.randint(2, (size,), generator=draw) - 1).double().to(device) for _ in range(count)]


def mean_form(product: Product, vectors: Iterable[Tensor]) -> TraceEstimate:
    r"""The mean of :math:`v^T H v` over ``vectors``, with its standard error.

    >>> from functools import partial
    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 4.0]])
    >>> mean_form(partial(torch.mv, matrix), [torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0])])
    TraceEstimate(value=6.0, error=2.0)
    """
    values = torch.tensor([form(product, vector) for vector in vectors], dtype=torch.float64)
    error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return TraceEstimate(float(values.mean()), error)


def form(product: Callable[[Tensor], Tensor], vector: Tensor) -> float:
    r""":math:`v^T H v`."""
    return float(vector @ product(vector))
