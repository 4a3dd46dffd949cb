"""Densely connected networks, in their form for small images."""

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.models.layers import Conv, GlobalMean, check_choice, check_positions, check_positive, mean_pool, norm_layer
from fbgd.models.random_layers import dropout_layer

# Dense layers per block, by the number of layers with weights: Huang et al.'s table 1, and a small one of that kind.
BLOCKS = {21: (2, 2, 2, 2), 121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
# Channels between the two convolutions of a dense layer, in units of the growth rate.
BOTTLENECK = 4


class DenseNet(nn.Sequential):
    r"""Four dense blocks: every layer sees all channels before it and adds k of its own.

    .. math:: x_{l+1} = [x_l,\; W_3\, a(n(W_1\, a(n(x_l))))]

    with n a norm, a the ReLU, :math:`W_1` 1-wide to 4k channels and :math:`W_3` 3-wide to k. Between blocks stand norm,
    ReLU, a 1-wide convolution to half the channels, and means over pairs of positions (DenseNet-BC). This is the
    ImageNet network with the stem for CIFAR: one 3-wide convolution to 2k channels with norm and ReLU, without stride
    or pooling. DenseNet-121 with k = 32 has 6,956,426 parameters on CIFAR-10. Convolutions begin as He et al. (2015)
    have them for the forward pass, with variance 2 / fan-in: there are many more channels to read than to make.

    Args:
        input_shape: (channels, length) or (channels, height, width), with at least 8 positions along every axis.
        classes: number of logits.
        depth: 121, 169 or 201; or 21, two dense layers a block, for small data.
        width: the growth rate k; 32 is standard.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``.
        dropout: probability of dropping a feature before the last layer.

    Raises:
        ValueError: an unknown depth or norm, a size that is not positive, an axis too short to be halved three times,
            or a probability outside [0, 1).

    Source: Huang, Liu, van der Maaten & Weinberger 2017, "Densely Connected Convolutional Networks", section 3.
    """

    vectorises = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        depth: int = 121,
        width: int = 32,
        norm: str = "batch",
        dropout: float = 0.0,
    ):
        check_positive(width=width, classes=classes)
        check_choice("depth", depth, sorted(BLOCKS))
        check_positions("DenseNet", input_shape, 8)
        axes, channels = len(input_shape) - 1, 2 * width
        layers: list[nn.Module] = [FanInConv(axes, input_shape[0], channels, 3), norm_layer(norm, channels), nn.ReLU()]
        for block, count in enumerate(BLOCKS[depth]):
            if block:
                layers += [*norm_conv(axes, channels, channels // 2, 1, norm), mean_pool(axes, 2)]
                channels //= 2
            for _ in range(count):
                layers.append(DenseLayer(axes, channels, width, norm))
                channels += width
        layers += [norm_layer(norm, channels), nn.ReLU(), GlobalMean()]
        super().__init__(*layers, *dropout_layer(dropout), nn.Linear(channels, classes))


class FanInConv(Conv):
    """A convolution whose outputs begin with the variance of its inputs. Args as those of :class:`Conv`."""

    def initialise(self) -> None:
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class DenseLayer(nn.Module):
    """The channels so far, and ``width`` more that are made of them."""

    def __init__(self, axes: int, inputs: int, width: int, norm: str):
        super().__init__()
        inner = BOTTLENECK * width
        self.branch = nn.Sequential(*norm_conv(axes, inputs, inner, 1, norm), *norm_conv(axes, inner, width, 3, norm))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([inputs, self.branch(inputs)], 1)


def norm_conv(axes: int, inputs: int, outputs: int, size: int, norm: str) -> tuple[nn.Module, ...]:
    """Norm and ReLU, then a convolution."""
    return norm_layer(norm, inputs), nn.ReLU(), FanInConv(axes, inputs, outputs, size)
