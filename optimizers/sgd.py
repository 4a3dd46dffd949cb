"""Stochastic gradient descent with momentum."""

from collections.abc import Sequence

import torch
from torch import Tensor

from optimizers._base import Base
from optimizers._common import Tensors, batches, check_nesterov, check_range, evaluate_closure, learning_rate


class SGD(Base):
    r"""Gradient descent with heavy-ball or Nesterov momentum and L2 weight decay.

    .. math::
        d_t = g_t + \lambda \theta_t, \qquad
        b_t = \mu b_{t-1} + (1 - \tau) d_t \;\;(b_1 = d_1), \qquad
        \theta_{t+1} = \theta_t - \eta \,(b_t \text{ or, Nesterov, } d_t + \mu b_t)

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`\eta \ge 0`.
        momentum: :math:`\mu \ge 0`.
        dampening: :math:`\tau`, how much of the new gradient is kept out of the momentum buffer.
        weight_decay: :math:`\lambda \ge 0`, added to the gradient.
        nesterov: take Nesterov's look-ahead form; needs ``momentum > 0`` and ``dampening = 0``.
        maximize: climb the objective instead of descending it.
        foreach: ``False``: one parameter at a time, for less memory; else all of a group at once.
        differentiable, fused: arguments of the class in ``torch.optim`` that are refused when true.

    Raises:
        ValueError: an argument is outside its range.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning",
    in the form of ``torch.optim.SGD`` (the learning rate multiplies the velocity, it is not inside it).

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SGD([weight], lr=0.5)
        >>> for _ in range(2):  # of the loss weight^2 / 2, so every step halves the weight
        ...     weight.grad = weight.detach().clone()
        ...     optimizer.step()
        >>> weight.item()
        0.25
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float | Tensor = 0.1,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_range("lr", lr, 0.0)
        check_range("momentum", momentum, 0.0)
        check_range("weight_decay", weight_decay, 0.0)
        check_range("dampening", dampening, float("-inf"))
        check_nesterov(nesterov, momentum, dampening)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the gradients in ``.grad``; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        for group in self.param_groups:
            for params, gradients in batches(group):
                momentum_step(
                    self.state,
                    params,
                    gradients,
                    lr=learning_rate(group),
                    momentum=group["momentum"],
                    dampening=group["dampening"],
                    weight_decay=group["weight_decay"],
                    nesterov=group["nesterov"],
                )
        return loss


def momentum_step(state: dict, params: list[Tensor], gradients: Tensors, **hyperparameters) -> None:
    """Run :func:`sgd` on ``params`` with the momentum buffers that ``state`` holds for them, and keep the new ones."""
    buffers = [state[param].get("momentum_buffer") for param in params]
    for param, buffer in zip(params, sgd(params, gradients, buffers, **hyperparameters), strict=True):
        if buffer is not None:
            state[param]["momentum_buffer"] = buffer


def sgd(
    params: list[Tensor],
    gradients: Tensors,
    buffers: list[Tensor | None],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> Sequence[Tensor | None]:
    """Update ``params`` and ``buffers`` in place by one momentum step and return the buffers.

    A buffer that is ``None`` begins as the gradient itself, without dampening.
    """
    if weight_decay:
        gradients = torch._foreach_add(gradients, params, alpha=weight_decay)
    if not momentum:
        torch._foreach_add_(params, gradients, alpha=-lr)
        return buffers
    pairs = list(zip(buffers, gradients, strict=True))
    running = [buffer for buffer in buffers if buffer is not None]
    if running:
        torch._foreach_mul_(running, momentum)
        additions = [gradient for buffer, gradient in pairs if buffer is not None]
        torch._foreach_add_(running, additions, alpha=1 - dampening)
    velocities = [gradient.clone() if buffer is None else buffer for buffer, gradient in pairs]
    if nesterov:
        torch._foreach_add_(params, gradients, alpha=-lr)
        torch._foreach_add_(params, velocities, alpha=-lr * momentum)
    else:
        torch._foreach_add_(params, velocities, alpha=-lr)
    return velocities
