"""The pre-activation residual network of deep double descent."""

import torch.nn as nn
from torch import Tensor

from fbgd.models.layers import GlobalMean, TorchConv, check_positive, norm_layer
from fbgd.models.random_layers import dropout_layer

STAGES = 4
BLOCKS = 2


class PreActResNet(nn.Sequential):
    """A pre-activation ResNet-18 with stages of k, 2k, 4k and 8k channels, for sequences and images.

    With C input channels, s positions of a 3-wide kernel (9 on images) and c classes, batch or group norm, it has

    .. math:: (298 s + 42) k^2 + (s C + 106 + 8 c) k + c

    parameters: 11,171,146 for k = 64 on CIFAR-10. As in the published code no norm or ReLU stands between the last
    block and the mean, and the initialisation is PyTorch's own.

    Args:
        input_shape: (channels, length) or (channels, height, width).
        classes: number of logits.
        width: channels k of the first stage; 64 is standard.
        norm: ``"batch"``, ``"group"``, ``"layer"`` or ``"none"``.
        dropout: probability of dropping a feature before the last layer.

    Raises:
        ValueError: a size that is not positive, an unknown norm, or a probability outside [0, 1).

    Source: He, Zhang, Ren & Sun 2016, "Identity Mappings in Deep Residual Networks", figure 4(e); widths by
    Nakkiran et al. 2019, "Deep Double Descent", section 4, whose code is kuangliu's pytorch-cifar's.
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
        channels, axes = width, len(input_shape) - 1
        layers: list[nn.Module] = [TorchConv(axes, input_shape[0], width, 3)]
        for stage in range(STAGES):
            for index in range(BLOCKS):
                outputs = width * 2**stage
                layers.append(PreActBlock(axes, channels, outputs, 2 if stage > 0 and index == 0 else 1, norm))
                channels = outputs
        super().__init__(*layers, GlobalMean(), *dropout_layer(dropout), nn.Linear(channels, classes))


class PreActBlock(nn.Module):
    r"""Norm and ReLU stand before either convolution: :math:`y = S + W_2 a(n_2(W_1 h))` with :math:`h = a(n_1(x))`.

    The shortcut S is x itself, or, where the shape changes, a 1-wide convolution of h, without a norm.
    """

    def __init__(self, axes: int, inputs: int, outputs: int, stride: int, norm: str):
        super().__init__()
        self.activation = nn.Sequential(norm_layer(norm, inputs), nn.ReLU())
        self.branch = nn.Sequential(
            TorchConv(axes, inputs, outputs, 3, stride),
            norm_layer(norm, outputs),
            nn.ReLU(),
            TorchConv(axes, outputs, outputs, 3),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else TorchConv(axes, inputs, outputs, 1, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        activated = self.activation(inputs)
        return self.branch(activated) + (inputs if self.shortcut is None else self.shortcut(activated))
