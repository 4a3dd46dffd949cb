"""Adadelta."""

import torch
from torch import Tensor

from optimizers._base import Base
from optimizers._common import (
    Tensors,
    advance_steps,
    batches,
    check_range,
    evaluate_closure,
    learning_rate,
    real_views,
    state_lists,
)


class Adadelta(Base):
    r"""Scale the gradient by the ratio of running root mean squares of past updates and past gradients.

    .. math::
        v_t = \rho v_{t-1} + (1-\rho) g_t^2, \quad
        \Delta_t = \frac{\sqrt{u_{t-1} + \epsilon}}{\sqrt{v_t + \epsilon}}\, g_t, \quad
        u_t = \rho u_{t-1} + (1-\rho) \Delta_t^2, \quad
        \theta_{t+1} = \theta_t - \eta\, \Delta_t

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`\eta \ge 0`; 1 is the paper's method.
        rho: smoothing constant :math:`\rho` in [0, 1).
        eps: :math:`\epsilon > 0`, inside the square roots; with 0 no update would ever begin.
        weight_decay: L2 coefficient, added to the gradient.
        maximize: climb the objective instead of descending it.
        foreach: ``False``: one parameter at a time, for less memory; else all of a group at once.
        capturable, differentiable: arguments of the class in ``torch.optim`` that are refused when true.

    Raises:
        ValueError: an argument is outside its range.

    Source: Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adadelta([weight], rho=0.0, eps=1e-6)
        >>> weight.grad = torch.tensor([2.0])
        >>> optimizer.step()  # the first step is sqrt(eps), whatever the gradient
        >>> round(weight.item(), 4)
        0.999
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        check_range("lr", lr, 0.0)
        check_range("rho", rho, 0.0, 1.0, open_high=True)
        check_range("eps", eps, 0.0, open_low=True)
        check_range("weight_decay", weight_decay, 0.0)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def state_names(self, group: dict) -> tuple[str, ...]:
        """Mean squares of gradients and of updates."""
        return "square_avg", "acc_delta"

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the gradients in ``.grad``; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        for group in self.param_groups:
            for params, gradients in batches(group):
                # Not used here; the twin in torch.optim, which can load this state, has it.
                advance_steps(self.state, params)
                squares, updates = state_lists(self.state, params, "square_avg", "acc_delta")
                adadelta(
                    real_views(params),
                    real_views(gradients),
                    squares,
                    updates,
                    lr=learning_rate(group),
                    rho=group["rho"],
                    eps=group["eps"],
                    weight_decay=group["weight_decay"],
                )
        return loss


def adadelta(
    params: list[Tensor],
    gradients: Tensors,
    squares: list[Tensor],
    updates: list[Tensor],
    *,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Update parameters and the running mean squares of gradients and updates in place."""
    if weight_decay:
        gradients = torch._foreach_add(gradients, params, alpha=weight_decay)
    torch._foreach_mul_(squares, rho)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - rho)
    deltas = torch._foreach_add(updates, eps)
    torch._foreach_sqrt_(deltas)
    denominators = torch._foreach_add(squares, eps)
    torch._foreach_sqrt_(denominators)
    torch._foreach_div_(deltas, denominators)
    torch._foreach_mul_(deltas, gradients)
    torch._foreach_mul_(updates, rho)
    torch._foreach_addcmul_(updates, deltas, deltas, 1 - rho)
    torch._foreach_add_(params, deltas, alpha=-lr)
