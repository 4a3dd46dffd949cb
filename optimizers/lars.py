"""LARS, layer-wise adaptive rate scaling, and its clipped form LARC."""

import torch
from torch import Tensor

from optimizers._base import Base
from optimizers._common import Tensors, check_nesterov, check_range, evaluate_closure, learning_rate, with_gradients
from optimizers.sgd import momentum_step


class LARS(Base):
    r"""SGD whose every weight tensor has a rate of its own, in proportion to its norm over its gradient's norm.

    .. math::
        \gamma = \frac{\tau \lVert\theta\rVert}{\lVert g\rVert + \lambda \lVert\theta\rVert + \epsilon}, \qquad
        \theta \leftarrow \text{momentum step}\big(\theta,\; \gamma\,(g + \lambda\theta),\; \eta\big)

    With ``clip`` (LARC) the local rate only ever lowers the global one: :math:`\min(\gamma/\eta, 1)` takes the place of
    :math:`\gamma`, so that the step's rate is :math:`\min(\gamma, \eta)`.

    Parameters with fewer than two dimensions (biases, norm scales), and those whose own or whose gradient's norm is
    zero, take the plain rate (:math:`\gamma = 1`), with weight decay as in :class:`SGD`.

    Args:
        params: parameters or parameter groups.
        lr: global learning rate :math:`\eta \ge 0`; as in :class:`SGD` it multiplies the velocity.
        momentum: :math:`\mu \ge 0`.
        nesterov: Nesterov's form of momentum; needs ``momentum > 0``.
        weight_decay: :math:`\lambda \ge 0`, added to the gradient.
        trust_coefficient: :math:`\tau > 0`.
        eps: :math:`\epsilon \ge 0`.
        clip: LARC instead of LARS.

    Raises:
        ValueError: an argument is outside its range.

    Source: You, Gitman & Ginsburg 2017, "Large Batch Training of Convolutional Networks", algorithm 1; the clipped
    form is that of NVIDIA's Apex library.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
        >>> optimizer = LARS([weight], lr=1.0, momentum=0.0, trust_coefficient=0.1)
        >>> weight.grad = torch.tensor([[0.0, 1000.0]])
        >>> optimizer.step()  # a step of 0.1 times the weight's norm 5, however large the gradient
        >>> [round(entry, 4) for entry in weight[0].tolist()]
        [3.0, 3.5]
    """

    def __init__(
        self,
        params,
        lr: float | Tensor = 1.0,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        trust_coefficient: float = 0.001,
        eps: float = 1e-8,
        clip: bool = False,
    ):
        check_range("lr", lr, 0.0)
        check_range("momentum", momentum, 0.0)
        check_nesterov(nesterov, momentum)
        check_range("weight_decay", weight_decay, 0.0)
        check_range("trust_coefficient", trust_coefficient, 0.0, open_low=True)
        check_range("eps", eps, 0.0)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "eps": eps,
            "clip": clip,
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
            scaled = scale_by_layer(
                params,
                gradients,
                weight_decay=group["weight_decay"],
                trust_coefficient=group["trust_coefficient"],
                eps=group["eps"],
                largest_rate=learning_rate(group) if group["clip"] else None,
            )
            # The decay is inside already, since the local rate scales it too.
            momentum_step(
                self.state,
                params,
                scaled,
                lr=learning_rate(group),
                momentum=group["momentum"],
                dampening=0.0,
                weight_decay=0.0,
                nesterov=group["nesterov"],
            )
        return loss


def scale_by_layer(
    params: list[Tensor],
    gradients: Tensors,
    *,
    weight_decay: float,
    trust_coefficient: float,
    eps: float,
    largest_rate: float | None,
) -> Tensors:
    """The decayed gradients, each times its local rate; ``largest_rate`` is LARC's bound, ``None`` for LARS."""
    decayed = torch._foreach_add(gradients, params, alpha=weight_decay)
    layers = [index for index, param in enumerate(params) if param.ndim >= 2]
    if not layers:
        return decayed
    lengths = torch._foreach_norm([params[index] for index in layers])
    slopes = torch._foreach_norm([gradients[index] for index in layers])
    for index, length, slope in zip(layers, lengths, slopes, strict=True):
        rate = trust_coefficient * length / (slope + weight_decay * length + eps)
        if largest_rate is not None:
            rate = (rate / largest_rate).clamp(max=1.0)
        decayed[index].mul_(torch.where((length > 0) & (slope > 0), rate, 1.0))
    return decayed
