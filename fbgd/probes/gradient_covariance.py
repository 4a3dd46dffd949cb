"""The covariance of block gradients: how large it is, in how many directions, and whether they are the curved ones."""

import math

import torch
from torch import Tensor

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.block_matrix import block_matrix, check_units
from fbgd.probes.hessian_trace import TraceEstimate, check_products, form, mean_form, signs
from fbgd.probes.products import Product, hessian_product

# Of a probe's random streams, that of the combinations of block gradients.
COMBINATIONS = 2


class GradientCovariance:
    r"""Trace, spectrum and alignment with the Hessian of the covariance of block gradients.

    .. math::
        C = \sum_B w_B (g_B - \bar g)(g_B - \bar g)^T, \qquad \bar g = \sum_B w_B g_B, \qquad w_B = |B| / N

    is the covariance of the gradient of one block that is drawn by its size: that of a step of SGD. Its eigenvalues are
    those of the Gram matrix (K, K) of the K rows :math:`\sqrt{w_B} (g_B - \bar g)`; with :math:`\mu_i` for them

    .. math::
        \text{participation} = \frac{(\sum_i \mu_i)^2}{\sum_i \mu_i^2}, \qquad
        \text{anisotropy} = \frac{D \operatorname{tr}(H C)}{\operatorname{tr} H \, \operatorname{tr} C}

    The anisotropy is 1 for white noise, and above 1 where noise is larger along curved directions than along others. H
    is the Hessian of the training objective over all blocks; where its trace is not clearly positive, as far from a
    minimum, the ratio means nothing.

    Returns columns ``trace``; ``eigenvalue_1`` to ``eigenvalue_k``, 0 beyond the rank; ``participation``;
    ``hessian_trace`` and ``alignment``, which is :math:`\operatorname{tr}(H C)`; ``anisotropy``; and
    ``hessian_trace_error``, ``alignment_error`` and ``anisotropy_error``, standard errors over random vectors, the last
    one to first order. Trace and spectrum are exact where all blocks are looked at. The trace of H is estimated by
    Hutchinson's vectors; the alignment is exact, :math:`\sum_B w_B (g_B - \bar g)^T H (g_B - \bar g)`, where there are
    no more blocks than ``vectors``, and otherwise the mean of :math:`u^T H u` over combinations
    :math:`u = \sum_B \pm \sqrt{w_B} (g_B - \bar g)`, whose covariance is C. It costs one gradient of every sample that
    is looked at, and at most ``4 vectors`` of all samples.

    Args:
        count: so many eigenvalues.
        of: ``"blocks"``, or ``"samples"``, the gradients of single samples; not with batch norm.
        most: so many blocks or samples at most, drawn anew at every look; ``null``: all. It bounds the memory, that of
            as many gradients in float64.
        vectors: products with the Hessian for each of its two traces; 0: neither is estimated.
        precision: of the products, ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: a number that is out of range.

    Source: Zhu, Wu, Yu, Wu & Ma 2019, "The Anisotropic Noise in Stochastic Gradient Descent", section 3.
    """

    def __init__(
        self,
        count: int = 5,
        of: str = "blocks",
        most: int | None = None,
        vectors: int = 10,
        precision: str = "as trained",
    ):
        if not count >= 1:
            raise ConfigError(f"count = {count!r} must be 1 or more")
        check_units(of, most)
        check_products(vectors or 2, precision)
        self.count, self.of, self.most, self.vectors, self.precision = count, of, most, vectors, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        deviations = block_matrix(state, self.of, self.most).deviations
        columns = spectrum_columns(gram_eigenvalues(deviations), self.count)
        if not self.vectors:
            return columns
        product = hessian_product(state, self.precision)
        hessian = mean_form(product, signs(product.size, self.vectors, state))
        aligned = alignment(product, deviations, self.vectors, state.generator(COMBINATIONS))
        return columns | anisotropy_columns(product.size, columns["trace"], hessian, aligned)


def gram_eigenvalues(deviations: Tensor) -> Tensor:
    """The eigenvalues (K), descending, of the Gram matrix of rows (K, D): those of their covariance, but for zeros."""
    return torch.linalg.eigvalsh(deviations @ deviations.T).flip(0).clamp(min=0)


def spectrum_columns(eigenvalues: Tensor, count: int) -> dict[str, float]:
    """Trace, the ``count`` largest eigenvalues, and the participation ratio.

    >>> spectrum_columns(torch.tensor([2.0, 2.0, 0.0]), 2)
    {'trace': 4.0, 'eigenvalue_1': 2.0, 'eigenvalue_2': 2.0, 'participation': 2.0}
    """
    trace, square = float(eigenvalues.sum()), float(eigenvalues.square().sum())
    largest = [*eigenvalues[:count].tolist(), *[0.0] * count][:count]
    names = {f"eigenvalue_{place}": value for place, value in enumerate(largest, start=1)}
    return {"trace": trace, **names, "participation": trace**2 / square if square else math.nan}


def alignment(product: Product, deviations: Tensor, vectors: int, draw: torch.Generator) -> TraceEstimate:
    """The trace of H C with C from the rows (K, D): exact by K products, or estimated by ``vectors`` of them."""
    count = len(deviations)
    if count <= vectors:
        return TraceEstimate(sum(form(product, row) for row in deviations), 0.0)
    combinations = 2.0 * torch.randint(2, (vectors, count), generator=draw) - 1
    return mean_form(product, combinations.to(deviations) @ deviations)


def anisotropy_columns(size: int, trace: float, hessian: TraceEstimate, aligned: TraceEstimate) -> dict[str, float]:
    """Both traces and their ratio, which is 1 for white noise, with standard errors.

    >>> exact = TraceEstimate(3.0, 0.0)
    >>> anisotropy_columns(2, 4.0, hessian=exact, aligned=TraceEstimate(12.0, 0.0))["anisotropy"]
    2.0
    """
    ratio, error = math.nan, math.nan
    if trace and hessian.value and aligned.value:
        ratio = size * aligned.value / (hessian.value * trace)
        error = abs(ratio) * math.hypot(hessian.error / hessian.value, aligned.error / aligned.value)
    return {
        "hessian_trace": hessian.value,
        "hessian_trace_error": hessian.error,
        "alignment": aligned.value,
        "alignment_error": aligned.error,
        "anisotropy": ratio,
        "anisotropy_error": error,
    }
