"""Random shift and flip, as draws that are made first and applied to a whole batch at once."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Shift:
    """Translate by up to ``shift`` along every axis ("random crop with padding"), and mirror the last axis.

    Args:
        axes: number of signal axes: 1 for sequences, 2 for images.
        shift: largest translation, uniform over -shift..shift.
        flip: mirror the last axis with probability 1/2.
        fill: the value per channel (C) that stands for what is shifted in: raw zero after normalisation.
    """

    axes: int
    shift: int
    flip: bool
    fill: Tensor

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws (count, axes + 1): a translation per axis, and 1 where the sample is mirrored."""
        shifts = torch.randint(-self.shift, self.shift + 1, (count, self.axes), generator=generator)
        flips = torch.randint(0, 2, (count, 1), generator=generator) * int(self.flip)
        return torch.cat([shifts, flips], dim=1)


def apply_draws(inputs: Tensor, draws: Tensor, fill: Tensor) -> Tensor:
    """Inputs (count, C, ...) shifted and mirrored by ``draws`` (count, axes + 1)."""
    axes = draws.shape[1] - 1
    reach = int(draws[:, :axes].abs().max())
    level = fill.to(inputs).view(1, -1, *[1] * axes)
    padded = F.pad(inputs - level, [reach, reach] * axes)
    for axis in range(axes):
        dim = 2 + axis
        size = inputs.shape[dim]
        index = torch.arange(size, device=inputs.device).expand(len(inputs), size)
        if axis == axes - 1:
            index = torch.where(draws[:, -1:].bool(), size - 1 - index, index)
        index = index + reach + draws[:, axis : axis + 1]
        shape = [len(inputs)] + [1] * (padded.dim() - 1)
        shape[dim] = size
        target = list(padded.shape)
        target[dim] = size
        padded = padded.gather(dim, index.view(shape).expand(target))
    return padded + level
