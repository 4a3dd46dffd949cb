"""Lion."""

import torch
from torch import Tensor

from optimizers._base import Base
from optimizers._common import (
    Tensors,
    batches,
    check_betas,
    check_range,
    evaluate_closure,
    learning_rate,
    real_views,
    state_lists,
)


class Lion(Base):
    r"""Follow the sign of an interpolated momentum, with decoupled weight decay.

    .. math::
        u_t = \operatorname{sign}\!\big(\beta_1 m_{t-1} + (1-\beta_1) g_t\big), \quad
        \theta_{t+1} = \theta_t - \eta\,(u_t + \lambda\theta_t), \quad
        m_t = \beta_2 m_{t-1} + (1-\beta_2) g_t

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`\eta \ge 0`, by which every entry moves; a third to a tenth of AdamW's.
        betas: :math:`(\beta_1, \beta_2)`, each in [0, 1).
        weight_decay: :math:`\lambda \ge 0`; three to ten times AdamW's.

    Raises:
        ValueError: an argument is outside its range.

    Source: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, -100.0]))
        >>> optimizer = Lion([weight], lr=0.25)
        >>> for _ in range(2):  # every entry moves by lr, whatever its gradient
        ...     weight.grad = weight.detach().clone()
        ...     optimizer.step()
        >>> weight.tolist()
        [0.5, -99.5]
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):
        check_range("lr", lr, 0.0)
        check_betas(betas)
        check_range("weight_decay", weight_decay, 0.0)
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "weight_decay": weight_decay})

    def state_names(self, group: dict) -> tuple[str, ...]:
        """The momentum."""
        return ("exp_avg",)

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the gradients in ``.grad``; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        for group in self.param_groups:
            for params, gradients in batches(group):
                lion(
                    real_views(params),
                    real_views(gradients),
                    next(state_lists(self.state, params, "exp_avg")),
                    lr=learning_rate(group),
                    betas=group["betas"],
                    weight_decay=group["weight_decay"],
                )
        return loss


def lion(
    params: list[Tensor],
    gradients: Tensors,
    means: list[Tensor],
    *,
    lr: float,
    betas: tuple[float, float],
    weight_decay: float,
) -> None:
    """Update parameters and momenta in place."""
    beta1, beta2 = betas
    updates = torch._foreach_lerp(means, gradients, 1 - beta1)
    torch._foreach_sign_(updates)
    if weight_decay:
        torch._foreach_mul_(params, 1 - lr * weight_decay)
    torch._foreach_add_(params, updates, alpha=-lr)
    torch._foreach_lerp_(means, gradients, 1 - beta2)
