"""Nesterov's accelerated gradient descent with adaptive restart."""

import math

import torch
from torch import Tensor

from optimizers._base import Base
from optimizers._common import (
    Tensors,
    check_choice,
    check_range,
    evaluate_closure,
    inner,
    learning_rate,
    require_closure,
    with_gradients,
)


class AcceleratedGD(Base):
    r"""Accelerated gradient descent (FISTA's momentum), which starts anew when the momentum leads uphill.

    .. math::
        x_{k+1} = y_k - \eta\,\nabla f(y_k), \qquad
        \tau_{k+1} = \tfrac12\big(1 + \sqrt{1 + 4\tau_k^2}\big), \qquad
        y_{k+1} = x_{k+1} + \frac{\tau_k - 1}{\tau_{k+1}}\,(x_{k+1} - x_k)

    with :math:`f = L + \tfrac{\lambda}{2}\lVert\theta\rVert^2` and :math:`\tau_0 = 1`. The parameters hold the
    extrapolated points :math:`y`, where gradients are taken; the state holds :math:`x`. A restart sets
    :math:`\tau_k = 1`, that is :math:`y_{k+1} = x_{k+1}`. Its test runs over all groups together.

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`\eta \ge 0`; 1 over the largest curvature is safe for convex functions.
        weight_decay: :math:`\lambda \ge 0`, part of the objective.
        restart: ``"gradient"`` when :math:`\nabla f(y_k) \cdot (x_{k+1} - x_k) > 0`; ``"function"`` when
            :math:`f(y_k) > f(y_{k-1})`, which needs a closure but no further evaluation; ``"none"``.

    Raises:
        ValueError: an argument is outside its range, or ``restart="function"`` and ``step`` gets no closure.

    Source: Nesterov 1983; Beck & Teboulle 2009, "A Fast Iterative Shrinkage-Thresholding Algorithm", equations 4.1-4.3;
    restart: O'Donoghue & Candes 2015, "Adaptive Restart for Accelerated Gradient Schemes", section 3.2 (there the
    function's values are those at :math:`x`).

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = AcceleratedGD([weight], lr=0.25)
        >>> for _ in range(2):  # of weight^2 / 2: the first step has no momentum yet, the second 0.282
        ...     weight.grad = weight.detach().clone()
        ...     optimizer.step()
        >>> round(weight.item(), 4)  # 0.5625 - 0.282 * 0.1875
        0.5097
    """

    def __init__(self, params, lr: float = 0.1, weight_decay: float = 0.0, restart: str = "gradient"):
        check_range("lr", lr, 0.0)
        check_range("weight_decay", weight_decay, 0.0)
        check_choice("restart", restart, ("gradient", "function", "none"))
        defaults = {"lr": lr, "weight_decay": weight_decay, "restart": restart, "tau": 1.0, "last_value": math.inf}
        super().__init__(params, defaults)

    def state_names(self, group: dict) -> tuple[str, ...]:
        """The points that are not extrapolated."""
        return ("x",)

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the gradients in ``.grad``; returns the closure's loss, if there is a closure."""
        shared = self.param_groups[0]
        if shared["restart"] == "function":
            require_closure('AcceleratedGD with restart="function"', closure)
        loss = evaluate_closure(closure)
        # What the chosen test does not need stays 0, and so does not restart.
        value = float(loss) if shared["restart"] == "function" else 0.0
        uphill = 0.0
        moves = []
        for group in self.param_groups:
            params, gradients = with_gradients(group)
            if not params:
                continue
            for param in params:
                if "x" not in self.state[param]:
                    self.state[param]["x"] = param.clone()
            points = [self.state[param]["x"] for param in params]
            if shared["restart"] == "function":
                value += group["weight_decay"] / 2 * inner(params, params)
            decayed, steps = descend(
                params, gradients, points, lr=learning_rate(group), weight_decay=group["weight_decay"]
            )
            if shared["restart"] == "gradient":
                uphill += inner(decayed, steps)
            moves.append((params, points, steps))
        tau = 1.0 if uphill > 0 or value > shared["last_value"] else shared["tau"]
        following = (1 + math.sqrt(1 + 4 * tau * tau)) / 2
        for params, points, steps in moves:
            extrapolate(params, points, steps, (tau - 1) / following)
        for group in self.param_groups:
            group["tau"], group["last_value"] = following, value
        return loss


def descend(
    params: list[Tensor], gradients: Tensors, points: list[Tensor], *, lr: float, weight_decay: float
) -> tuple[Tensors, Tensors]:
    """The decayed gradients at ``params``, and the steps from ``points`` to where those gradients lead."""
    if weight_decay:
        gradients = torch._foreach_add(gradients, params, alpha=weight_decay)
    following = torch._foreach_add(params, gradients, alpha=-lr)
    return gradients, torch._foreach_sub(following, points)


def extrapolate(params: list[Tensor], points: list[Tensor], steps: Tensors, momentum: float) -> None:
    """Move ``points`` by ``steps``, and ``params`` to ``momentum`` further steps beyond, in place."""
    torch._foreach_add_(points, steps)
    torch._foreach_copy_(params, points)
    torch._foreach_add_(params, steps, alpha=momentum)
