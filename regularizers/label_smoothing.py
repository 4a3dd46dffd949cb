"""Label smoothing."""

import torch
from torch import Tensor

from regularizers._checks import check_range
from regularizers.roles import BlockTransform


class LabelSmoothing(BlockTransform):
    r"""Mix the labels with the uniform distribution over the K classes: :math:`\tilde y = (1 - \alpha) y + \alpha / K`.

    The recorded training loss is the one that is trained, against the smoothed labels. Where nothing is predicted,
    at the padding of a sequence, all probabilities are 0 and stay so.

    Args:
        smoothing: :math:`\alpha` in [0, 1].

    Raises:
        ValueError: ``smoothing`` is outside [0, 1].

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", section 7.

    Examples:
        >>> import torch
        >>> smooth = LabelSmoothing(0.25)
        >>> inputs, targets = torch.zeros(1, 1, 8), torch.eye(4)[:1]
        >>> smooth(inputs, targets, torch.Generator())[1].tolist()
        [[0.8125, 0.0625, 0.0625, 0.0625]]
    """

    changes_inputs = False

    def __init__(self, smoothing: float = 0.1):
        check_range("smoothing", smoothing, 0.0, 1.0, ends="[]")
        self.smoothing = smoothing

    def __call__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        smoothed = (1 - self.smoothing) * targets + self.smoothing / targets.shape[-1]
        return inputs, torch.where(targets.any(-1, keepdim=True), smoothed, targets)
