"""How the gradients of blocks are evaluated: one at a time, or several with ``vmap``, with penalties and without."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regularizers import BlockGradientPenalty, GradientTransform, foreach_norm, global_norm

Objective = Callable[[list[Tensor], Tensor, Tensor, Tensor], tuple[Tensor, tuple[Tensor, Tensor]]]
# (params, inputs, targets, key, lr) -> (gradient, (objective, loss), right predictions, norm of the plain gradient,
# shares of the ingredients)
BlockEvaluation = Callable[..., tuple[list[Tensor], tuple[Tensor, Tensor], Tensor, Tensor, tuple[Tensor, ...]]]


@dataclass(frozen=True)
class Kernels:
    """The evaluations that a mean gradient is made of.

    Args:
        single: of one block: inputs (B, ...), targets (B).
        vectorised: of K equal-sized blocks at a time: inputs (K, B, ...), targets (K, B), keys (K).
        plain_single: ``single`` without gradient penalties and clipping.
        plain_vectorised: ``vectorised`` without them.
        norm: the L2 norm of a mean gradient.
    """

    single: BlockEvaluation
    vectorised: BlockEvaluation
    plain_single: BlockEvaluation
    plain_vectorised: BlockEvaluation
    norm: Callable[[list[Tensor]], Tensor]


def network_kernels(
    objective: Objective,
    penalties: tuple[BlockGradientPenalty, ...] = (),
    clipping: tuple[GradientTransform, ...] = (),
    compile: bool = False,
) -> Kernels:
    """The kernels of one network.

    Args:
        objective: of one block, pure.
        penalties: gradient penalties; those on blocks are part of every block's gradient.
        clipping: transforms of every block's gradient.
        compile: pass the vectorised evaluations through ``torch.compile``.
    """
    on_blocks = tuple(penalty for penalty in penalties if penalty.of == "block")
    exact = any(penalty.method == "exact" for penalty in penalties)
    functional = torch.func.grad_and_value(objective, has_aux=True)
    # An exact Hessian product differentiates the gradient again, which only torch.func's own gradient allows, and
    # foreach norms have no forward derivative; otherwise the other pair is the cheaper one for a single block.
    gradient, norm = (functional, global_norm) if exact else (autograd_gradient(objective), foreach_norm)
    batched = (None, 0, 0, 0, None)
    vectorised, plain = (
        torch.func.vmap(block_evaluation(functional, *changes, global_norm), in_dims=batched)
        for changes in ((on_blocks, clipping), ((), ()))
    )
    return Kernels(
        single=block_evaluation(gradient, on_blocks, clipping, norm),
        vectorised=torch.compile(vectorised) if compile else vectorised,
        plain_single=block_evaluation(gradient, (), (), norm),
        plain_vectorised=torch.compile(plain) if compile else plain,
        norm=foreach_norm,
    )


def autograd_gradient(objective: Objective) -> Callable[..., Any]:
    """The gradient by ``torch.autograd.grad``, with the signature of ``grad_and_value(objective, has_aux=True)``.

    An objective with a value for each member, whose parameters are stacked, gives the stack of their gradients.
    """

    def gradient(params, *block):
        leaves = [param.detach().requires_grad_() for param in params]
        with torch.enable_grad():
            total, about = objective(leaves, *block)
        gradients = torch.autograd.grad(total.sum() if total.dim() else total, leaves, allow_unused=True)
        entries = [
            torch.zeros_like(leaf) if entry is None else entry for entry, leaf in zip(gradients, leaves, strict=True)
        ]
        return entries, (total.detach(), about)

    return gradient


def block_evaluation(
    gradient_fn,
    penalties: tuple[BlockGradientPenalty, ...],
    clipping: tuple[GradientTransform, ...],
    norm: Callable[[list[Tensor]], Tensor],
) -> BlockEvaluation:
    """``(params, inputs, targets, key, lr) -> (gradient, (objective, loss), right predictions, plain norm, shares)``.

    The gradient is the block's with its penalties, then clipped; the norm is that of its plain gradient. There is a
    share for each penalty, the norm of its own gradient over that of the plain one, and then one for each clipping,
    what it takes off the norm that it is given.
    """

    def evaluate(params, inputs, targets, key, lr):
        plain, (total, (loss, right)) = gradient_fn(params, inputs, targets, key)
        gradient, length, shares = plain, norm(plain), []
        for penalty in penalties:
            extra = penalty.gradient(lambda at: gradient_fn(at, inputs, targets, key)[0], params, plain, lr)
            shares.append(share_of(norm(extra), length))
            gradient = [entry + more for entry, more in zip(gradient, extra, strict=True)]
        for clip in clipping:
            before, gradient = gradient, clip(gradient)
            if clip.clips:
                whole = norm(before)
                shares.append(share_of(whole - norm(gradient), whole))
        return gradient, (total, loss), right, length, tuple(shares)

    return evaluate


def share_of(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole`` of norms; 0 where both are 0."""
    return part / whole.clamp(min=torch.finfo(whole.dtype).tiny)
