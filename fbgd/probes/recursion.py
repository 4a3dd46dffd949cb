r"""What an optimizer does on a quadratic: its diagonal metric, and the curvature up to which it is stable.

Preconditioned by a diagonal metric P that no longer changes, momentum methods are a linear recursion in every
eigendirection, of curvature a:

.. math::
    b_t = \mu b_{t-1} + k (a \theta_t), \qquad
    \theta_{t+1} = \theta_t - h b_t \quad\text{or, Nesterov,}\quad \theta_{t+1} = \theta_t - h (a \theta_t + \mu b_t)

with k = 1 - dampening. Their characteristic polynomials

.. math::
    z^2 - (1 + \mu - h k a) z + \mu, \qquad z^2 - (1 + \mu)(1 - h a) z + \mu (1 - h a)

have both roots inside the unit circle until one of them passes -1, at

.. math::
    a = \frac{2 (1 + \mu)}{h k}, \qquad a = \frac{2 (1 + \mu)}{h (1 + 2 \mu)}

Adam's first moment is momentum with :math:`\mu = \beta_1, k = 1 - \beta_1`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import optimizers
from fbgd.errors import ConfigError


@dataclass(frozen=True)
class Recursion:
    r"""An optimizer as a linear recursion: stable while all eigenvalues of A are below :attr:`threshold`.

    .. math:: A = S^{1/2} H S^{1/2} + D, \qquad S = \frac{h_i}{h} P^{-1}

    Args:
        scales: the diagonal of S, one tensor a parameter.
        shifts: the diagonal of D, what weight decay adds, a number a parameter or a tensor.
        rate: h, the largest learning rate of the groups.
        momentum: :math:`\mu`.
        gain: k.
        nesterov: whether the step looks ahead.
    """

    scales: list[Tensor]
    shifts: list[Tensor]
    rate: float
    momentum: float = 0.0
    gain: float = 1.0
    nesterov: bool = False

    @property
    def threshold(self) -> float:
        """The curvature at which a root passes -1; infinite where nothing moves."""
        if not self.rate:
            return float("inf")
        return 2 * (1 + self.momentum) / (self.rate * (1 + 2 * self.momentum if self.nesterov else self.gain))


@dataclass(frozen=True)
class Family:
    r"""How the optimizers of one kind are read.

    Args:
        metric: from the options of a group and the state of a parameter to the diagonal of P; ``None``: the identity.
        momentum: from the options of a group to :math:`\mu`, k and whether it is Nesterov's.
        refused: options with values other than these are not understood.
    """

    metric: Callable[[Mapping[str, Any], Mapping[str, Any]], Tensor] | None
    momentum: Callable[[Mapping[str, Any]], tuple[float, float, bool]]
    refused: tuple[tuple[str, object], ...] = (("maximize", False),)


def adam_metric(group: Mapping[str, Any], state: Mapping[str, Any]) -> Tensor:
    r""":math:`(1 - \beta_1^t) (\sqrt{v_t / (1 - \beta_2^t)} + \epsilon)`, with the largest v so far for AMSGrad."""
    (first, second), step = group["betas"], float(state["step"])
    squares = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
    return (1 - first**step) * ((squares / (1 - second**step)).sqrt() + group["eps"])


def rmsprop_metric(group: Mapping[str, Any], state: Mapping[str, Any]) -> Tensor:
    r""":math:`\sqrt{v_t} + \epsilon`; centred, :math:`\sqrt{v_t - \bar g_t^2} + \epsilon`."""
    squares = state["square_avg"]
    if group["centered"]:
        squares = squares - state["grad_avg"].square()
    return squares.sqrt() + group["eps"]


def adagrad_metric(group: Mapping[str, Any], state: Mapping[str, Any]) -> Tensor:
    r""":math:`(1 + (t - 1) \delta) (\sqrt{s_t} + \epsilon)`: the decay of the learning rate is part of it."""
    return (1 + (float(state["step"]) - 1) * group["lr_decay"]) * (state["sum"].sqrt() + group["eps"])


def sgd_momentum(group: Mapping[str, Any]) -> tuple[float, float, bool]:
    """Dampening keeps a part of the gradient out of the buffer; without momentum there is no buffer."""
    momentum = group["momentum"]
    return momentum, 1 - group.get("dampening", 0.0) if momentum else 1.0, bool(group["nesterov"])


MOMENTUM = Family(None, sgd_momentum, (("maximize", False), ("warmup_steps", 0), ("max_norm", None)))
ADAM = Family(adam_metric, lambda group: (group["betas"][0], 1 - group["betas"][0], False))
RMSPROP = Family(rmsprop_metric, lambda group: (group["momentum"], 1.0, False))
ADAGRAD = Family(adagrad_metric, lambda group: (0.0, 1.0, False))
#: The optimizers that are understood. A subclass may do anything, so it needs a row of its own.
FAMILIES: dict[type, Family] = {
    optimizers.SGD: MOMENTUM,
    optimizers.FullBatchGD: MOMENTUM,
    optimizers.Adam: ADAM,
    optimizers.AdamW: ADAM,
    optimizers.RMSprop: RMSPROP,
    optimizers.Adagrad: ADAGRAD,
    torch.optim.SGD: MOMENTUM,
    torch.optim.Adam: ADAM,
    torch.optim.AdamW: ADAM,
    torch.optim.RMSprop: RMSPROP,
    torch.optim.Adagrad: ADAGRAD,
}


def recursion_of(optimizer: torch.optim.Optimizer, params: Sequence[Tensor]) -> Recursion:
    """The recursion of an optimizer with its state as it is now.

    Args:
        optimizer: of a class in :data:`FAMILIES`.
        params: the parameters in the order of a vector, the optimizer's own objects.

    Raises:
        ConfigError: its metric is not known, its groups have different momentum, or a parameter has no state yet.
    """
    name, family = type(optimizer).__name__, FAMILIES.get(type(optimizer))
    if family is None:
        known = ", ".join(sorted({kind.__name__ for kind in FAMILIES}))
        raise ConfigError(f"the metric of the optimizer {name} is not known; known: {known}")
    groups = {param: group for group in optimizer.param_groups for param in group["params"]}
    for group in optimizer.param_groups:
        for key, value in family.refused:
            if group.get(key, value) != value:
                raise ConfigError(f"the metric of the optimizer {name} with {key} = {group[key]!r} is not known")
    kinds = {family.momentum(group) for group in optimizer.param_groups}
    if len(kinds) > 1:
        raise ConfigError(f"the groups of the optimizer {name} have different momentum, and no common threshold")
    (momentum, gain, nesterov), rate = kinds.pop(), max(float(group["lr"]) for group in optimizer.param_groups)
    scales, shifts = [], []
    for param in params:
        group, state = groups[param], optimizer.state.get(param, {})
        if family.metric is not None and not state:
            raise ConfigError(f"the metric of the optimizer {name} is not known: a parameter has had no gradient yet")
        metric = torch.ones_like(param) if family.metric is None else family.metric(group, state)
        scale = (float(group["lr"]) / rate if rate else 0.0) / metric.detach()
        decay = group.get("weight_decay", 0.0)
        # Decay of the parameters themselves moves the root as so much curvature would, whatever the metric.
        own = scale * metric.detach() * (1 + momentum) / gain if group.get("decoupled_weight_decay") else scale
        scales.append(scale)
        shifts.append(decay * own)
    return Recursion(scales, shifts, rate, momentum, gain, nesterov)
