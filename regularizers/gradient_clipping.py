"""Clipping gradients: by their global norm, or entry by entry."""

import torch
from torch import Tensor

from regularizers._checks import check_choice, check_range
from regularizers.roles import GradientTransform, Moment
from regularizers.tensor_lists import foreach_norm, global_norm


class GradientClipping(GradientTransform):
    r"""Shorten a gradient to a largest norm; shorter ones pass unchanged.

    .. math:: g \leftarrow g \,\frac{c}{\max(c, \lVert g \rVert)}

    Args:
        max_norm: the threshold :math:`c > 0` on the L2 norm over all parameters together.
        of: ``"step"``, the mean gradient of the step, or ``"block"``, the gradient of every block before the mean, so
            that no block counts for more than ``max_norm``.

    Raises:
        ValueError: ``max_norm`` is not positive and finite, or ``of`` is unknown.

    Source: Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1.

    Examples:
        >>> import torch
        >>> clip = GradientClipping(max_norm=1.0)
        >>> clip([torch.tensor([3.0]), torch.tensor([4.0])])  # of norm 5
        [tensor([0.6000]), tensor([0.8000])]
        >>> clip([torch.tensor([0.3]), torch.tensor([0.4])])
        [tensor([0.3000]), tensor([0.4000])]
    """

    clips = True

    def __init__(self, max_norm: float = 0.25, of: str = "step"):
        check_range("max_norm", max_norm, 0.0, ends="()")
        check_choice("of", of, ("step", "block"))
        self.max_norm, self.of = max_norm, of

    def __call__(self, gradient: list[Tensor], moment: Moment | None = None) -> list[Tensor]:
        if self.of == "block":
            factor = clipping_factor(global_norm(gradient), self.max_norm)
            return [factor * entry for entry in gradient]
        return clip_by_global_norm(gradient, self.max_norm)


class GradientValueClipping(GradientTransform):
    r"""Bring every entry of the step's mean gradient into :math:`[-c, c]`.

    Args:
        max_value: :math:`c > 0`.

    Raises:
        ValueError: ``max_value`` is not positive and finite.

    Source: Mikolov 2012, "Statistical Language Models Based on Neural Networks", section 3.2.

    Examples:
        >>> import torch
        >>> clip = GradientValueClipping(max_value=0.5)
        >>> clip([torch.tensor([-2.0, 0.25, 3.0])])[0].tolist()
        [-0.5, 0.25, 0.5]
    """

    clips = True

    def __init__(self, max_value: float = 0.1):
        check_range("max_value", max_value, 0.0, ends="()")
        self.max_value = max_value

    def __call__(self, gradient: list[Tensor], moment: Moment | None = None) -> list[Tensor]:
        return list(torch._foreach_clamp_max(torch._foreach_clamp_min(gradient, -self.max_value), self.max_value))


def clip_by_global_norm(gradient: list[Tensor], max_norm: float) -> list[Tensor]:
    """``gradient`` scaled to a global L2 norm of at most ``max_norm``, a new list of tensors.

    Examples:
        >>> import torch
        >>> clipped = clip_by_global_norm([torch.tensor([3.0]), torch.tensor([4.0])], max_norm=1.0)
        >>> [round(entry.item(), 4) for entry in clipped]
        [0.6, 0.8]
    """
    return list(torch._foreach_mul(gradient, clipping_factor(foreach_norm(gradient), max_norm)))


def clipping_factor(norm: Tensor, max_norm: float) -> Tensor:
    """What a gradient of this norm is multiplied with: exactly 1 when there is nothing to clip."""
    return max_norm / norm.clamp(min=max_norm)
