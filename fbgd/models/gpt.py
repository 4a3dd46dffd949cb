"""A decoder-only Transformer: a language model of one token sequence."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from fbgd.models.layers import check_positive
from fbgd.models.random_layers import dropout_layer
from fbgd.models.transformer import Attention, FeedForward, Residual

# Of all weights but those of the layers that end a residual branch.
STD = 0.02


class GPT(nn.Module):
    r"""Logits of every next token, given the tokens before.

    .. math::
        x^0_t = E_{s_t} + P_t, \qquad
        y^l = x^{l-1} + \mathrm{attention}(\mathrm{norm}(x^{l-1})), \qquad
        x^l = y^l + W_2\, \mathrm{gelu}(W_1 \mathrm{norm}(y^l)), \qquad
        z_t = E\, \mathrm{norm}(x^n_t)

    Every position attends to itself and to those before it. Embeddings E and positions P are learned; nothing has a
    bias, normalisation layers neither. Weights begin at :math:`\mathcal{N}(0, 0.02^2)`, those that end one of the 2 n
    residual branches at :math:`\mathcal{N}(0, 0.02^2 / 2 n)`.

    Args:
        input_shape: (L,), the shape of one sample.
        classes: V, the number of different tokens, at least 2.
        width: d, of embeddings and layers; inner layers have 4 d units.
        layers: n.
        heads: number of attention heads, which must divide the width.
        length: rows of P, at least L; ``None``: L.
        vocabulary: rows of E, at least V; ``None``: V. Further rows are never read: there are V logits.
        dropout: probability of dropping an entry of the embeddings and of every residual branch.

    Raises:
        ValueError: a size that is not positive or does not fit, or a probability outside [0, 1).

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3; its
    biases are left out.
    """

    token_shape = (1,)

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        length: int | None = None,
        vocabulary: int | None = None,
        dropout: float = 0.0,
    ):
        if len(input_shape) != 1:
            raise ValueError(
                f"input_shape = {tuple(input_shape)!r} must be (L,): one sequence, as data=text has; "
                "model=transformer takes pairs of them"
            )
        length = input_shape[0] if length is None else length
        vocabulary = classes if vocabulary is None else vocabulary
        check_positive(classes=classes, width=width, layers=layers, heads=heads, length=length, vocabulary=vocabulary)
        if width % heads:
            raise ValueError(f"model.width = {width!r} must be a multiple of model.heads = {heads!r}")
        if length < input_shape[0]:
            raise ValueError(f"model.length = {length!r} is less than the data's windows of {input_shape[0]} tokens")
        if vocabulary < classes:
            raise ValueError(f"model.vocabulary = {vocabulary!r} is less than the data's {classes} tokens")
        super().__init__()
        self.classes = classes
        self.embedding = nn.Parameter(torch.empty(vocabulary, width))
        self.positions = nn.Parameter(torch.empty(length, width))
        self.dropout = nn.Sequential(*dropout_layer(dropout))
        self.residuals = nn.Sequential()
        for _ in range(layers):
            feedforward = FeedForward(width, bias=False, activation=nn.GELU(approximate="tanh"))
            for branch in (Attention(width, heads, bias=False, fused=True), feedforward):
                self.residuals.append(Residual(branch, width, pre_norm=True, dropout=dropout, bias=False))
        self.norm = nn.LayerNorm(width, bias=False)
        self.initialise()

    def initialise(self) -> None:
        """Draw all weights; the scales of the normalisation layers begin at one."""
        # The last layer of an attention is its output's, of a feed-forward network its second one's.
        layers = [[part for part in residual.modules() if isinstance(part, nn.Linear)] for residual in self.residuals]
        ends = {linears[-1].weight for linears in layers}
        for param in self.parameters():
            if param.dim() > 1:
                nn.init.normal_(param, std=STD / len(ends) ** 0.5 if param in ends else STD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, L, V) of tokens (B, L)."""
        embedded = F.embedding(tokens, self.embedding) + self.positions[: tokens.shape[-1]]
        state = self.norm(self.residuals(self.dropout(embedded)))
        return F.linear(state, self.embedding[: self.classes])
