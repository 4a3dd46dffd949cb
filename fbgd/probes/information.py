"""Takeuchi's information criterion: the gap between test and training loss, predicted from curvature and noise."""

import torch
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.dense import dense_hessian
from fbgd.probes.products import check_precision, single_blocks
from fbgd.probes.surface import Surface, regrouped, surface

# Eigenvalues below this share of the largest are rounding.
ROUNDING = 1e-10


class InformationCriterion:
    r"""Takeuchi's correction of the training loss, :math:`\operatorname{tr}(C H^{-1}) / n`, at a minimum the expected
    test loss minus the training loss.

    .. math::
        H = \sum_i \lambda_i u_i u_i^T = \nabla^2 L, \qquad
        C = \frac1n \sum_j g_j g_j^T - \bar g \bar g^T, \qquad
        \mathrm{TIC} = \frac1n \sum_{\lambda_i > 0} \frac{u_i^T C u_i}{\lambda_i + \delta \lambda_1}

    with :math:`g_j` the gradient of one of n samples. H of a network is singular and has negative eigenvalues, so the
    sum is over the positive ones, beyond rounding, and :math:`\delta` damps the small ones. Where the model is
    well-specified, C = H, it is p / n, whatever the sharpness. With batch norm, random layers, augmentation or block
    transforms a sample has no gradient of its own: then C is the covariance of the gradients of blocks times their mean
    size, and with batch norm no property of samples.

    Returns columns ``tic``; ``ratio``, :math:`\operatorname{tr}(C) / (n \operatorname{tr}(H))`, which needs no
    inverse; ``covariance`` and ``hessian``, the two traces; ``largest`` and ``smallest`` eigenvalue; ``positive``, the
    share of positive ones. It assembles H from D products, two gradients of every sample each.

    Args:
        damping: :math:`\delta`, at least 0.
        limit: the most parameters: D products, D^2 numbers and D^3 operations.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it; eigenvalues are always
            in double precision.

    Raises:
        ConfigError: a number that is out of range, or the network has more parameters than ``limit``.

    Source: Takeuchi 1976; Thomas, Pedregosa, van Merriënboer, Mangazol, Bengio & Le Roux 2020, "On the interplay
    between noise and curvature and its effect on optimization and generalization".
    """

    def __init__(self, damping: float = 1e-3, limit: int = 5000, precision: str = "as trained"):
        if not 0 <= damping < 1:
            raise ConfigError(f"damping = {damping!r} is outside the valid range [0, 1)")
        if limit < 1:
            raise ConfigError(f"limit = {limit!r} must be at least 1")
        check_precision(precision)
        self.damping, self.limit, self.precision = damping, limit, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        size = sum(param.numel() for param in state.params)
        if size > self.limit:
            raise ConfigError(
                f"a dense Hessian of {size:,} parameters is beyond limit = {self.limit:,}: it takes as many products, "
                "and their number cubed operations; choose a smaller network, or raise the limit"
            )
        landscape = surface(state, self.precision)
        hessian = dense_hessian(landscape.objective, landscape.params, landscape.blocks, landscape.spend).cpu()
        blocks = regrouped(state, 1)
        sizes = torch.tensor([float(len(own)) for own in blocks.indices], dtype=torch.float64)
        return criterion(hessian, gradients_of(landscape, blocks), self.damping, sizes)


def gradients_of(landscape: Surface, blocks: StepBlocks) -> Tensor:
    """The gradient of every block (K, D), in double precision."""
    singles = single_blocks(blocks, landscape.origin.dtype)
    return torch.stack([landscape.of_block(block, landscape.origin)[1].double().cpu() for block in singles])


def criterion(hessian: Tensor, gradients: Tensor, damping: float, sizes: Tensor | None = None) -> dict[str, float]:
    """The columns of :class:`InformationCriterion` from H (D, D) and the gradients of samples (n, D), or of blocks.

    Args:
        hessian: symmetric.
        gradients: a row a sample, or a block.
        damping: in units of the largest eigenvalue.
        sizes: samples of each row; ``None``: one.

    >>> hessian = torch.diag(torch.tensor([2.0, 1.0])).double()
    >>> found = criterion(hessian, torch.tensor([[1.0, 1.0], [-1.0, -1.0]]).double(), damping=0.0)
    >>> round(found["tic"], 6), round(found["ratio"], 6)
    (0.75, 0.333333)
    """
    sizes = torch.ones(len(gradients), dtype=torch.float64) if sizes is None else sizes
    count = float(sizes.sum())
    shares = sizes / count
    # The mean of so many samples' gradients varies so many times less than each.
    centred = (gradients - shares @ gradients) * (shares[:, None] * sizes.mean()).sqrt()
    values, vectors = torch.linalg.eigh(hessian)
    noise = (centred @ vectors).square().sum(0)
    largest = float(values[-1])
    used = values > ROUNDING * values.abs().max()
    covariance, trace = float(centred.square().sum()), float(values.sum())
    return {
        "tic": float((noise[used] / (values[used] + damping * largest)).sum()) / count,
        "ratio": covariance / trace / count if trace else 0.0,
        "covariance": covariance,
        "hessian": trace,
        "largest": largest,
        "smallest": float(values[0]),
        "positive": float(used.double().mean()),
    }
