"""A multi-layer perceptron."""

import math

import torch.nn as nn

from fbgd.models.layers import check_positive, norm_layer
from fbgd.models.random_layers import dropout_layer


class MLP(nn.Sequential):
    """``layers`` hidden layers of equal width, each linear, norm, ReLU, on the flattened input, and a linear layer.

    Args:
        input_shape: shape of one sample.
        classes: number of logits.
        width: units of a hidden layer.
        layers: number of hidden layers; 0 for a linear model, to which ``width`` means nothing.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``.
        dropout: probability of dropping a hidden unit, after each ReLU.

    Raises:
        ValueError: a size outside its range, an unknown norm, or a probability outside [0, 1).
    """

    vectorises = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        width: int = 100,
        layers: int = 2,
        norm: str = "none",
        dropout: float = 0.0,
    ):
        check_positive(width=width, classes=classes)
        if not isinstance(layers, int) or layers < 0:
            raise ValueError(f"model.layers = {layers!r} must be a whole number >= 0")
        modules: list[nn.Module] = [nn.Flatten()]
        features = math.prod(input_shape)
        for _ in range(layers):
            modules += [nn.Linear(features, width), norm_layer(norm, width), nn.ReLU(), *dropout_layer(dropout)]
            features = width
        super().__init__(*modules, nn.Linear(features, classes))
