"""A small Vision Transformer, for images and for series."""

import math

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.models.layers import check_choice, check_positive
from fbgd.models.random_layers import dropout_layer
from fbgd.models.transformer import Attention, FeedForward, Residual, linear

POOLINGS = ("class", "mean")
# Of the positions, to begin with.
STD = 0.02


class ViT(nn.Module):
    r"""A Transformer encoder on patches of an image, or of a series.

    .. math::
        x^0 = [c;\; E p_1;\; \dots;\; E p_n] + P, \qquad
        y^l = x^{l-1} + \mathrm{attention}(\mathrm{norm}(x^{l-1})), \qquad
        x^l = y^l + W_2\, \mathrm{gelu}(W_1 \mathrm{norm}(y^l)), \qquad
        z = W\, \mathrm{norm}(x^m)_0

    with :math:`p_i` the n patches, E their common linear map, c a learned class token and P learned positions. Every
    patch attends to all. With ``pooling="mean"`` there is no class token, and z is W of the mean over all patches. With
    C input channels, a axes, patches of p positions along each, N = n + 1 (or n) rows of P and k classes it has

    .. math:: 12 m d^2 + (C p^a + N + 13 m + 4 + k) d + k

    parameters (with the mean, d fewer): 86,567,656 for ViT-B/16 with 1000 classes on images of 224 x 224. Linear layers
    begin as those of ``model=transformer``, positions at :math:`\mathcal{N}(0, 0.02^2)`, the class token at 0.

    No normalisation looks at other samples, so a block is no more than a batch of them.

    Args:
        input_shape: (channels, length) or (channels, height, width).
        classes: k, number of logits.
        patch: positions p of a patch along every axis, which must divide each.
        width: d, of patches and layers; inner layers have 4 d units.
        layers: m.
        heads: number of attention heads, which must divide the width.
        pooling: ``"class"``: the class token is classified, as published; ``"mean"``: the mean over all patches.
        dropout: probability of dropping an entry of the embedded patches and of every residual branch.

    Raises:
        ValueError: a size that is not positive or does not fit, an unknown pooling, or a probability outside [0, 1).

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1; the mean: Beyer, Zhai & Kolesnikov
    2022, "Better plain ViT baselines for ImageNet-1k".
    """

    vectorises = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        patch: int = 4,
        width: int = 64,
        layers: int = 4,
        heads: int = 4,
        pooling: str = "class",
        dropout: float = 0.0,
    ):
        check_positive(classes=classes, patch=patch, width=width, layers=layers, heads=heads)
        channels, *lengths = input_shape
        if any(length % patch for length in lengths):
            axes = " x ".join(map(str, lengths))
            raise ValueError(f"model.patch = {patch!r} must divide the {axes} positions of the input")
        if width % heads:
            raise ValueError(f"model.width = {width!r} must be a multiple of model.heads = {heads!r}")
        check_choice("pooling", pooling, POOLINGS)
        super().__init__()
        self.patch = patch
        self.embedding = linear(channels * patch ** len(lengths), width)
        self.token = nn.Parameter(torch.zeros(1, width)) if pooling == "class" else None
        rows = math.prod(length // patch for length in lengths) + (pooling == "class")
        self.positions = nn.Parameter(torch.empty(rows, width))
        nn.init.normal_(self.positions, std=STD)
        self.dropout = nn.Sequential(*dropout_layer(dropout))
        self.residuals = nn.Sequential()
        for _ in range(layers):
            for branch in (Attention(width, heads, causal=False), FeedForward(width, activation=nn.GELU())):
                self.residuals.append(Residual(branch, width, pre_norm=True, dropout=dropout))
        self.norm = nn.LayerNorm(width)
        self.output = linear(width, classes)

    @staticmethod
    def trial_shape(patch: int = 4, **options: object) -> tuple[int, ...]:
        """A sample's shape that the options can be tried with: one patch, whatever its length."""
        return 1, patch

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, k) of inputs (B, C, ...)."""
        state = self.embedding(patches(inputs, self.patch))
        if self.token is not None:
            state = torch.cat([self.token.expand(len(state), 1, -1), state], 1)
        state = self.norm(self.residuals(self.dropout(state + self.positions)))
        return self.output(state.mean(1) if self.token is None else state[:, 0])


def patches(inputs: Tensor, size: int) -> Tensor:
    """Inputs (B, C, L) or (B, C, H, W) cut into patches (B, n, C size ** axes), row by row, channels first in each.

    >>> patches(torch.arange(8).view(1, 2, 4), 2).tolist()
    [[[0, 1, 4, 5], [2, 3, 6, 7]]]
    """
    axes = inputs.dim() - 2
    for axis in range(axes):
        inputs = inputs.unflatten(2 + 2 * axis, (-1, size))
    # From (B, C, n1, size, n2, size) to (B, n1, n2, C, size, size).
    numbers, within = range(2, 2 + 2 * axes, 2), range(3, 3 + 2 * axes, 2)
    return inputs.permute(0, *numbers, 1, *within).flatten(1 + axes).flatten(1, axes)
