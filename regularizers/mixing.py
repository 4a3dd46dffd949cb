"""Training on mixtures of two samples of a block: mixup and CutMix."""

import numpy as np
import torch
from torch import Tensor

from regularizers._checks import check_range
from regularizers.roles import BlockTransform


class Mixup(BlockTransform):
    r"""Convex combinations of samples and of their labels.

    .. math::
        \tilde x = \lambda x_i + (1 - \lambda) x_j, \qquad \tilde y = \lambda y_i + (1 - \lambda) y_j, \qquad
        \lambda \sim \mathrm{Beta}(\alpha, \alpha)

    One :math:`\lambda` and one random pairing :math:`j(i)` a block, drawn anew every pass.

    Args:
        alpha: :math:`\alpha > 0`; small values leave most samples nearly as they are.

    Raises:
        ValueError: ``alpha`` is not positive and finite.

    Source: Zhang, Cisse, Dauphin & Lopez-Paz 2018, "mixup: Beyond Empirical Risk Minimization", eq. 1.

    Examples:
        >>> import torch
        >>> inputs, targets = torch.eye(4).unsqueeze(1), torch.eye(4)
        >>> mixed, labels = Mixup(alpha=1.0)(inputs, targets, torch.Generator().manual_seed(0))
        >>> mixed.shape, labels.sum(1).tolist()  # the labels stay probabilities
        (torch.Size([4, 1, 4]), [1.0, 1.0, 1.0, 1.0])
        >>> torch.equal(mixed.squeeze(1), labels)  # and are mixed as the inputs are
        True
    """

    def __init__(self, alpha: float = 0.2):
        check_range("alpha", alpha, 0.0, ends="()")
        self.alpha = alpha

    def __call__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        share = beta(self.alpha, generator)
        other = torch.randperm(len(inputs), generator=generator).to(inputs.device)
        return torch.lerp(inputs[other], inputs, share), torch.lerp(targets[other], targets, share)


class CutMix(BlockTransform):
    r"""A box of every sample is replaced by another sample's, and the labels are mixed by the box's volume.

    .. math::
        \tilde x = M \odot x_i + (1 - M) \odot x_j, \qquad \tilde y = \bar M y_i + (1 - \bar M) y_j

    The box takes the share :math:`1 - \lambda`, :math:`\lambda \sim \mathrm{Beta}(\alpha, \alpha)`, of the volume,
    is centred at a uniform position and cut off at the borders; :math:`\bar M` is the mean of the mask that results.
    Sequences lose an interval, images a rectangle. One box and one pairing a block, drawn anew every pass.

    Args:
        alpha: :math:`\alpha > 0`; 1 draws volumes uniformly.

    Raises:
        ValueError: ``alpha`` is not positive and finite.

    Source: Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers", eq. 1 and 2.

    Examples:
        >>> import torch
        >>> inputs, targets = torch.arange(4.0).view(4, 1, 1).expand(4, 1, 10), torch.eye(4)
        >>> mixed, labels = CutMix(alpha=1.0)(inputs, targets, torch.Generator().manual_seed(0))
        >>> kept = (mixed[0] == inputs[0]).double().mean().item()  # of the first sample's positions
        >>> round(kept, 4) == round(labels[0, 0].item(), 4)
        True
    """

    def __init__(self, alpha: float = 1.0):
        check_range("alpha", alpha, 0.0, ends="()")
        self.alpha = alpha

    def __call__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        shape = inputs.shape[2:]
        side = (1 - beta(self.alpha, generator)) ** (1 / len(shape))
        inside = torch.ones(shape, dtype=torch.bool)
        for axis, length in enumerate(shape):
            centre = int(torch.randint(length, (), generator=generator))
            start = centre - round(side * length / 2)
            position = torch.arange(length)
            within = (position >= start) & (position < start + round(side * length))
            inside &= within.view([-1 if dim == axis else 1 for dim in range(len(shape))])
        other = torch.randperm(len(inputs), generator=generator).to(inputs.device)
        kept = 1 - inside.double().mean().item()
        mixed = torch.where(inside.to(inputs.device), inputs[other], inputs)
        return mixed, torch.lerp(targets[other], targets, kept)


def beta(alpha: float, generator: torch.Generator) -> float:
    """One draw from Beta(alpha, alpha)."""
    # PyTorch's Beta distribution takes no generator, so NumPy's is seeded from it.
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))
