"""The five-layer convolutional network of deep double descent."""

import torch.nn as nn

from fbgd.models.layers import GlobalMax, TorchConv, check_positions, check_positive, norm_layer
from fbgd.models.random_layers import dropout_layer

POOLS = (1, 2, 2)


class CNN5(nn.Sequential):
    """Four 3-wide convolutions of k, 2k, 4k and 8k channels, each with norm, ReLU and max-pooling, and a linear layer.

    Published for 32 x 32 images with max-pooling over 1, 2, 2 and 8 positions along every axis. The last one is then
    the maximum over all that is left; so it is here for every size, with sequences pooled along their one axis.
    With C input channels, s positions of a 3-wide kernel (9 on images) and c classes, batch or group norm, it has

    .. math:: 42 s k^2 + (s C + 45 + 8 c) k + c

    parameters: 1,558,026 for k = 64 on CIFAR-10. As in the published code the convolutions have biases, though batch
    norm takes them out again, and the initialisation is PyTorch's own.

    Args:
        input_shape: (channels, length) or (channels, height, width), with at least 4 positions along every axis.
        classes: number of logits.
        width: channels k of the first convolution.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``.
        dropout: probability of dropping a feature before the last layer.

    Raises:
        ValueError: a size that is not positive, an axis too short to be pooled, an unknown norm, or a probability
            outside [0, 1).

    Source: Nakkiran et al. 2019, "Deep Double Descent", section 4 and appendix B.1; after Page's "How to Train Your
    ResNet".
    """

    vectorises = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        width: int = 64,
        norm: str = "batch",
        dropout: float = 0.0,
    ):
        check_positive(width=width, classes=classes)
        channels, axes = input_shape[0], len(input_shape) - 1
        check_positions("CNN5", input_shape, 4)
        layers: list[nn.Module] = []
        for stage, pool in enumerate((*POOLS, None)):
            outputs = width * 2**stage
            layers += [TorchConv(axes, channels, outputs, 3, bias=True), norm_layer(norm, outputs), nn.ReLU()]
            if pool is None:
                layers.append(GlobalMax())
            elif pool > 1:
                layers.append((nn.MaxPool1d if axes == 1 else nn.MaxPool2d)(pool))
            channels = outputs
        super().__init__(*layers, *dropout_layer(dropout), nn.Linear(channels, classes))
