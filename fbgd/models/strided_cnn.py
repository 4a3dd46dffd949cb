"""The small strided convolutional network of the MNIST-1D authors."""

import math

import torch.nn as nn

from fbgd.models.layers import TorchConv, check_positions, check_positive, norm_layer
from fbgd.models.random_layers import dropout_layer

SIZES = (5, 3, 3)


class StridedCNN(nn.Sequential):
    """Three convolutions of equal width with ReLU, and a linear layer on their flattened outputs.

    Kernels are 5, 3 and 3 wide, with stride 2, padding 1 and biases, so 40 positions become 19, 10 and 5: 5,210
    parameters for width 25 on MNIST-1D. Images are treated the same along both axes. The initialisation is PyTorch's
    own, as in the published code.

    Args:
        input_shape: (channels, length) or (channels, height, width), with at least 3 positions along every axis.
        classes: number of logits.
        width: channels of every convolution.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``, before each ReLU; published without.
        dropout: probability of dropping a feature before the last layer.

    Raises:
        ValueError: a size that is not positive, an axis too short for the first kernel, an unknown norm, or a
            probability outside [0, 1).

    Source: Greydanus & Kobak 2024, "Scaling Down Deep Learning with MNIST-1D"; the convolutional model of its code
    and of its notebook on deep double descent.
    """

    vectorises = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        width: int = 25,
        norm: str = "none",
        dropout: float = 0.0,
    ):
        check_positive(width=width, classes=classes)
        channels, *lengths = input_shape
        check_positions("StridedCNN", input_shape, 3)
        layers: list[nn.Module] = []
        for size in SIZES:
            layers += [
                TorchConv(len(lengths), channels, width, size, stride=2, padding=1, bias=True),
                norm_layer(norm, width),
                nn.ReLU(),
            ]
            channels, lengths = width, [(length + 2 - size) // 2 + 1 for length in lengths]
        features = width * math.prod(lengths)
        super().__init__(*layers, nn.Flatten(), *dropout_layer(dropout), nn.Linear(features, classes))
