"""An encoder-decoder Transformer on pairs of token sequences."""

import math
from contextlib import nullcontext

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from fbgd.models.layers import check_choice, check_positive
from fbgd.models.random_layers import dropout_layer

# The token number that fills sequences up; data sets of sentence pairs use the same one.
PADDING = 0


class Transformer(nn.Module):
    r"""Logits of every next target token, given a source sequence and the target tokens before.

    One matrix embeds source and target tokens, times :math:`\sqrt{d}`, and gives the output logits. To the embeddings
    are added

    .. math:: p_{t, 2k} = \sin(t\, 10000^{-2k / d}), \qquad p_{t, 2k + 1} = \cos(t\, 10000^{-2k / d}).

    The inputs are (B, 2, L): the source's tokens, then the decoder's, both filled up with :data:`PADDING` at the end.
    Padding is never attended to: among the decoder's keys it only stands after all that a position may look at.

    Args:
        input_shape: (2, L), the shape of one sample.
        classes: V, the size of the vocabulary.
        width: d, of embeddings and layers; inner layers have 4 d units.
        layers: of the encoder, and of the decoder.
        heads: number of attention heads, which must divide the width.
        norm: ``"post"``, layer normalisation after each residual sum, as published, or ``"pre"``, before each branch
            and at the end of encoder and decoder.
        dropout: probability of dropping an entry of the embeddings and of every residual branch.

    Raises:
        ValueError: a size that is not positive or does not fit, an unknown norm, or a probability outside [0, 1).

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3; pre-norm: Xiong et al. 2020.
    """

    token_shape = (2, 8)
    positions: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        width: int = 64,
        layers: int = 6,
        heads: int = 8,
        norm: str = "post",
        dropout: float = 0.0,
    ):
        check_positive(classes=classes, width=width, layers=layers, heads=heads)
        if len(input_shape) != 2 or input_shape[0] != 2:
            raise ValueError(f"input_shape = {tuple(input_shape)!r} must be (2, L): a source and a decoder sequence")
        if width % heads or width % 2:
            raise ValueError(f"model.width = {width!r} must be even and a multiple of model.heads = {heads!r}")
        check_choice("norm", norm, ("post", "pre"))
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(classes, width))
        # The scale at which, times sqrt(d), embeddings have entries of variance 1, and logits too.
        nn.init.normal_(self.embedding, std=width**-0.5)
        self.register_buffer("positions", sinusoids(input_shape[1], width), persistent=False)
        self.encoder, self.decoder = (
            nn.ModuleList(Layer(width, heads, crossed, norm == "pre", dropout) for _ in range(layers))
            for crossed in (False, True)
        )
        self.encoder_norm, self.decoder_norm = (
            nn.LayerNorm(width) if norm == "pre" else nn.Identity() for _ in range(2)
        )
        self.source_dropout, self.target_dropout = (nn.Sequential(*dropout_layer(dropout)) for _ in range(2))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, L, V) of inputs (B, 2, L)."""
        source, target = inputs.unbind(-2)
        visible = (source != PADDING)[:, None, None, :]
        memory = self.source_dropout(self.embed(source))
        for layer in self.encoder:
            memory = layer(memory, visible)
        memory = self.encoder_norm(memory)
        state = self.target_dropout(self.embed(target))
        for layer in self.decoder:
            state = layer(state, None, memory, visible)
        return F.linear(self.decoder_norm(state), self.embedding)

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings (B, L, d) of tokens (B, L) at their positions."""
        scale = math.sqrt(self.embedding.shape[1])
        return F.embedding(tokens, self.embedding) * scale + self.positions.to(self.embedding.dtype)


