"""The gradient's norm, not squared, as a penalty: plain training, SAM, and what lies between and beyond."""

from torch import Tensor

from regularizers._checks import check_choice, check_range
from regularizers.hvp import GradFn, check_hvp, perturbation_step
from regularizers.roles import BlockGradientPenalty
from regularizers.tensor_lists import add_scaled


class GradientNormPenalty(BlockGradientPenalty):
    r"""The gradient of :math:`\alpha r \lVert \nabla L \rVert`, by one forward difference.

    .. math::
        g(\theta) + \alpha r \, \nabla \lVert g \rVert
        \approx (1 - \alpha)\, g(\theta) + \alpha\, g\!\left(\theta + r \frac{g}{\lVert g \rVert}\right)

    :math:`\alpha = 0` is plain training and :math:`\alpha = 1` is sharpness-aware minimisation (SAM): on ``"block"``
    every block takes its own ascent step, as if each lay on a worker of its own (m-sharpness), on ``"full_gradient"``
    the whole step takes one.

    Args:
        alpha: :math:`\alpha \ge 0`.
        radius: :math:`r > 0`, length of the ascent step.
        of: ``"block"`` or ``"full_gradient"``, see above.

    Raises:
        ValueError: an argument is outside its range.

    Source: Zhao, Zhang & Hu 2022, "Penalizing Gradient Norm for Efficiently Improving Generalization in Deep
    Learning", eq. 9; SAM: Foret, Kleiner, Mobahi & Neyshabur 2021.

    Examples:
        >>> import torch
        >>> def grad_fn(params):  # of the loss 3 theta^2 / 2, whose gradient has the norm 3 |theta|
        ...     return [3 * params[0]]
        >>> params = [torch.tensor([2.0])]
        >>> penalty = GradientNormPenalty(alpha=0.5, radius=0.25)
        >>> penalty.coefficient(lr=0.1)
        0.125
        >>> penalty.gradient(grad_fn, params, grad_fn(params), lr=0.1)[0].item()  # 0.125 * 3
        0.375
    """

    method = "forward"
    power = 1
    extra_gradients = 1

    def __init__(self, alpha: float = 1.0, radius: float = 0.05, of: str = "block"):
        check_range("alpha", alpha, 0.0)
        check_choice("of", of, ("block", "full_gradient"))
        check_hvp(self.method, radius)
        self.alpha, self.radius, self.of = alpha, radius, of

    def coefficient(self, lr: Tensor | float) -> float:
        """alpha * radius, whatever the learning rate."""
        return self.alpha * self.radius

    def gradient(
        self, grad_fn: GradFn, params: list[Tensor], gradient: list[Tensor], lr: Tensor | float
    ) -> list[Tensor]:
        """``alpha (g(theta + r g / ||g||) - g)``: the penalty's own gradient, to be added to ``gradient``."""
        ahead = grad_fn(add_scaled(params, gradient, perturbation_step(gradient, self.radius)))
        return [self.alpha * (more - entry) for more, entry in zip(ahead, gradient, strict=True)]
