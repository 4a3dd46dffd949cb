"""Adagrad."""

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


class Adagrad(Base):
    r"""Divide the gradient by the root of the sum of all its squares so far.

    .. math::
        s_t = s_{t-1} + g_t^2 \;\;(s_0 = \tau), \qquad
        \theta_{t+1} = \theta_t - \frac{\eta}{1 + (t-1)\,\delta}\, \frac{g_t}{\sqrt{s_t} + \epsilon}

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`\eta \ge 0`.
        lr_decay: :math:`\delta \ge 0`, by which the learning rate falls with the steps.
        weight_decay: L2 coefficient, added to the gradient.
        initial_accumulator_value: :math:`\tau \ge 0`.
        eps: :math:`\epsilon \ge 0`, outside the square root.
        maximize: climb the objective instead of descending it.
        foreach: ``False``: one parameter at a time, for less memory; else all of a group at once.
        differentiable, fused: arguments of the class in ``torch.optim`` that are refused when true.

    Raises:
        ValueError: an argument is outside its range.

    Source: Duchi, Hazan & Singer 2011, "Adaptive Subgradient Methods", with diagonal matrices (equation 1),
    in the form of ``torch.optim.Adagrad``.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([0.0]))
        >>> optimizer = Adagrad([weight], lr=1.0)
        >>> for _ in range(2):  # of a constant slope 3: steps 1 and 1 / sqrt(2)
        ...     weight.grad = torch.tensor([3.0])
        ...     optimizer.step()
        >>> round(weight.item(), 4)
        -1.7071
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_range("lr", lr, 0.0)
        check_range("lr_decay", lr_decay, 0.0)
        check_range("weight_decay", weight_decay, 0.0)
        check_range("initial_accumulator_value", initial_accumulator_value, 0.0)
        check_range("eps", eps, 0.0)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def state_names(self, group: dict) -> tuple[str, ...]:
        """Sums of squares, and the number of steps."""
        return "sum", "step"

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the gradients in ``.grad``; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        for group in self.param_groups:
            for params, gradients in batches(group):
                adagrad(
                    real_views(params),
                    real_views(gradients),
                    next(state_lists(self.state, params, "sum", fill=group["initial_accumulator_value"])),
                    advance_steps(self.state, params),
                    lr=learning_rate(group),
                    lr_decay=group["lr_decay"],
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                )
        return loss


def adagrad(
    params: list[Tensor],
    gradients: Tensors,
    sums: list[Tensor],
    steps: list[int],
    *,
    lr: float,
    lr_decay: float,
    weight_decay: float,
    eps: float,
) -> None:
    """Update parameters and sums of squares in place; ``steps`` count from 1."""
    if weight_decay:
        gradients = torch._foreach_add(gradients, params, alpha=weight_decay)
    torch._foreach_addcmul_(sums, gradients, gradients, 1.0)
    denominators = torch._foreach_sqrt(sums)
    torch._foreach_add_(denominators, eps)
    torch._foreach_addcdiv_(params, gradients, denominators, [-lr / (1 + (step - 1) * lr_decay) for step in steps])
