"""Clipping the gradient by its global norm."""

import torch
from torch import Tensor

from regularizers.tensor_lists import foreach_norm


class GradientClipping:
    r"""Shorten the step's mean gradient to a largest norm; shorter ones pass unchanged.

    .. math:: g \leftarrow g \,\frac{c}{\max(c, \lVert g \rVert)}

    Args:
        max_norm: the threshold :math:`c > 0` on the L2 norm over all parameters together.

    Raises:
        ValueError: ``max_norm`` is not positive and finite.

    Source: Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
    """

    def __init__(self, max_norm: float = 0.25):
        if not 0 < max_norm < float("inf"):
            raise ValueError(f"max_norm = {max_norm!r} is outside the valid range (0, inf)")
        self.max_norm = max_norm

    def __call__(self, gradient: list[Tensor]) -> list[Tensor]:
        """The clipped gradient, a new list."""
        return clip_by_global_norm(gradient, self.max_norm)


def clip_by_global_norm(gradient: list[Tensor], max_norm: float) -> list[Tensor]:
    """``gradient`` scaled to a global L2 norm of at most ``max_norm``, a new list of tensors."""
    norm = foreach_norm(gradient)
    return list(torch._foreach_mul(gradient, max_norm / norm.clamp(min=max_norm)))
