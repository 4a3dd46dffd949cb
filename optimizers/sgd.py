"""Stochastic gradient descent with momentum."""

import torch
from torch import Tensor
from torch.optim import Optimizer

from optimizers._common import check_nesterov, check_range, evaluate_closure, with_gradients


class SGD(Optimizer):
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

    Raises:
        ValueError: an argument is outside its range.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning",
    in the form of ``torch.optim.SGD`` (the learning rate multiplies the velocity, it is not inside it).
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float = 0.1,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
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
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the gradients in ``.grad``; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        for group in self.param_groups:
            params, gradients = with_gradients(group)
            if not params:
                continue
            momentum_step(
                self.state,
                params,
                gradients,
                lr=group["lr"],
                momentum=group["momentum"],
                dampening=group["dampening"],
                weight_decay=group["weight_decay"],
                nesterov=group["nesterov"],
            )
        return loss


def momentum_step(state: dict, params: list[Tensor], gradients: list[Tensor], **hyperparameters) -> None:
    """Run :func:`sgd` on ``params`` with the momentum buffers that ``state`` holds for them, and keep the new ones."""
    buffers = [state[param].get("momentum_buffer") for param in params]
    for param, buffer in zip(params, sgd(params, gradients, buffers, **hyperparameters), strict=True):
        if buffer is not None:
            state[param]["momentum_buffer"] = buffer


def sgd(
    params: list[Tensor],
    gradients: list[Tensor],
    buffers: list[Tensor | None],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> list[Tensor | None]:
    """Update ``params`` and ``buffers`` in place by one momentum step and return the buffers.

    A buffer that is ``None`` begins as the gradient itself, without dampening.
    """
    if weight_decay:
        gradients = torch._foreach_add(gradients, params, alpha=weight_decay)
    if not momentum:
        torch._foreach_add_(params, gradients, alpha=-lr)
        return buffers
    old = [index for index, buffer in enumerate(buffers) if buffer is not None]
    if old:
        held = [buffers[index] for index in old]
        torch._foreach_mul_(held, momentum)
        torch._foreach_add_(held, [gradients[index] for index in old], alpha=1 - dampening)
    buffers = [
        gradient.clone() if buffer is None else buffer for buffer, gradient in zip(buffers, gradients, strict=True)
    ]
    if nesterov:
        torch._foreach_add_(params, gradients, alpha=-lr)
        torch._foreach_add_(params, buffers, alpha=-lr * momentum)
    else:
        torch._foreach_add_(params, buffers, alpha=-lr)
    return buffers
