"""Residual networks for sequences and images."""

import torch.nn as nn
from torch import Tensor

from fbgd.models.layers import Conv, GlobalMean, check_choice, check_positive, mean_pool, norm_layer
from fbgd.models.random_layers import StochasticDepth, dropout_layer

# Blocks per stage. Three stages of basic blocks are He et al.'s CIFAR networks, four stages the ImageNet ones.
STAGES = {
    8: (1, 1, 1),
    20: (3, 3, 3),
    56: (9, 9, 9),
    110: (18, 18, 18),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    152: (3, 8, 36, 3),
}
BOTTLENECK = (50, 152)
STEMS = ("cifar", "imagenet")
SHORTCUTS = ("stride", "pool")


class ResNet(nn.Sequential):
    """A residual network of one of the published depths.

    Args:
        input_shape: (channels, length) or (channels, height, width).
        classes: number of logits.
        depth: 8, 20, 56, 110 (three stages of widths w, 2w, 4w, He et al. section 4.2) or 18, 34, 50, 152 (four
            stages of widths w to 8w, basic blocks up to 34, bottlenecks beyond).
        width: channels w of the first stage; 64 is standard for depths 18, 34, 50, 152, and 16 for the others.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``.
        stem: ``"cifar"``, one 3-wide convolution; ``"imagenet"``, 7-wide with stride 2, then max-pooling.
        dropout: probability of dropping a feature before the last layer.
        stochastic_depth: probability of dropping the last residual branch, for each sample; it grows linearly with
            depth, l / L of it for branch l of L (Huang et al. 2016).
        shortcut: where a stage halves the signal: ``"stride"``, a 1-wide convolution of stride 2, He et al.'s option
            B; ``"pool"``, means over pairs of positions along every axis and then a 1-wide convolution of stride 1.
            Of an odd length the last position stands alone, so that shortcut and branch are equally long. Either has
            the same parameters. Elsewhere, and where the channels alone change, the two are the same.

    Raises:
        ValueError: an unknown depth, norm, stem or shortcut, a size that is not positive, or a probability outside
            [0, 1).

    Source: He, Zhang, Ren & Sun 2016, "Deep Residual Learning for Image Recognition". ``shortcut="pool"``: He, Zhang,
    Zhang, Zhang, Xie & Li 2019, "Bag of Tricks for Image Classification", ResNet-D; the ``downsample: C`` of the code
    of Geiping et al. 2022.
    """

    vectorises = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        depth: int = 18,
        width: int = 64,
        norm: str = "batch",
        stem: str = "cifar",
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        shortcut: str = "stride",
    ):
        check_positive(width=width, classes=classes)
        check_choice("depth", depth, sorted(STAGES))
        check_choice("stem", stem, STEMS)
        check_choice("shortcut", shortcut, SHORTCUTS)
        channels, axes = input_shape[0], len(input_shape) - 1
        block = Bottleneck if depth in BOTTLENECK else BasicBlock
        layers: list[nn.Module] = [
            *conv_norm(axes, channels, width, *((3, 1) if stem == "cifar" else (7, 2)), norm),
            nn.ReLU(),
        ]
        if stem == "imagenet":
            layers.append((nn.MaxPool1d if axes == 1 else nn.MaxPool2d)(3, stride=2, padding=1))
        channels = width
        branches = 0
        for stage, blocks in enumerate(STAGES[depth]):
            for index in range(blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                branches += 1
                drop = stochastic_depth * branches / sum(STAGES[depth])
                layers.append(block(axes, channels, width * 2**stage, stride, norm, drop, shortcut))
                channels = width * 2**stage * block.expansion
        super().__init__(*layers, GlobalMean(), *dropout_layer(dropout), nn.Linear(channels, classes))


class Residual(nn.Module):
    """A branch beside a shortcut, added and passed through a ReLU; the branch is dropped with probability ``drop``."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, drop: float):
        super().__init__()
        self.branch = nn.Sequential(branch, StochasticDepth(drop)) if drop else branch
        self.shortcut = shortcut
        self.activation = nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.activation(self.branch(inputs) + self.shortcut(inputs))


class BasicBlock(Residual):
    """Two 3-wide convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, axes: int, inputs: int, width: int, stride: int, norm: str, drop: float, shortcut: str):
        branch = nn.Sequential(
            *conv_norm(axes, inputs, width, 3, stride, norm),
            nn.ReLU(),
            *conv_norm(axes, width, width, 3, 1, norm),
        )
        super().__init__(branch, shortcut_layers(axes, inputs, width, stride, norm, shortcut), drop)


class Bottleneck(Residual):
    """Convolutions 1, 3 and 1 wide beside a shortcut, with four times as many output channels as inner ones."""

    expansion = 4

    def __init__(self, axes: int, inputs: int, width: int, stride: int, norm: str, drop: float, shortcut: str):
        outputs = width * self.expansion
        branch = nn.Sequential(
            *conv_norm(axes, inputs, width, 1, 1, norm),
            nn.ReLU(),
            *conv_norm(axes, width, width, 3, stride, norm),
            nn.ReLU(),
            *conv_norm(axes, width, outputs, 1, 1, norm),
        )
        super().__init__(branch, shortcut_layers(axes, inputs, outputs, stride, norm, shortcut), drop)


def conv_norm(axes: int, inputs: int, outputs: int, size: int, stride: int, norm: str) -> tuple[nn.Module, nn.Module]:
    """A convolution and its normalisation."""
    return Conv(axes, inputs, outputs, size, stride), norm_layer(norm, outputs)


def shortcut_layers(axes: int, inputs: int, outputs: int, stride: int, norm: str, kind: str) -> nn.Module:
    """The identity where shapes agree, otherwise a 1-wide convolution with its norm, behind a mean for ``"pool"``."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    if stride == 1 or kind == "stride":
        return nn.Sequential(*conv_norm(axes, inputs, outputs, 1, stride, norm))
    return nn.Sequential(mean_pool(axes, stride), *conv_norm(axes, inputs, outputs, 1, 1, norm))
