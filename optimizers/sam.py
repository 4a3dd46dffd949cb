"""SAM, sharpness-aware minimisation, and its scale-invariant form ASAM."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from optimizers._common import (
    Tensors,
    check_range,
    evaluate_closure,
    global_norm,
    real_views,
    require_closure,
    with_gradients,
)
from optimizers._wrapper import Wrapper
from optimizers.sgd import SGD


class SAM(Wrapper):
    r"""A base optimizer that takes its gradients at the worst point nearby, to first order.

    .. math::
        \hat\theta = \theta + \rho\,\frac{T^2 g(\theta)}{\lVert T g(\theta)\rVert}, \qquad
        \theta \leftarrow \text{base step}\big(\theta,\; g(\hat\theta)\big), \qquad
        T = 1 \text{ or, adaptive (ASAM), } |\theta| + \eta

    The norm runs over all parameters together. Every step evaluates the closure twice; parameters are restored as they
    were before the base moves them, also when the closure fails. The base takes its step without a closure, so it
    must not need one.

    Args:
        params: parameters or parameter groups.
        lr: the base's learning rate.
        base: makes the base optimizer from ``params`` and ``lr``.
        rho: radius :math:`\rho \ge 0` of the neighbourhood; 0 leaves the base as it is.
        adaptive: ASAM: the neighbourhood's extent in each direction is in proportion to that parameter.
        eta: :math:`\eta \ge 0`, which keeps the extent of small parameters positive; ASAM only.

    In groups the options are ``sam_rho``, ``sam_adaptive`` and ``sam_eta``, so that they meet none of the base's.

    Raises:
        ValueError: an argument is outside its range, or ``step`` gets no closure.

    Source: Foret et al. 2021, "Sharpness-Aware Minimization for Efficiently Improving Generalization", algorithm 1;
    Kwon et al. 2021, "ASAM: Adaptive Sharpness-Aware Minimization", algorithm 1 (here for biases too).

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SAM([weight], lr=0.5, base=SGD, rho=0.2)
        >>> def closure():
        ...     weight.grad = weight.detach().clone()  # of weight^2 / 2
        ...     return weight.square().sum() / 2
        >>> optimizer.step(closure).item()  # the loss before the step
        0.5
        >>> round(weight.item(), 4)  # 1 - 0.5 * 1.2, the gradient of the point 0.2 uphill
        0.4
    """

    def __init__(
        self,
        params,
        lr: float | Tensor = 0.1,
        base: Callable[..., Optimizer] = SGD,
        rho: float = 0.05,
        adaptive: bool = False,
        eta: float = 0.01,
    ):
        check_range("lr", lr, 0.0)
        check_range("rho", rho, 0.0)
        check_range("eta", eta, 0.0)
        super().__init__(params, lr, base, {"sam_rho": rho, "sam_adaptive": adaptive, "sam_eta": eta})

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step with the gradients at the perturbed point; returns the loss at the point before the step."""
        require_closure("SAM", closure)
        loss = evaluate_closure(closure)
        params = [param for group in self.param_groups for param in with_gradients(group)[0]]
        if params:
            held = [param.clone() for param in params]
            try:
                perturb(self.param_groups)
                evaluate_closure(closure)
            finally:
                torch._foreach_copy_(params, held)
        self.base.step()
        return loss


def perturb(groups: list[dict]) -> None:
    """Move the parameters of all groups, in place, to the point of the largest linearised loss nearby."""
    gradients: list[Tensor] = []
    for group in groups:
        params, own = with_gradients(group)
        own = real_views(own)
        gradients += torch._foreach_mul(own, extents(params, group["sam_eta"])) if group["sam_adaptive"] else own
    # Dividing first keeps a zero gradient zero: no entry is larger than the norm.
    norm = global_norm(gradients)
    directions = iter(torch._foreach_div(gradients, norm.clamp(min=torch.finfo(norm.dtype).tiny)))
    for group in groups:
        params, _ = with_gradients(group)
        moves = [next(directions) for _ in params]
        if not params:
            continue
        if group["sam_adaptive"]:
            torch._foreach_mul_(moves, extents(params, group["sam_eta"]))
        torch._foreach_add_(real_views(params), moves, alpha=group["sam_rho"])


def extents(params: list[Tensor], eta: float) -> Tensors:
    """ASAM's diagonal operator T."""
    return torch._foreach_add(torch._foreach_abs(real_views(params)), eta)
