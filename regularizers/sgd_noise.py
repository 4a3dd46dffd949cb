"""The noise of stochastic descent, or noise of another shape and its size, put back into descent on many blocks."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from regularizers._checks import check_choice, check_range
from regularizers.hvp import hvp
from regularizers.leading import leading_eigenvector
from regularizers.noise import normal_like
from regularizers.roles import BlockGradients, BlockNoise, Moment

STRUCTURES = ("isotropic", "diagonal", "covariance", "leading")


class SGDNoise(BlockNoise):
    r"""Gaussian noise on the mean gradient whose covariance has the trace of that of a step with one block.

    .. math::
        \bar g + \sqrt{s}\, \zeta, \qquad \operatorname{E} \lVert \zeta \rVert^2 = \operatorname{tr} C, \qquad
        C = \sum_B w_B (g_B - \bar g)(g_B - \bar g)^T, \qquad \bar g = \sum_B w_B g_B, \qquad w_B = |B| / N

    over the blocks of the step, with independent standard normal :math:`\xi`, a number, a vector (D), or a number a
    block:

    .. math::
        \text{isotropic: } \zeta = \sqrt{\tfrac{\operatorname{tr} C}{D}}\, \xi, \quad
        \text{diagonal: } \zeta = \sqrt{\operatorname{diag} C} \odot \xi, \quad
        \text{covariance: } \zeta = \sum_B \sqrt{w_B}\, \xi_B (g_B - \bar g), \quad
        \text{leading: } \zeta = \sqrt{\operatorname{tr} C}\, \xi\, u

    with u the eigenvector of the largest eigenvalue of the Hessian of the loss over the step's blocks. The covariance
    of ``"covariance"`` is C itself. A step of one block has no noise, for C is 0.

    It evaluates every block's gradient again, and for ``"leading"`` so many times more as there are products. Gradients
    are those of the objective, without gradient penalties and clipping.

    Args:
        structure: one of the four.
        scale: :math:`s \ge 0`, of the trace.
        start: passes before which there is no noise.
        products: with the Hessian, each a forward difference of gradients, for its leading eigenvector by Lanczos
            iteration from a vector with the noise's own covariance.

    Raises:
        ValueError: an argument is outside its range.

    Source: Zhu, Wu, Yu, Wu & Ma 2019, "The Anisotropic Noise in Stochastic Gradient Descent", section 4.

    Examples:
        >>> import torch
        >>> moment = Moment(passes=0.0, generator=lambda: torch.Generator().manual_seed(0))
        >>> blocks = [(0.5, [torch.tensor([[3.0, 1.0], [-1.0, 1.0]])])]  # two blocks of equal size: C = diag(4, 0)
        >>> noisy = SGDNoise()([torch.tensor([1.0, 1.0])], [torch.zeros(2)], lambda params: blocks, moment)
        >>> noisy[0][1].item()  # no noise where the blocks agree
        1.0
    """

    def __init__(self, structure: str = "covariance", scale: float = 1.0, start: float = 0.0, products: int = 10):
        check_choice("structure", structure, STRUCTURES)
        check_range("scale", scale, 0.0)
        check_range("start", start, 0.0)
        check_range("products", products, 1)
        self.structure, self.scale, self.start, self.products = structure, scale, start, products
        self.extra_gradients = 1 + (products if structure == "leading" else 0)

    def __call__(
        self, gradient: list[Tensor], params: list[Tensor], blocks_at: BlockGradients, moment: Moment
    ) -> list[Tensor]:
        if moment.passes < self.start or not self.scale:
            return gradient
        draw = moment.generator()
        moments = block_moments(blocks_at(params), draw)
        noise = getattr(self, f"_{self.structure}")(moments, draw, params, blocks_at)
        return [entry + self.scale**0.5 * more for entry, more in zip(gradient, noise, strict=True)]

    def _covariance(self, moments: "BlockMoments", draw, params, blocks_at) -> list[Tensor]:
        return moments.combination

    def _diagonal(self, moments: "BlockMoments", draw, params, blocks_at) -> list[Tensor]:
        return [entry.sqrt() * normal_like(entry, draw) for entry in moments.variances]

    def _isotropic(self, moments: "BlockMoments", draw, params, blocks_at) -> list[Tensor]:
        std = (moments.trace / sum(param.numel() for param in params)).sqrt()
        return [std.to(entry) * normal_like(entry, draw) for entry in params]

    def _leading(self, moments: "BlockMoments", draw, params, blocks_at) -> list[Tensor]:
        size = moments.trace.sqrt() * torch.randn((), generator=draw)
        if not size:
            return moments.combination

        def mean_gradient(at: list[Tensor]) -> list[Tensor]:
            return weighted_mean(blocks_at(at))

        def product(vector: Tensor) -> Tensor:
            direction = vectors_of(vector, params)
            return flat(hvp(mean_gradient, params, direction, gradient=moments.mean))

        vector = leading_eigenvector(product, flat(moments.combination), self.products)
        return vectors_of(size.to(vector) * vector, params)


class BlockMoments(NamedTuple):
    """What is left of block gradients: their mean, variances, trace (float64), and a draw from their covariance."""

    mean: list[Tensor]
    variances: list[Tensor]
    trace: Tensor
    combination: list[Tensor]


def block_moments(blocks: Iterable[tuple[float, list[Tensor]]], draw: torch.Generator) -> BlockMoments:
    """The moments of block gradients that come a stack at a time; nothing is kept of a stack.

    Args:
        blocks: the weight of each of K blocks, and their gradients (K, ...).
        draw: of a normal number for each block.
    """
    mean: list[Tensor] = []
    squares: list[Tensor] = []
    combination: list[Tensor] = []
    drawn = 0.0
    for share, gradients in blocks:
        # One by one: more at a time would be other numbers.
        normals = torch.stack([torch.randn((), generator=draw) for _ in gradients[0]]) * share**0.5
        drawn += float(normals.sum())
        own = [entry.flatten(1) for entry in gradients]
        parts = (
            [share * entry.sum(0) for entry in own],
            [share * entry.square().sum(0) for entry in own],
            [normals.to(entry) @ entry for entry in own],
        )
        if mean:
            parts = tuple(
                list(torch._foreach_add(total, part))
                for total, part in zip((mean, squares, combination), parts, strict=True)
            )
        mean, squares, combination = parts
    variances = [(square - centre**2).clamp(min=0) for square, centre in zip(squares, mean, strict=True)]
    centred = [entry - drawn * centre for entry, centre in zip(combination, mean, strict=True)]
    shapes = [entry.shape[1:] for entry in gradients]
    trace = torch.stack([entry.double().sum() for entry in variances]).sum()
    shaped = ([entry.view(shape) for entry, shape in zip(part, shapes, strict=True)] for part in (mean, variances))
    last = [entry.view(shape) for entry, shape in zip(centred, shapes, strict=True)]
    return BlockMoments(*shaped, trace, last)


def weighted_mean(blocks: Iterable[tuple[float, list[Tensor]]]) -> list[Tensor]:
    """The mean gradient of all blocks."""
    total: list[Tensor] = []
    for share, gradients in blocks:
        part = [share * entry.sum(0) for entry in gradients]
        total = list(torch._foreach_add(total, part)) if total else part
    return total


def flat(tensors: list[Tensor]) -> Tensor:
    """All entries in one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def vectors_of(vector: Tensor, like: list[Tensor]) -> list[Tensor]:
    """The parts of a vector in the shapes of ``like``."""
    parts = vector.split([tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]
