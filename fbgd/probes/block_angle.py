"""How far the gradients of blocks agree on where to go."""

import math

import torch
from torch import Tensor

from fbgd.engine.probe import ProbeState
from fbgd.probes.block_matrix import block_matrix, check_units


class BlockAngle:
    r"""Cosines and angles between the gradients of the blocks of a pass, and between them and their mean.

    .. math::
        \overline{\cos} = \frac{\sum_{B \ne B'} w_B w_{B'} \cos(g_B, g_{B'})}{\sum_{B \ne B'} w_B w_{B'}}, \qquad
        \overline{\cos}_{\text{mean}} = \sum_B w_B \cos(g_B, \bar g), \qquad w_B = |B| / N

    In full-batch descent these are the blocks of one step. Of independent noise of total variance T around a mean
    gradient of squared length S, large D, the first is about S / (S + T) and the second about its root.

    Returns columns ``cosine`` and ``angle`` between blocks, ``mean_cosine`` and ``mean_angle`` between a block and the
    mean; angles are means of angles, in degrees. Blocks whose gradient is zero have no direction and are left out. With
    fewer than two left, those between blocks are not a number. It costs one gradient of every sample that is looked at.

    Args:
        of: ``"blocks"``, or ``"samples"``, the gradients of single samples; not with batch norm.
        most: so many blocks or samples at most, drawn anew at every look; ``null``: all.

    Raises:
        ConfigError: ``of`` is neither, or ``most`` is less than 2.
    """

    def __init__(self, of: str = "blocks", most: int | None = None):
        check_units(of, most)
        self.of, self.most = of, most

    def __call__(self, state: ProbeState) -> dict[str, float]:
        return angle_columns(*block_matrix(state, self.of, self.most)[:2])


def angle_columns(weights: Tensor, gradients: Tensor) -> dict[str, float]:
    """The columns of :class:`BlockAngle`.

    Args:
        weights: (K), of sum 1.
        gradients: (K, D).

    >>> numbers = angle_columns(torch.tensor([0.5, 0.5]), torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
    >>> {name: round(value, 3) for name, value in numbers.items()}
    {'cosine': 0.0, 'angle': 90.0, 'mean_cosine': 0.632, 'mean_angle': 45.0}
    """
    mean = weights @ gradients
    lengths = gradients.norm(dim=1)
    directed = lengths > 0
    weights, directions = weights[directed], gradients[directed] / lengths[directed].unsqueeze(1)
    pairs = torch.outer(weights, weights).fill_diagonal_(0)
    cosine, angle = means(directions @ directions.T, pairs)
    mean_cosine, mean_angle = means(directions @ (mean / mean.norm()), weights)
    return {"cosine": cosine, "angle": angle, "mean_cosine": mean_cosine, "mean_angle": mean_angle}


def means(cosines: Tensor, weights: Tensor) -> tuple[float, float]:
    """The weighted means of cosines and of their angles, in degrees."""
    if not weights.sum() > 0:
        return math.nan, math.nan
    # Rounding leaves cosines a little beyond 1.
    cosines, shares = cosines.clamp(-1, 1), weights / weights.sum()
    return float((shares * cosines).sum()), float((shares * torch.rad2deg(torch.acos(cosines))).sum())
