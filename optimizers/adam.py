"""Adam, and AdamW with decoupled weight decay."""

import torch
from torch import Tensor

from optimizers._base import Base
from optimizers._common import (
    Tensors,
    advance_steps,
    batches,
    check_betas,
    check_range,
    evaluate_closure,
    learning_rate,
    real_views,
    state_lists,
)


class Adam(Base):
    r"""Adaptive moments, with L2 weight decay inside the gradient.

    .. math::
        g_t \leftarrow g_t + \lambda\theta_t, \quad
        m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t, \quad
        v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2, \quad
        \theta_{t+1} = \theta_t - \eta\,
        \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon}

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`\eta \ge 0`.
        betas: :math:`(\beta_1, \beta_2)`, each in [0, 1).
        eps: :math:`\epsilon \ge 0`, outside the square root.
        weight_decay: :math:`\lambda \ge 0`.
        amsgrad: divide by the largest second moment so far (Reddi et al. 2018).
        maximize: climb the objective instead of descending it.
        foreach: ``False``: one parameter at a time, for less memory; else all of a group at once.
        decoupled_weight_decay: decay the parameters themselves, which is :class:`AdamW`.
        capturable, differentiable, fused: arguments of the class in ``torch.optim`` that are refused when true.

    Raises:
        ValueError: an argument is outside its range.

    Source: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 100.0]))
        >>> optimizer = Adam([weight], lr=0.1)
        >>> weight.grad = weight.detach().clone()
        >>> optimizer.step()  # the first step is lr times the gradient's sign
        >>> [round(entry, 4) for entry in weight.tolist()]
        [0.9, 99.9]
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        check_range("lr", lr, 0.0)
        check_betas(betas)
        check_range("eps", eps, 0.0)
        check_range("weight_decay", weight_decay, 0.0)
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def state_names(self, group: dict) -> tuple[str, ...]:
        """Both moments and the number of steps; with AMSGrad the largest second moment too."""
        names = ("step", "exp_avg", "exp_avg_sq")
        return (*names, "max_exp_avg_sq") if group["amsgrad"] else names

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the gradients in ``.grad``; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        for group in self.param_groups:
            for params, gradients in batches(group):
                means, squares = state_lists(self.state, params, "exp_avg", "exp_avg_sq")
                largest = next(state_lists(self.state, params, "max_exp_avg_sq")) if group["amsgrad"] else None
                adam(
                    real_views(params),
                    real_views(gradients),
                    means,
                    squares,
                    largest,
                    advance_steps(self.state, params),
                    lr=learning_rate(group),
                    betas=group["betas"],
                    eps=group["eps"],
                    weight_decay=group["weight_decay"],
                    decoupled=group["decoupled_weight_decay"],
                )
        return loss


class AdamW(Adam):
    r"""Adam with decoupled weight decay: the decay acts on the parameters and never enters the moments.

    .. math::
        \theta_t \leftarrow (1 - \eta\lambda)\,\theta_t, \quad\text{then Adam's step with } \lambda = 0

    Arguments are those of :class:`Adam` without ``decoupled_weight_decay``; ``weight_decay`` is 0.01 by default.

    Raises:
        ValueError: an argument is outside its range.

    Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = AdamW([weight], lr=0.1, weight_decay=0.5)
        >>> weight.grad = torch.zeros(1)
        >>> optimizer.step()  # without a gradient only the decay is left: (1 - 0.1 * 0.5) * weight
        >>> round(weight.item(), 4)
        0.95
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict) -> None:
        # Also after loading from Adam, as in torch.optim.
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


def adam(
    params: list[Tensor],
    gradients: Tensors,
    means: list[Tensor],
    squares: list[Tensor],
    largest: list[Tensor] | None,
    steps: list[int],
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """Update parameters and moments in place; ``largest`` holds AMSGrad's running maxima, ``steps`` count from 1."""
    beta1, beta2 = betas
    if weight_decay and decoupled:
        torch._foreach_mul_(params, 1 - lr * weight_decay)
    elif weight_decay:
        gradients = torch._foreach_add(gradients, params, alpha=weight_decay)
    torch._foreach_lerp_(means, gradients, 1 - beta1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
    if largest is not None:
        torch._foreach_maximum_(largest, squares)
    denominators = torch._foreach_sqrt(squares if largest is None else largest)
    torch._foreach_div_(denominators, [(1 - beta2**step) ** 0.5 for step in steps])
    torch._foreach_add_(denominators, eps)
    torch._foreach_addcdiv_(params, means, denominators, [-lr / (1 - beta1**step) for step in steps])
