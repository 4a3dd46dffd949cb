"""Full-batch gradient descent with what it needs to train well: accumulation, warm-up, clipping, momentum."""

import torch
from torch import Tensor

from optimizers._base import Base
from optimizers._common import (
    Tensors,
    check_nesterov,
    check_range,
    evaluate_closure,
    global_norm,
    learning_rate,
    with_gradients,
)
from optimizers.sgd import momentum_step


class FullBatchGD(Base):
    r"""Gradient descent on the mean gradient of all blocks, clipped, with a warmed-up learning rate.

    .. math::
        g = \sum_B \frac{|B|}{N}\, g_B, \qquad
        \hat g = g \,\frac{c}{\max(c, \lVert g \rVert)}, \qquad
        \eta_t = \eta \min\!\Big(1, \frac{t}{W}\Big), \qquad
        \theta \leftarrow \text{momentum step}(\theta,\; \hat g + \lambda\theta,\; \eta_t)

    Weight decay is added after clipping, so it is never clipped. In a loop of your own::

        optimizer = FullBatchGD(model.parameters(), lr=0.4, warmup_steps=400, max_norm=0.25)
        for inputs, targets in blocks:
            cross_entropy(model(inputs), targets).backward()
            optimizer.accumulate(len(targets))
        optimizer.step()

    Gradients that were accumulated are cleared by ``step``, so the loop needs no ``zero_grad``. Without any
    ``accumulate`` since the last step, ``step`` takes the gradients in ``.grad`` as the full ones and leaves them.

    Args:
        params: parameters or parameter groups.
        lr: peak learning rate :math:`\eta \ge 0`.
        momentum: :math:`\mu \ge 0`.
        nesterov: Nesterov's form of momentum; needs ``momentum > 0``.
        weight_decay: :math:`\lambda \ge 0`.
        warmup_steps: :math:`W \ge 0`; step t = 1, 2, ... uses :math:`\eta \min(1, t/W)`. 0: no warm-up.
        max_norm: the clipping threshold :math:`c > 0` on the global L2 norm over all groups; ``None``: no clipping.

    Raises:
        ValueError: an argument is outside its range, or a block's size is not positive.
        RuntimeError: ``step`` finds a gradient that was not accumulated beside others that were.

    Source: Geiping et al. 2022, "Stochastic Training is Not Necessary for Generalization", section 3.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([0.0]))
        >>> optimizer = FullBatchGD([weight], lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0)
        >>> for block in (torch.tensor([1.0, 2.0]), torch.tensor([6.0])):  # of unequal sizes
        ...     ((weight - block) ** 2 / 2).mean().backward()
        ...     optimizer.accumulate(len(block))
        >>> optimizer.step()
        >>> weight.item()  # the mean of all three samples
        3.0
    """

    elementwise = True

    def __init__(
        self,
        params,
        lr: float | Tensor = 0.4,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 5e-4,
        warmup_steps: int = 0,
        max_norm: float | None = None,
    ):
        check_range("lr", lr, 0.0)
        check_range("momentum", momentum, 0.0)
        check_range("weight_decay", weight_decay, 0.0)
        check_range("warmup_steps", warmup_steps, 0)
        check_nesterov(nesterov, momentum)
        if max_norm is not None and not 0 < max_norm < float("inf"):
            raise ValueError(f"max_norm = {max_norm!r} is outside the valid range (0, inf); None turns clipping off")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "warmup_steps": warmup_steps,
            "max_norm": max_norm,
            "steps": 0,
            "samples": 0,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def accumulate(self, block_size: int) -> None:
        """Add the gradients in ``.grad``, the mean over a block of ``block_size`` samples, and clear them."""
        if block_size <= 0:
            raise ValueError(f"block_size = {block_size!r} must be positive")
        for group in self.param_groups:
            group["samples"] += block_size
            params, gradients = with_gradients(group)
            for param, gradient in zip(params, gradients, strict=True):
                held = self.state[param].get("gradient_sum")
                if held is None:
                    self.state[param]["gradient_sum"] = gradient * block_size
                else:
                    held.add_(gradient, alpha=block_size)
                param.grad = None

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step along the accumulated mean gradient; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        collected = self._collect()
        norm = self._norm()
        for group in self.param_groups:
            group["steps"] += 1
            params, gradients = with_gradients(group)
            if not params:
                continue
            momentum_step(
                self.state,
                params,
                clipped(gradients, norm, group["max_norm"]),
                lr=learning_rate(group) * warmup_factor(group["steps"], group["warmup_steps"]),
                momentum=group["momentum"],
                dampening=0.0,
                weight_decay=group["weight_decay"],
                nesterov=group["nesterov"],
            )
        # The next block's backward adds to .grad, so the mean must not stay there.
        for param in collected:
            param.grad = None
        return loss

    def _norm(self) -> Tensor | None:
        """The global norm of the gradients in ``.grad``; ``None`` where there are none."""
        gradients = [gradient for group in self.param_groups for gradient in with_gradients(group)[1]]
        return global_norm(gradients) if gradients else None

    def _collect(self) -> list[Tensor]:
        """Turn the accumulated sums into mean gradients in ``.grad``, start anew, and return those parameters."""
        collected = []
        for group in self.param_groups:
            if not group["samples"]:
                continue
            for param in group["params"]:
                if param.grad is not None:
                    raise RuntimeError(
                        "a gradient was left in .grad: call accumulate() after every backward, the last too"
                    )
                held = self.state[param].pop("gradient_sum", None)
                param.grad = None if held is None else held.div_(group["samples"])
                collected.append(param)
            group["samples"] = 0
        return collected


def clipped(gradients: Tensors, norm: Tensor | None, max_norm: float | None) -> Tensors:
    """The gradients of one group, scaled by what brings the global ``norm`` down to ``max_norm``."""
    if max_norm is None or norm is None:
        return gradients
    return torch._foreach_mul(gradients, max_norm / norm.clamp(min=max_norm))


def warmup_factor(step: int, warmup_steps: int) -> float:
    """min(1, step / warmup_steps) for steps counted from 1; 1 without warm-up."""
    return 1.0 if step >= warmup_steps else step / warmup_steps