class Layer(nn.Module):
    """Self-attention, in a decoder attention to the encoder's memory, and a feed-forward network, each residual."""

    def __init__(self, width: int, heads: int, crossed: bool, pre_norm: bool, dropout: float):
        super().__init__()
        self.attention = Residual(Attention(width, heads), width, pre_norm, dropout)
        self.crossing = Residual(Attention(width, heads), width, pre_norm, dropout) if crossed else None
        self.feedforward = Residual(FeedForward(width), width, pre_norm, dropout)

    def forward(
        self, state: Tensor, visible: Tensor | None, memory: Tensor | None = None, remembered: Tensor | None = None
    ) -> Tensor:
        """The next state (B, L, d); ``visible`` and ``remembered`` (B, 1, 1, keys) say which keys are no padding.

        Without ``visible``, every position looks at those before and at itself.
        """
        state = self.attention(state, None, visible)
        if self.crossing is not None:
            state = self.crossing(state, memory, remembered)
        return self.feedforward(state)


class Residual(nn.Module):
    """``norm(x + dropout(branch(x)))``, or with pre-norm ``x + dropout(branch(norm(x)))``."""

    def __init__(self, branch: nn.Module, width: int, pre_norm: bool, dropout: float, bias: bool = True):
        super().__init__()
        self.branch, self.norm, self.pre_norm = branch, nn.LayerNorm(width, bias=bias), pre_norm
        self.dropout = nn.Sequential(*dropout_layer(dropout))

    def forward(self, state: Tensor, *arguments: Tensor | None) -> Tensor:
        if self.pre_norm:
            return state + self.dropout(self.branch(self.norm(state), *arguments))
        return self.norm(state + self.dropout(self.branch(state, *arguments)))


class Attention(nn.Module):
    r"""Multi-head attention: :math:`\mathrm{softmax}(q k^\top / \sqrt{d_h}) v` for every head, then a linear layer.

    Args:
        width: d.
        heads: number of heads, which must divide the width.
        bias: of the linear layers.
        fused: let PyTorch choose a fused kernel where one is as good: on a CPU and outside ``torch.func``. It has a
            first derivative only and rounds otherwise.
        causal: whether, without ``visible``, a position looks only at those before and at itself, or at all.
    """

    def __init__(self, width: int, heads: int, bias: bool = True, fused: bool = False, causal: bool = True):
        super().__init__()
        # Queries, keys and values are initialised as one matrix of three times as many rows, as in fairseq.
        self.query, self.key, self.value = (linear(width, width, bias, gain=0.5**0.5) for _ in range(3))
        self.output = linear(width, width, bias)
        self.heads, self.fused, self.causal = heads, fused, causal

    def forward(self, state: Tensor, memory: Tensor | None = None, visible: Tensor | None = None) -> Tensor:
        """Attention of ``state`` (B, L, d) to itself or to ``memory`` (B, keys, d), where ``visible`` says so."""
        memory = state if memory is None else memory
        query, key, value = (
            layer(entry).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, entry in ((self.query, state), (self.key, memory), (self.value, memory))
        )
        # In PyTorch 2.13 the fused kernels know neither vmap nor forward derivatives, and on GPUs may add up in any
        # order.
        free = self.fused and state.device.type == "cpu" and not torch._C._are_functorch_transforms_active()
        with nullcontext() if free else sdpa_kernel(SDPBackend.MATH):
            causal = self.causal and visible is None
            heads = F.scaled_dot_product_attention(query, key, value, visible, is_causal=causal)
        return self.output(heads.transpose(1, 2).flatten(-2))


class FeedForward(nn.Sequential):
    """Two linear layers, the inner one of four times the width, with an activation between, by default a ReLU."""

    def __init__(self, width: int, bias: bool = True, activation: nn.Module | None = None):
        super().__init__(linear(width, 4 * width, bias), activation or nn.ReLU(), linear(4 * width, width, bias))


def linear(inputs: int, outputs: int, bias: bool = True, gain: float = 1.0) -> nn.Linear:
    """A linear layer with Glorot's initialisation (Glorot & Bengio 2010) and a bias, if any, of zero to begin with."""
    layer = nn.Linear(inputs, outputs, bias)
    nn.init.xavier_uniform_(layer.weight, gain)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def sinusoids(length: int, width: int) -> Tensor:
    """The positions' own vectors (length, width), in float64."""
    rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(length, dtype=torch.float64).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
