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
from regularizers.tensor_lists import flatten, unflatten

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
        noise = self.scale**0.5 * self._shaped(moments, draw, params, blocks_at)
        return [entry + more for entry, more in zip(gradient, unflatten(noise, params), strict=True)]

    def _shaped(
        self, moments: "BlockMoments", draw: torch.Generator, params: list[Tensor], blocks_at: BlockGradients
    ) -> Tensor:
        """The noise (D) of scale 1."""
        if self.structure == "covariance":
            return moments.combination
        trace = moments.variances.double().sum()
        if self.structure == "diagonal":
            return moments.variances.sqrt() * normal_like(moments.variances, draw)
        if self.structure == "isotropic":
            return (trace / len(moments.mean)).sqrt().to(moments.mean) * normal_like(moments.mean, draw)
        size = (trace.sqrt() * normal_like(trace, draw)).to(moments.mean)
        return size * self._leading(moments, params, blocks_at) if trace else moments.combination

    def _leading(self, moments: "BlockMoments", params: list[Tensor], blocks_at: BlockGradients) -> Tensor:
        def gradient_at(at: list[Tensor]) -> list[Tensor]:
            return unflatten(weighted_mean(blocks_at(at)), params)

        def product(vector: Tensor) -> Tensor:
            known = unflatten(moments.mean, params)
            return flatten(hvp(gradient_at, params, unflatten(vector, params), gradient=known))

        return leading_eigenvector(product, moments.combination, self.products)


class BlockMoments(NamedTuple):
    r"""What is left of the gradients of blocks, as vectors (D).

    Args:
        mean: :math:`\sum_B w_B g_B`.
        variances: :math:`\sum_B w_B (g_B - \bar g)^2`, entry by entry.
        combination: :math:`\sum_B \sqrt{w_B} \xi_B (g_B - \bar g)` with standard normal :math:`\xi_B`.
    """

    mean: Tensor
    variances: Tensor
    combination: Tensor


def block_moments(blocks: Iterable[tuple[float, list[Tensor]]], draw: torch.Generator) -> BlockMoments:
    """The moments of block gradients that come a stack at a time; nothing is kept of a stack.

    Args:
        blocks: the weight of each of K blocks, and their gradients (K, ...).
        draw: of a normal number for each block.
    """
    mean: Tensor | float = 0.0
    square: Tensor | float = 0.0
    combination: Tensor | float = 0.0
    total = 0.0
    for share, gradients in blocks:
        rows = torch.cat([entry.flatten(1) for entry in gradients], dim=1)
        # One by one: more at a time would be other numbers.
        normals = share**0.5 * torch.stack([torch.randn((), generator=draw) for _ in rows])
        total += float(normals.sum())
        mean = mean + share * rows.sum(0)
        square = square + share * rows.square().sum(0)
        combination = combination + normals.to(rows) @ rows
    assert isinstance(mean, Tensor), "a step has at least one block"
    assert isinstance(square, Tensor)
    return BlockMoments(mean, (square - mean**2).clamp(min=0), combination - total * mean)


def weighted_mean(blocks: Iterable[tuple[float, list[Tensor]]]) -> Tensor:
    """The mean gradient (D) of all blocks."""
    return torch.stack([share * flatten([entry.sum(0) for entry in gradients]) for share, gradients in blocks]).sum(0)
