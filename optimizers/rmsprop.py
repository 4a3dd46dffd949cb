"""RMSprop."""

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


class RMSprop(Base):
    r"""Divide the gradient by a running root mean square of its recent values.

    .. math::
        v_t = \alpha v_{t-1} + (1-\alpha) g_t^2, \quad
        \hat v_t = v_t - \bar g_t^2 \text{ (centered) or } v_t, \quad
        b_t = \mu b_{t-1} + \frac{g_t}{\sqrt{\hat v_t} + \epsilon}, \quad
        \theta_{t+1} = \theta_t - \eta\, b_t

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`\eta \ge 0`.
        alpha: smoothing constant :math:`\alpha` in [0, 1).
        eps: :math:`\epsilon \ge 0`, outside the square root.
        weight_decay: L2 coefficient, added to the gradient.
        momentum: :math:`\mu \ge 0`.
        centered: subtract the squared running mean, so that a variance divides.
        maximize: climb the objective instead of descending it.
        foreach: ``False``: one parameter at a time, for less memory; else all of a group at once.
        capturable, differentiable: arguments of the class in ``torch.optim`` that are refused when true.

    Raises:
        ValueError: an argument is outside its range.

    Source: Tieleman & Hinton 2012, lecture 6.5; centred form: Graves 2013, "Generating Sequences", eq. 38-45.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = RMSprop([weight], lr=0.1, alpha=0.75)
        >>> weight.grad = torch.tensor([8.0])
        >>> optimizer.step()  # the mean square is 64 / 4, so the step is 0.1 * 8 / 4
        >>> round(weight.item(), 4)
        0.8
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        check_range("lr", lr, 0.0)
        check_range("alpha", alpha, 0.0, 1.0, open_high=True)
        check_range("eps", eps, 0.0)
        check_range("weight_decay", weight_decay, 0.0)
        check_range("momentum", momentum, 0.0)
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def state_names(self, group: dict) -> tuple[str, ...]:
        """Mean squares, with means where they are centred and a buffer where there is momentum."""
        mean = ("grad_avg",) if group["centered"] else ()
        return ("square_avg", *mean, "momentum_buffer") if group["momentum"] else ("square_avg", *mean)

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the gradients in ``.grad``; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        for group in self.param_groups:
            for params, gradients in batches(group):
                # Not used here; the twin in torch.optim, which can load this state, has it.
                advance_steps(self.state, params)
                squares = next(state_lists(self.state, params, "square_avg"))
                means = next(state_lists(self.state, params, "grad_avg")) if group["centered"] else None
                buffers = next(state_lists(self.state, params, "momentum_buffer")) if group["momentum"] else None
                rmsprop(
                    real_views(params),
                    real_views(gradients),
                    squares,
                    means,
                    buffers,
                    lr=learning_rate(group),
                    alpha=group["alpha"],
                    eps=group["eps"],
                    weight_decay=group["weight_decay"],
                    momentum=group["momentum"],
                )
        return loss


def rmsprop(
    params: list[Tensor],
    gradients: Tensors,
    squares: list[Tensor],
    means: list[Tensor] | None,
    buffers: list[Tensor] | None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """Update parameters and state in place; ``means`` selects the centred form, ``buffers`` the one with momentum."""
    if weight_decay:
        gradients = torch._foreach_add(gradients, params, alpha=weight_decay)
    torch._foreach_mul_(squares, alpha)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - alpha)
    if means is None:
        denominators = torch._foreach_sqrt(squares)
    else:
        torch._foreach_lerp_(means, gradients, 1 - alpha)
        denominators = torch._foreach_addcmul(squares, means, means, -1.0)
        torch._foreach_sqrt_(denominators)
    torch._foreach_add_(denominators, eps)
    if buffers is None:
        torch._foreach_addcdiv_(params, gradients, denominators, -lr)
    else:
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_addcdiv_(buffers, gradients, denominators, 1.0)
        torch._foreach_add_(params, buffers, alpha=-lr)
