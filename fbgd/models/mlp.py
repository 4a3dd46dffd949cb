"""A multi-layer perceptron."""

import math

import torch.nn as nn

from fbgd.models.layers import check_positive, norm_layer
from fbgd.models.random_layers import dropout_layer

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
}


class MLP(nn.Sequential):
    """``layers`` hidden layers of equal width (linear, norm, activation) on the flattened input, and a linear layer.

    Args:
        input_shape: shape of one sample.
        classes: number of logits.
        width: units of a hidden layer.
        layers: number of hidden layers; 0 for a linear model, to which ``width`` means nothing.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``.
        dropout: probability of dropping a hidden unit, after each activation.
        activation: ``"relu"``, or one that has derivatives of every order: ``"tanh"``, ``"gelu"``, ``"softplus"``.

    Raises:
        ValueError: a size outside its range, an unknown norm or activation, or a probability outside [0, 1).
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
        activation: str = "relu",
    ):
        check_positive(width=width, classes=classes)
        if not isinstance(layers, int) or layers < 0:
            raise ValueError(f"model.layers = {layers!r} must be a whole number >= 0")
        if activation not in ACTIVATIONS:
            raise ValueError(f"model.activation = {activation!r} must be one of {', '.join(ACTIVATIONS)}")
        modules: list[nn.Module] = [nn.Flatten()]
        features = math.prod(input_shape)
        for _ in range(layers):
            modules += [nn.Linear(features, width), norm_layer(norm, width)]
            modules += [ACTIVATIONS[activation](), *dropout_layer(dropout)]
            features = width
        super().__init__(*modules, nn.Linear(features, classes))
