"""First and second moments of the gradients of blocks, weighted by their sizes."""

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor


class GradientMoments(NamedTuple):
    r"""What is left of the gradients of blocks.

    Args:
        samples: N, of all blocks.
        blocks: K, their number.
        squared_mean: :math:`\lVert \bar g \rVert^2` with :math:`\bar g = \sum_B \frac{|B|}{N} g_B`.
        mean_square: :math:`\sum_B \frac{|B|}{N} \lVert g_B \rVert^2`.
    """

    samples: int
    blocks: int
    squared_mean: float
    mean_square: float

    @property
    def trace(self) -> float:
        r"""Trace of the covariance of block gradients, :math:`\sum_B \frac{|B|}{N} \lVert g_B - \bar g \rVert^2`."""
        return self.mean_square - self.squared_mean


def gradient_moments(gradients: Iterable[tuple[int, list[Tensor]]]) -> GradientMoments:
    """The moments of gradients that come one by one; sums are in double precision.

    Args:
        gradients: the size of a block and the gradient of its mean loss, one tensor a parameter.

    Raises:
        ValueError: there are none.

    >>> import torch
    >>> gradient_moments([(1, [torch.tensor([3.0])]), (1, [torch.tensor([-1.0])])])
    GradientMoments(samples=2, blocks=2, squared_mean=1.0, mean_square=5.0)
    """
    total: list[Tensor] = []
    samples, blocks, square = 0, 0, 0.0
    for size, gradient in gradients:
        scaled = [size * entry.detach().double() for entry in gradient]
        square += size * sum(float(entry.double().square().sum()) for entry in gradient)
        total = [left + right for left, right in zip(total, scaled, strict=True)] if total else scaled
        samples, blocks = samples + size, blocks + 1
    if not blocks:
        raise ValueError("there are no blocks to take the moments of")
    squared_mean = sum(float((entry / samples).square().sum()) for entry in total)
    return GradientMoments(samples, blocks, squared_mean, square / samples)
