"""Random layers whose masks are hashed, not drawn: dropout and stochastic depth.

A mask is a pure function of the layer's ``key`` and of the position in the tensor. So it is the same however blocks
are vectorised, in which order they are evaluated, on which device, and when a step evaluates its gradient again; no
state of a generator is involved. The objective sets the keys, a new one for every block, pass and layer.
"""

import math

import torch
import torch.nn as nn
from torch import Tensor

# Constants of SplitMix64 (Steele, Lea & Flood 2014) as signed numbers: PyTorch's int64 products wrap around.
INCREMENT = 0x9E3779B97F4A7C15 - 2**64
FIRST = 0xBF58476D1CE4E5B9 - 2**64
SECOND = 0x94D049BB133111EB - 2**64


class RandomLayer(nn.Module):
    """A layer that drops something with probability ``p`` while training; in evaluation mode it does nothing.

    Args:
        p: probability in [0, 1).
        name: of the option that set it, for the error.

    Raises:
        ValueError: ``p`` is outside [0, 1).
    """

    key: Tensor

    def __init__(self, p: float, name: str):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"model.{name} = {p!r} is outside the valid range [0, 1)")
        self.p = p
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def scale(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A mask of ``shape``: 0 where something is dropped, 1 / (1 - p) where it is kept."""
        kept = uniform(self.key, shape) >= self.p
        return kept.to(inputs.dtype) / (1 - self.p)


class Dropout(RandomLayer):
    r"""Drop activations: :math:`y = x \odot m / (1 - p)` with :math:`m \sim \mathrm{Bernoulli}(1 - p)` by entry.

    Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
    """

    def __init__(self, p: float):
        super().__init__(p, "dropout")

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.scale(inputs, tuple(inputs.shape)) if self.training else inputs


def dropout_layer(p: float) -> tuple[nn.Module, ...]:
    """The dropout layer for ``p``, or nothing where nothing is dropped."""
    return (Dropout(p),) if p else ()


class StochasticDepth(RandomLayer):
    """Drop a residual branch, sample by sample; what is kept is divided by 1 - p.

    Source: Huang et al. 2016, "Deep Networks with Stochastic Depth", eq. 2 and 5; there whole batches share a draw,
    and evaluation multiplies in place of training's division.
    """

    def __init__(self, p: float):
        super().__init__(p, "stochastic_depth")

    def forward(self, inputs: Tensor) -> Tensor:
        shape = (inputs.shape[0], *[1] * (inputs.dim() - 1))
        return inputs * self.scale(inputs, shape) if self.training else inputs


def uniform(key: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers in [0, 1) by position: the high 53 bits of SplitMix64's output for the states ``key + position``."""
    state = torch.arange(1, math.prod(shape) + 1, device=key.device).view(shape) * INCREMENT + key
    state = (state ^ shifted(state, 30)) * FIRST
    state = (state ^ shifted(state, 27)) * SECOND
    state = state ^ shifted(state, 31)
    return shifted(state, 11).double() * 2.0**-53


def shifted(state: Tensor, bits: int) -> Tensor:
    """``state`` as an unsigned number shifted to the right."""
    return (state >> bits) & (2 ** (64 - bits) - 1)
