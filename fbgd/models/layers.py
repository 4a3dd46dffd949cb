"""Layers for signals of one axis (sequences) or two (images), and the choice of normalisation."""

import math
from collections.abc import Iterable

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

NORMS = ("batch", "group", "layer", "none")


class Conv(nn.Module):
    """A convolution over one or two axes, initialised for ReLU networks (He et al. 2015, fan-out).

    Args:
        axes: 1 or 2 signal axes.
        inputs: input channels.
        outputs: output channels.
        size: kernel size along every axis.
        stride: along every axis.
        padding: zeros at both ends of every axis; None for ``size // 2``, with which stride 1 keeps the length.
        bias: whether outputs are shifted.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        axes: int,
        inputs: int,
        outputs: int,
        size: int,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = False,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, *[size] * axes))
        self.register_parameter("bias", nn.Parameter(torch.empty(outputs)) if bias else None)
        self.stride = stride
        self.padding = size // 2 if padding is None else padding
        self.initialise()

    def initialise(self) -> None:
        """Draw the weights; biases begin at zero."""
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.weight.dim() == 3:
            # As an image of height one: under vmap this is the faster kernel of the two.
            weight, stride, padding = self.weight.unsqueeze(2), (1, self.stride), (0, self.padding)
            return F.conv2d(inputs.unsqueeze(2), weight, self.bias, stride, padding).squeeze(2)
        return F.conv2d(inputs, self.weight, self.bias, self.stride, self.padding)


class TorchConv(Conv):
    r"""A convolution that begins as those of ``torch.nn`` do: weights and biases uniform in :math:`\pm 1/\sqrt{n}`.

    n is the fan-in, input channels times kernel positions. For architectures whose published code leaves the
    initialisation to PyTorch; with the same seed the same numbers are drawn. Args as those of :class:`Conv`.
    """

    def initialise(self) -> None:
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)


class BatchNorm(nn.Module):
    r"""Batch normalisation that never changes its own buffers.

    Training mode normalises with the batch's own mean and (biased) variance; evaluation mode with the population
    statistics in the buffers, which :func:`fbgd.engine.evaluate.population_statistics` computes when they are needed.
    Under autocast it works in the parameters' own precision.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithms 1 and 2.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.eps = eps

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs.to(self.weight.dtype)
        if self.training:
            return F.batch_norm(inputs, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return F.batch_norm(inputs, self.mean, self.variance, self.weight, self.bias, eps=self.eps)


class GroupNorm(nn.Module):
    r"""Normalise each sample over groups of channels and all positions, then scale and shift by channel.

    Written in elementary operations: in PyTorch 2.13, ``vmap`` of the gradient of ``F.group_norm`` is wrong for
    inputs without signal axes.

    Args:
        groups: number of groups; must divide ``channels``.
        channels: C of inputs (N, C, ...).
        eps: added to the variance.

    Source: Wu & He 2018, "Group Normalization", eq. 1-6.
    """

    def __init__(self, groups: int, channels: int, eps: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.groups = groups
        self.eps = eps

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs.to(self.weight.dtype)
        grouped = inputs.unflatten(1, (self.groups, -1)).flatten(2)
        centred = grouped - grouped.mean(-1, keepdim=True)
        scaled = centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + self.eps)
        shape = (-1,) + (1,) * (inputs.dim() - 2)
        return scaled.view_as(inputs) * self.weight.view(shape) + self.bias.view(shape)


def norm_layer(norm: str, channels: int) -> nn.Module:
    """The normalisation ``norm`` for ``channels`` channels.

    ``"batch"``: :class:`BatchNorm`; ``"group"``: :class:`GroupNorm` with as many groups, up to 8, as leave two or more
    channels in each; ``"layer"``: one group, over all channels and positions of a sample; ``"none"``: the identity.

    Raises:
        ValueError: an unknown name.
    """
    if norm == "batch":
        return BatchNorm(channels)
    if norm == "group":
        fitting = [groups for groups in range(2, 9) if channels % groups == 0 and channels >= 2 * groups]
        return GroupNorm(max(fitting, default=1), channels)
    if norm == "layer":
        return GroupNorm(1, channels)
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"model.norm = {norm!r} is not one of {', '.join(map(repr, NORMS))}")


def mean_pool(axes: int, size: int) -> nn.Module:
    """Means over ``size`` neighbours along every axis; where they do not divide its length, the last are fewer.

    A convolution of kernel 3, stride ``size`` and padding 1 gives as many positions, with an odd length too, where
    ``torch``'s own default leaves one out.
    """
    return (nn.AvgPool1d if axes == 1 else nn.AvgPool2d)(size, ceil_mode=True)


class GlobalMean(nn.Module):
    """The mean over all signal axes: (N, C, ...) to (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(2).mean(-1)


class GlobalMax(nn.Module):
    """The maximum over all signal axes: (N, C, ...) to (N, C). As in max-pooling, one position takes the gradient."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(2).max(-1).values


def check_choice(name: str, value: object, valid: Iterable[object]) -> None:
    """Raise ``ValueError`` unless the option ``name`` has one of the valid values."""
    valid = list(valid)
    if value not in valid:
        raise ValueError(f"model.{name} = {value!r} is not one of {', '.join(map(repr, valid))}")


def check_positions(model: str, input_shape: tuple[int, ...], least: int) -> None:
    """Raise ``ValueError`` where an axis of the inputs (channels, *positions) is too short for ``model``."""
    if min(input_shape[1:]) < least:
        raise ValueError(f"model: {model} needs {least} or more positions along every axis, not {tuple(input_shape)!r}")


def check_positive(**sizes: int) -> None:
    """Raise ``ValueError`` for a size that is not a positive integer."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"model.{name} = {size!r} must be a positive integer")
