"""VGG networks with normalisation, in their form for small images."""

import torch.nn as nn

from fbgd.models.layers import Conv, GlobalMax, check_choice, check_positions, check_positive, norm_layer
from fbgd.models.random_layers import dropout_layer

# Convolutions per stage: Simonyan & Zisserman's configurations A, B, D and E.
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(nn.Sequential):
    """Five stages of 3-wide convolutions of k, 2k, 4k, 8k and 8k channels, max-pooling after each, a linear layer.

    Published for 224 x 224 images with three linear layers; this is the form for CIFAR, with a norm before each ReLU
    and one linear layer. Pooling is over pairs of positions, the last time over all that is left, which on 32 x 32
    images is a pair as well. With C input channels, s positions of a 3-wide kernel (9 on images) and c classes, VGG-16
    with batch or group norm has

    .. math:: 399 s k^2 + (s C + 198 + 8 c) k + c

    parameters: 14,728,266 for k = 64 on CIFAR-10. The convolutions have biases, as published, though batch norm takes
    them out again.

    Args:
        input_shape: (channels, length) or (channels, height, width), with at least 16 positions along every axis.
        classes: number of logits.
        depth: 11, 13, 16 or 19: layers with weights, where the head has the published three.
        width: channels k of the first stage; 64 is standard.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``.
        dropout: probability of dropping a feature before the last layer.

    Raises:
        ValueError: an unknown depth or norm, a size that is not positive, an axis too short to be pooled, or a
            probability outside [0, 1).

    Source: Simonyan & Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition", table 1;
    norms: Ioffe & Szegedy 2015.
    """

    vectorises = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        depth: int = 16,
        width: int = 64,
        norm: str = "batch",
        dropout: float = 0.0,
    ):
        check_positive(width=width, classes=classes)
        check_choice("depth", depth, sorted(STAGES))
        check_positions("VGG", input_shape, 16)
        channels, axes = input_shape[0], len(input_shape) - 1
        pool = nn.MaxPool1d if axes == 1 else nn.MaxPool2d
        layers: list[nn.Module] = []
        for stage, convolutions in enumerate(STAGES[depth]):
            if stage:
                layers.append(pool(2))
            outputs = width * min(2**stage, 8)
            for _ in range(convolutions):
                layers += [Conv(axes, channels, outputs, 3, bias=True), norm_layer(norm, outputs), nn.ReLU()]
                channels = outputs
        super().__init__(*layers, GlobalMax(), *dropout_layer(dropout), nn.Linear(channels, classes))
