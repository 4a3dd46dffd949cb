"""A plain convolutional network."""

import torch.nn as nn

from fbgd.models.layers import Conv, GlobalMean, check_positive, norm_layer
from fbgd.models.random_layers import dropout_layer


class CNN(nn.Sequential):
    """``layers`` 3-wide convolutions, each with norm and ReLU; the width doubles, and the length halves, after each.

    Args:
        input_shape: (channels, length) or (channels, height, width).
        classes: number of logits.
        width: channels of the first convolution.
        layers: number of convolutions.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``.
        dropout: probability of dropping a feature before the last layer.

    Raises:
        ValueError: a size that is not positive, an unknown norm, or a probability outside [0, 1).
    """

    vectorises = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        width: int = 16,
        layers: int = 3,
        norm: str = "batch",
        dropout: float = 0.0,
    ):
        check_positive(width=width, layers=layers, classes=classes)
        channels, axes = input_shape[0], len(input_shape) - 1
        modules: list[nn.Module] = []
        for index in range(layers):
            outputs = width * 2**index
            modules += [
                Conv(axes, channels, outputs, 3, stride=1 if index == 0 else 2),
                norm_layer(norm, outputs),
                nn.ReLU(),
            ]
            channels = outputs
        super().__init__(*modules, GlobalMean(), *dropout_layer(dropout), nn.Linear(channels, classes))
