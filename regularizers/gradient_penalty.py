"""The implicit bias of SGD, made explicit: a penalty on the squared gradient norm."""

from torch import Tensor

from regularizers._checks import check_choice, check_range
from regularizers.hvp import GradFn, check_hvp, hvp
from regularizers.roles import BlockGradientPenalty

# Further gradients of the same samples; an exact product counts as two.
GRADIENTS_PER_HVP = {"forward": 1, "central": 2, "exact": 2}


class GradientPenalty(BlockGradientPenalty):
    r"""The gradient of :math:`c\,\lVert \nabla L \rVert^2`, with :math:`c = s\,\eta / 4`.

    .. math::
        \nabla\big(c \lVert g \rVert^2\big) = 2 c\, H g, \qquad
        R(\theta) = \frac{s\,\eta}{4} \sum_B \frac{|B|}{N} \lVert \nabla L_B \rVert^2
        \quad\text{(of blocks)}

    Strength :math:`s = 1` is what the modified loss of SGD says; the code published with Geiping et al. uses
    :math:`c = \eta s' / 8`, so its 0.5 is a strength of 0.25 here.

    Args:
        strength: :math:`s \ge 0`.
        of: ``"block"``, the mean over blocks of each block's own penalty, or ``"full_gradient"``, the penalty of the
            step's mean gradient, which costs further passes over the step's blocks.
        method: how the Hessian-vector product is taken: ``"forward"``, ``"central"`` or ``"exact"``.
        radius: length of the finite difference's perturbation. It is a hyper-parameter: large radii (0.01 to 0.5)
            were seen to generalise better than exact products (Karakida et al. 2023).

    Raises:
        ValueError: an argument is outside its range.

    Source: Smith, Dherin, Barrett & De 2021, "On the Origin of Implicit Regularization in SGD", eq. 1;
    Geiping et al. 2022, eq. 6.

    Examples:
        >>> import torch
        >>> def grad_fn(params):  # of the loss 3 theta^2 / 2, with the Hessian 3
        ...     return [3 * params[0]]
        >>> params = [torch.tensor([2.0])]
        >>> penalty = GradientPenalty(strength=1.0, method="exact")
        >>> penalty.coefficient(lr=0.5)  # c = 0.5 / 4
        0.125
        >>> penalty.gradient(grad_fn, params, grad_fn(params), lr=0.5)[0].item()  # 2 c H g, with g = 6
        4.5
    """

    power = 2

    def __init__(self, strength: float = 1.0, of: str = "block", method: str = "forward", radius: float = 0.01):
        check_range("strength", strength, 0.0)
        check_choice("of", of, ("block", "full_gradient"))
        check_hvp(method, radius)
        self.strength = strength
        self.of = of
        self.method = method
        self.radius = radius
        self.extra_gradients = GRADIENTS_PER_HVP[method]

    def coefficient(self, lr: Tensor | float) -> Tensor | float:
        """c = strength * lr / 4, for the learning rate of the current step."""
        return self.strength * lr / 4

    def gradient(
        self, grad_fn: GradFn, params: list[Tensor], gradient: list[Tensor], lr: Tensor | float
    ) -> list[Tensor]:
        """``2 c H g``: the penalty's own gradient, to be added to ``gradient`` = ``grad_fn(params)``."""
        product = hvp(grad_fn, params, gradient, method=self.method, radius=self.radius, gradient=gradient)
        scale = 2 * self.coefficient(lr)
        return [scale * entry for entry in product]
