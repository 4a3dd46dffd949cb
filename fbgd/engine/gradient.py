"""From an objective to the mean gradient of a step's blocks: the only averaging code there is."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.kernels import BlockEvaluation, Kernels, Objective, autograd_gradient, network_kernels, share_of
from fbgd.engine.ranks import ALONE, Ranks
from regularizers import BlockGradientPenalty, GradientTransform

__all__ = ["MeanGradient", "Objective", "StepGradient", "block_gradients", "gradients_per_sample"]


class StepGradient(NamedTuple):
    """What one evaluation of a step's blocks gives.

    Args:
        gradient: the mean gradient, penalties included, one tensor a parameter.
        objective: what the gradient is of, for optimizers that search along a line: the loss with all penalties.
        loss: mean loss over the step's samples, without any penalties.
        accuracy: share of the step's samples classified right.
        norm: L2 norm of ``gradient``.
        block_norm: mean over blocks, weighted |B|/N, of the norm of each block's own gradient, without penalties.
        evaluations: gradient evaluations it took: samples times gradients per sample.
        shares: how much each penalty and each clipping of blocks did, the largest over blocks, in the order of
            :func:`measured`: the norm of a penalty's own gradient over that of the plain gradient, and what clipping
            took off a block's norm; ``None`` without any.
    """

    gradient: list[Tensor]
    objective: Tensor
    loss: Tensor
    accuracy: Tensor
    norm: Tensor
    block_norm: Tensor
    evaluations: int
    shares: Tensor | None = None


class MeanGradient:
    r"""The weighted mean of block gradients, with the gradients of the penalties.

    .. math::
        g = \sum_B \frac{|B|}{N} \big( \nabla L_B + \nabla (c \lVert \nabla L_B \rVert^2) \big)
        \;+\; \nabla \big( c' \lVert \textstyle\sum_B \frac{|B|}{N} \nabla L_B \rVert^2 \big)

    The weights are those of the whole step, so partial sums over disjoint sets of blocks add up to the mean.

    Args:
        objective: ``(params, inputs, targets, key) -> (objective, (mean loss, number of right predictions))`` of one
            block, pure; penalties on the parameters are part of the objective and not of the loss.
        penalties: gradient penalties, on blocks or on the full gradient.
        clipping: transforms of every block's gradient, with its penalties, before the mean.
        blocks_per_call: how many equal-sized blocks are evaluated at a time with ``vmap``; 1: one after another
            with plain ``autograd.grad``. It changes nothing but rounding and speed.
        compile: pass the vectorised evaluation through ``torch.compile``.
        kernels: how blocks are evaluated; ``None``: those of one network with this objective, these penalties and this
            clipping.

    Attributes:
        ranks: whom the blocks are dealt to; one all-reduce for every mean.

    Raises:
        ValueError: ``blocks_per_call`` is not a positive integer.
    """

    def __init__(
        self,
        objective: Objective,
        penalties: tuple[BlockGradientPenalty, ...] = (),
        blocks_per_call: int = 1,
        compile: bool = False,
        clipping: tuple[GradientTransform, ...] = (),
        kernels: Kernels | None = None,
    ):
        if not isinstance(blocks_per_call, int) or blocks_per_call < 1:
            raise ValueError(f"blocks_per_call = {blocks_per_call!r} must be a positive integer")
        self.objective, self.penalties, self.clipping = objective, penalties, clipping
        self.blocks_per_call = blocks_per_call
        self.ranks: Ranks = ALONE
        self.gradients_per_sample = gradients_per_sample(penalties, clipping)
        self.on_blocks = tuple(penalty for penalty in penalties if penalty.of == "block")
        self.on_full = tuple(penalty for penalty in penalties if penalty.of == "full_gradient")
        self.changed_blocks = bool(self.on_blocks or clipping)
        self.shares_of_blocks = len(measured(self.on_blocks, clipping))
        self.kernels = kernels or network_kernels(objective, penalties, clipping, compile)

    def __call__(self, params: list[Tensor], blocks: StepBlocks, lr: float) -> StepGradient:
        """The mean gradient at ``params`` over ``blocks``; ``lr`` is the current learning rate of the penalties."""
        # A double without dimensions keeps its value exactly, takes part in the dtype of whatever it scales, and is
        # no constant to torch.compile.
        rate = torch.tensor(lr, dtype=torch.float64) if self.on_blocks or self.on_full else None
        gradient, statistics, shares = self._mean(self.kernels.single, self.kernels.vectorised, params, blocks, rate)
        objective, loss, accuracy, *powers = statistics
        if self.on_blocks:
            terms = (penalty.coefficient(lr) * powers[penalty.power - 1] for penalty in self.on_blocks)
            objective = objective + sum(terms)
        if self.on_full and rate is not None:
            plain = self._full_gradient(params, blocks, rate) if self.changed_blocks else gradient
            for penalty in self.on_full:
                # In PyTorch 2.13 the forward derivative of a vectorised gradient is wrong through batch norm, so an
                # exact product takes block by block.
                exact = penalty.method == "exact"
                per_call = 1 if exact else self.blocks_per_call
                part = partial(self._part, blocks=blocks, rate=rate, blocks_per_call=per_call)
                whole = partial(self._full_gradient, blocks=blocks, rate=rate)
                extra = penalty.gradient(part if exact else whole, params, plain, rate)
                if exact:
                    # A derivative does not go through an all-reduce; a product is linear, so the ranks' parts add up.
                    extra = self.ranks.mean(extra, statistics[0].new_zeros(0, dtype=torch.float64))[0]
                gradient = [entry + more for entry, more in zip(gradient, extra, strict=True)]
                length = self.kernels.norm(plain)
                objective = objective + penalty.coefficient(lr) * length**penalty.power
                own = share_of(self.kernels.norm(extra), length).double().unsqueeze(0)
                shares = own if shares is None else torch.cat([shares, own])
        # A step of one block has that block's gradient, unless penalties or clipping changed it.
        unchanged = len(blocks) == 1 and not (self.changed_blocks or self.on_full)
        norm = powers[0] if unchanged else self.kernels.norm(gradient).double()
        evaluations = blocks.samples * self.gradients_per_sample
        return StepGradient(gradient, objective, loss, accuracy, norm, powers[0], evaluations, shares)

    def of_blocks(self, params: list[Tensor], blocks: StepBlocks) -> Iterator[tuple[float, list[Tensor]]]:
        """The gradients of blocks at ``params`` without penalties and clipping, a stack of equal-sized ones at a time.

        Returns:
            For every stack the weight |B|/N of each of its K blocks, and their gradients (K, ...).
        """
        for stack in blocks.stacks(self.blocks_per_call):
            if len(stack.keys) > 1:
                gradients = self.kernels.plain_vectorised(params, *stack, None)[0]
            else:
                first = self.kernels.plain_single(params, *(part[0] for part in stack), None)[0]
                gradients = [entry.unsqueeze(0) for entry in first]
            yield stack.targets.shape[1] / blocks.samples, gradients

    def _full_gradient(self, params: list[Tensor], blocks: StepBlocks, rate: Tensor) -> list[Tensor]:
        """The mean gradient without gradient penalties."""
        return self._mean(self.kernels.plain_single, self.kernels.plain_vectorised, params, blocks, rate)[0]

    def _part(self, params: list[Tensor], blocks: StepBlocks, rate: Tensor, blocks_per_call: int) -> list[Tensor]:
        """This rank's part of it."""
        single, vectorised = self.kernels.plain_single, self.kernels.plain_vectorised
        return self._sum(single, vectorised, params, self.ranks.blocks(blocks), rate, blocks_per_call)[0]

    def _mean(
        self,
        single: BlockEvaluation,
        vectorised: BlockEvaluation,
        params: list[Tensor],
        blocks: StepBlocks,
        rate: Tensor | None,
    ) -> tuple[list[Tensor], tuple[Tensor, ...], Tensor | None]:
        """The mean gradient; mean objective, loss, accuracy, block norm and, for penalties, its square; shares."""
        own = self.ranks.blocks(blocks)
        sums = self._sum(single, vectorised, params, own, rate, self.blocks_per_call)
        gradient, statistics, shares = self.ranks.mean(*sums)
        return gradient, statistics.unbind(), shares

    def _sum(
        self,
        single: BlockEvaluation,
        vectorised: BlockEvaluation,
        params: list[Tensor],
        blocks: StepBlocks,
        rate: Tensor | None,
        blocks_per_call: int,
    ) -> tuple[list[Tensor], Tensor, Tensor | None]:
        """The sums over ``blocks`` of weighted gradients and statistics, and the largest shares; zeros over none."""
        total: list[Tensor] = []
        statistics: Tensor | None = None
        largest: Tensor | None = None
        for stack in blocks.stacks(blocks_per_call):
            several = len(stack.keys) > 1
            if several:
                gradient, values, right, norm, shares = vectorised(params, *stack, rate)
                gradient = [entry.sum(0) for entry in gradient]
            else:
                gradient, values, right, norm, shares = single(params, *(part[0] for part in stack), rate)
            size = stack.targets.shape[stack.keys.dim()]
            powers = (norm, norm.double() ** 2) if self.on_blocks else (norm,)
            # The number of right predictions is a double, so all of them become doubles.
            parts = torch.stack([*values, right / size, *powers])
            if several:
                parts = parts.sum(1)
            weight = size / blocks.samples
            if weight != 1:
                gradient, parts = list(torch._foreach_mul(gradient, weight)), weight * parts
            total = list(torch._foreach_add(total, gradient) if total else gradient)
            statistics = parts if statistics is None else statistics + parts
            if shares:
                own = torch.stack(shares).double()
                own = own.amax(1) if several else own
                largest = own if largest is None else torch.maximum(largest, own)
        if largest is None and self.shares_of_blocks:
            # What has no blocks, or no ingredients in this pass, has nothing to add to what the others have.
            largest = params[0].new_zeros(self.shares_of_blocks, dtype=torch.float64)
        if statistics is None:
            names = 5 if self.on_blocks else 4
            total, statistics = [torch.zeros_like(param) for param in params], params[0].new_zeros(names).double()
        return total, statistics, largest


def block_gradients(
    objective: Objective, params: list[Tensor], blocks: StepBlocks
) -> Iterator[tuple[int, list[Tensor]]]:
    """The size of every block and its gradient at ``params``, one after another, without gradient penalties."""
    gradient_of = autograd_gradient(objective)
    for stack in blocks.stacks(1):
        yield stack.targets.shape[1], gradient_of(params, *(part[0] for part in stack))[0]


def measured(
    penalties: tuple[BlockGradientPenalty, ...], clipping: tuple[GradientTransform, ...] = ()
) -> tuple[BlockGradientPenalty | GradientTransform, ...]:
    """The ingredients whose shares a gradient tells, in order: of blocks penalties and clippings, of all penalties."""
    on_blocks = (penalty for penalty in penalties if penalty.of == "block")
    on_full = (penalty for penalty in penalties if penalty.of == "full_gradient")
    return (*on_blocks, *(clip for clip in clipping if clip.clips), *on_full)


def gradients_per_sample(
    penalties: tuple[BlockGradientPenalty, ...], clipping: tuple[GradientTransform, ...] = ()
) -> int:
    """How often a step with these penalties evaluates each sample's gradient.

    Once, again for each penalty's Hessian product, and once more for the plain full gradient where penalties or
    clipping on blocks have already changed the first.
    """
    kinds = {penalty.of for penalty in penalties}
    again = "full_gradient" in kinds and ("block" in kinds or bool(clipping))
    return 1 + sum(penalty.extra_gradients for penalty in penalties) + again
