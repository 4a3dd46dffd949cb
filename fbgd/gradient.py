"""From an objective to the mean gradient of a step's blocks: the only averaging code there is."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.blocks import StepBlocks
from regularizers import GradientPenalty, foreach_norm, global_norm

Objective = Callable[[list[Tensor], Tensor, Tensor], tuple[Tensor, Tensor]]


class StepGradient(NamedTuple):
    """What one evaluation of a step's blocks gives.

    Args:
        gradient: the mean gradient, penalties included, one tensor a parameter.
        objective: what the gradient is of, for optimizers that search along a line: the loss with all penalties.
        loss: mean loss over the step's samples, without penalties.
        accuracy: share of the step's samples classified right.
        block_norm: mean over blocks, weighted |B|/N, of the norm of each block's own gradient, without penalties.
        evaluations: gradient evaluations it took: samples times gradients per sample.
    """

    gradient: list[Tensor]
    objective: Tensor
    loss: Tensor
    accuracy: Tensor
    block_norm: Tensor
    evaluations: int


class MeanGradient:
    r"""The weighted mean of block gradients, with the gradients of the penalties.

    .. math::
        g = \sum_B \frac{|B|}{N} \big( \nabla L_B + \nabla (c \lVert \nabla L_B \rVert^2) \big)
        \;+\; \nabla \big( c' \lVert \textstyle\sum_B \frac{|B|}{N} \nabla L_B \rVert^2 \big)

    The weights are those of the whole step, so partial sums over disjoint sets of blocks add up to the mean.

    Args:
        objective: ``(params, inputs, targets) -> (mean loss, number of right predictions)`` of one block, pure.
        penalties: gradient penalties, on blocks or on the full gradient.
        blocks_per_call: how many equal-sized blocks are evaluated at a time with ``vmap``; 1: one after another
            with plain ``autograd.grad``. It changes nothing but rounding and speed.
        compile: pass the vectorised evaluation through ``torch.compile``.

    Raises:
        ValueError: ``blocks_per_call`` is not a positive integer.
    """

    def __init__(
        self,
        objective: Objective,
        penalties: tuple[GradientPenalty, ...] = (),
        blocks_per_call: int = 1,
        compile: bool = False,
    ):
        if not isinstance(blocks_per_call, int) or blocks_per_call < 1:
            raise ValueError(f"blocks_per_call = {blocks_per_call!r} must be a positive integer")
        self.blocks_per_call = blocks_per_call
        self.gradients_per_sample = gradients_per_sample(penalties)
        self.on_blocks = tuple(penalty for penalty in penalties if penalty.of == "block")
        self.on_full = tuple(penalty for penalty in penalties if penalty.of == "full_gradient")
        exact = any(penalty.method == "exact" for penalty in penalties)
        functional = torch.func.grad_and_value(objective, has_aux=True)
        # An exact Hessian product differentiates the gradient again, which only torch.func's own gradient allows, and
        # foreach norms have no forward derivative; otherwise the other pair is the cheaper one for a single block.
        single, norm = (functional, global_norm) if exact else (autograd_gradient(objective), foreach_norm)
        batched = (None, 0, 0, None)
        self._one = block_evaluation(single, self.on_blocks, norm)
        self._many = torch.func.vmap(block_evaluation(functional, self.on_blocks, global_norm), in_dims=batched)
        self._one_plain = block_evaluation(single, (), norm)
        self._many_plain = torch.func.vmap(block_evaluation(functional, (), global_norm), in_dims=batched)
        if compile:
            self._many, self._many_plain = torch.compile(self._many), torch.compile(self._many_plain)

    def __call__(self, params: list[Tensor], blocks: StepBlocks, lr: float) -> StepGradient:
        """The mean gradient at ``params`` over ``blocks``; ``lr`` is the current learning rate of the penalties."""
        # A double without dimensions keeps its value exactly, takes part in the dtype of whatever it scales, and is
        # no constant to torch.compile.
        rate = torch.tensor(lr, dtype=torch.float64)
        gradient, statistics = self._mean(self._one, self._many, params, blocks, rate, self.blocks_per_call)
        loss, accuracy, block_norm, square = statistics
        objective = loss + sum(penalty.coefficient(lr) * square for penalty in self.on_blocks)
        if self.on_full:
            plain = self._full_gradient(params, blocks, rate) if self.on_blocks else gradient
            for penalty in self.on_full:
                # In PyTorch 2.13 the forward derivative of a vectorised gradient is wrong through batch norm, so an
                # exact product takes block by block.
                per_call = 1 if penalty.method == "exact" else self.blocks_per_call
                grad_fn = partial(self._full_gradient, blocks=blocks, rate=rate, blocks_per_call=per_call)
                extra = penalty.gradient(grad_fn, params, plain, rate)
                gradient = [entry + more for entry, more in zip(gradient, extra, strict=True)]
                objective = objective + penalty.coefficient(lr) * foreach_norm(plain) ** 2
        return StepGradient(gradient, objective, loss, accuracy, block_norm, blocks.samples * self.gradients_per_sample)

    def _full_gradient(self, params, blocks, rate, blocks_per_call=None) -> list[Tensor]:
        """The mean gradient without penalties."""
        count = blocks_per_call or self.blocks_per_call
        return self._mean(self._one_plain, self._many_plain, params, blocks, rate, count)[0]

    def _mean(self, one, many, params, blocks, rate, blocks_per_call) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """The mean gradient, and loss, accuracy, block gradient norm and its square, each a mean over samples."""
        total: list[Tensor] = []
        statistics = torch.zeros(4, dtype=torch.float64)
        for inputs, targets in blocks.stacks(blocks_per_call):
            stacked = inputs.shape[0] > 1
            if stacked:
                gradient, loss, right, norm = many(params, inputs, targets, rate)
                gradient = [entry.sum(0) for entry in gradient]
            else:
                gradient, loss, right, norm = one(params, inputs[0], targets[0], rate)
            weight = targets.shape[1] / blocks.samples
            scaled = torch._foreach_mul(gradient, weight)
            total = list(torch._foreach_add(total, scaled) if total else scaled)
            norm = norm.double()
            values = (loss.detach().double(), right / targets.shape[1], norm, norm**2)
            parts = weight * torch.stack([value.sum() for value in values])
            statistics = statistics.to(parts.device) + parts
        return total, tuple(statistics.unbind())


def gradients_per_sample(penalties: tuple[GradientPenalty, ...]) -> int:
    """How often a step with these penalties evaluates each sample's gradient.

    Once, again for each penalty's Hessian product, and once more for the plain full gradient where penalties on blocks
    have already changed the first.
    """
    kinds = {penalty.of for penalty in penalties}
    return 1 + sum(penalty.extra_gradients for penalty in penalties) + (len(kinds) == 2)


def autograd_gradient(objective: Objective):
    """The gradient by ``torch.autograd.grad``, with the signature of ``grad_and_value(objective, has_aux=True)``."""

    def gradient(params, inputs, targets):
        leaves = [param.detach().requires_grad_() for param in params]
        with torch.enable_grad():
            loss, right = objective(leaves, inputs, targets)
        return torch.autograd.grad(loss, leaves, materialize_grads=True), (loss.detach(), right)

    return gradient


def block_evaluation(gradient_fn, penalties: tuple[GradientPenalty, ...], norm: Callable[[list[Tensor]], Tensor]):
    """``(params, inputs, targets, lr) -> (gradient with penalties, loss, right predictions, plain gradient norm)``."""

    def evaluate(params, inputs, targets, lr):
        plain, (loss, right) = gradient_fn(params, inputs, targets)
        total = plain
        for penalty in penalties:
            extra = penalty.gradient(lambda at: gradient_fn(at, inputs, targets)[0], params, plain, lr)
            total = [entry + more for entry, more in zip(total, extra, strict=True)]
        return total, loss, right, norm(plain)

    return evaluate
