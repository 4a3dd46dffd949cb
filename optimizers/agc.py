"""AGC, adaptive gradient clipping."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from optimizers._common import check_range, value_and_gradient, with_gradients
from optimizers._wrapper import Wrapper
from optimizers.sgd import SGD


class AGC(Wrapper):
    r"""A base optimizer whose gradients are clipped unit by unit, relative to the weights of the unit.

    .. math::
        g_i \leftarrow g_i \,\min\!\Big(1,\; \lambda\,\frac{\max(\lVert\theta_i\rVert, \epsilon)}{\lVert g_i\rVert}\Big)

    A unit :math:`i` is what feeds one output: a row of a linear layer's weight, a filter of a convolution (all
    dimensions but the first). A parameter with fewer than two dimensions (bias, norm scale) is one unit as a whole, as
    in the paper's code. The paper leaves the last linear layer unclipped: give it a group with a large
    ``agc_clipping``.

    The base sees clipped copies; ``.grad`` holds the unclipped gradients again after the step. A closure is passed on
    to the base, clipped at every evaluation, so bases that need one work too; a line search takes its slopes from the
    unclipped gradients.

    Args:
        params: parameters or parameter groups.
        lr: the base's learning rate.
        base: makes the base optimizer from ``params`` and ``lr``.
        clipping: the largest ratio :math:`\lambda > 0` of a unit's gradient norm to its weight norm.
        eps: :math:`\epsilon > 0`, so that units at zero can leave it.

    In groups the options are ``agc_clipping`` and ``agc_eps``, so that they meet none of the base's.

    Raises:
        ValueError: an argument is outside its range.

    Source: Brock et al. 2021, "High-Performance Large-Scale Image Recognition Without Normalization", equation 3.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
        >>> optimizer = AGC([weight], lr=1.0, base=SGD, clipping=0.1)
        >>> weight.grad = torch.tensor([[0.0, 1000.0]])
        >>> optimizer.step()  # the row's gradient is cut to 0.1 times its weights' norm 5
        >>> [round(entry, 4) for entry in weight[0].tolist()]
        [3.0, 3.5]
    """

    def __init__(
        self,
        params,
        lr: float | Tensor = 0.1,
        base: Callable[..., Optimizer] = SGD,
        clipping: float = 0.01,
        eps: float = 1e-3,
    ):
        check_range("lr", lr, 0.0)
        check_range("clipping", clipping, 0.0, open_low=True)
        check_range("eps", eps, 0.0, open_low=True)
        super().__init__(params, lr, base, {"agc_clipping": clipping, "agc_eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        """Take the base's step with clipped gradients; returns the closure's loss, if there is a closure."""
        clipped = ClippedClosure(closure, self.param_groups)
        try:
            if closure is not None:
                return self.base.step(clipped)
            clipped()
            return self.base.step()
        finally:
            for param, gradient in clipped.unclipped.items():
                param.grad = gradient


class ClippedClosure:
    """A closure whose gradients are clipped after every evaluation.

    Args:
        closure: evaluates the loss; ``None``: the gradients are there already.
        groups: whose gradients are clipped.

    Attributes:
        unclipped: the gradients of the last evaluation before they were clipped.
    """

    def __init__(self, closure, groups: list[dict]):
        self.closure, self.groups = closure, groups
        self.unclipped: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def __call__(self):
        return self.value_and_gradient()[0]

    @torch.no_grad()
    def value_and_gradient(self):
        """The loss and its own gradient, for a base that searches along a line."""
        loss, own = value_and_gradient(self.closure)
        for group in self.groups:
            params, gradients = with_gradients(group)
            self.unclipped.update(zip(params, gradients, strict=True))
            clipped = clip_units(params, gradients, group["agc_clipping"], group["agc_eps"])
            for param, gradient in zip(params, clipped, strict=True):
                param.grad = gradient
        return loss, dict(self.unclipped) if own is None else own


def clip_units(params: list[Tensor], gradients: list[Tensor], clipping: float, eps: float) -> list[Tensor]:
    """New gradients, each unit's norm at most ``clipping`` times the norm of its weights, or ``eps`` if larger."""
    clipped = []
    for param, gradient in zip(params, gradients, strict=True):
        largest = clipping * unit_norms(param).clamp(min=eps)
        length = unit_norms(gradient)
        clipped.append(gradient * torch.where(length > largest, largest / length, 1.0))
    return clipped


def unit_norms(tensor: Tensor) -> Tensor:
    """The norm of every unit, in a shape that multiplies ``tensor``."""
    if tensor.ndim < 2:
        return torch.linalg.vector_norm(tensor)
    return torch.linalg.vector_norm(tensor, dim=tuple(range(1, tensor.ndim)), keepdim=True)
