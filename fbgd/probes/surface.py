"""The training objective over all blocks as a function of the parameters in one vector."""

from collections.abc import Callable

import torch
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.kernels import Objective
from fbgd.engine.probe import ProbeState
from fbgd.models.convert import batch_norms
from fbgd.models.torch_layers import key_names
from fbgd.probes.products import PRECISIONS, single_blocks
from regularizers.tensor_lists import flatten, unflatten

# Samples of a block of :func:`regrouped`: few calls, and no more memory than an evaluation takes.
REGROUPED = 1000


class Surface:
    r"""The mean objective :math:`L(\theta) = \sum_B \frac{|B|}{N} L_B(\theta)`, and what goes with it.

    A value is counted as a gradient of every sample, although it costs a third of one.

    Args:
        objective: of one block, pure.
        params: the point that is looked at, which gives the parameters' shapes.
        blocks: of all samples.
        dtype: evaluate in this type; ``None``: in that of ``params``.
        spend: told how many gradients of samples every evaluation took.

    Attributes:
        origin: ``params`` as one vector (D), of the type that is evaluated in.
    """

    def __init__(
        self,
        objective: Objective,
        params: list[Tensor],
        blocks: StepBlocks,
        dtype: torch.dtype | None = None,
        spend: Callable[[int], None] = lambda evaluations: None,
    ):
        self.objective, self.blocks, self.spend = objective, blocks, spend
        self.params = [param.detach().to(dtype) for param in params]
        self.origin = flatten(self.params)

    def value(self, vector: Tensor) -> float:
        """The objective at ``vector`` (D)."""
        return self.loss_and_mistakes(vector)[0]

    @torch.no_grad()
    def loss_and_mistakes(self, vector: Tensor) -> tuple[float, float]:
        """The objective at ``vector`` (D), and the share of predictions that are wrong; of a regression 1 - R^2."""
        params = unflatten(vector.to(self.origin), self.params)
        loss, right = 0.0, 0.0
        for block in single_blocks(self.blocks, self.origin.dtype):
            value, (_, hits) = self.objective(params, *block)
            loss += len(block[0]) / self.blocks.samples * float(value)
            right += float(hits) / self.blocks.samples
        self.spend(self.blocks.samples)
        return loss, 1 - right

    def value_and_gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """The objective at ``vector`` (D), and its gradient there (D)."""
        loss, gradient = 0.0, torch.zeros_like(self.origin)
        for block in single_blocks(self.blocks, self.origin.dtype):
            value, own = self.of_block(block, vector)
            share = len(block[0]) / self.blocks.samples
            loss += share * value
            gradient += share * own
        return loss, gradient

    def of_block(self, block: tuple[Tensor, Tensor, Tensor], vector: Tensor) -> tuple[float, Tensor]:
        """The objective of one block, ``(inputs, targets, key)``, and its gradient (D) at ``vector``."""
        point = vector.detach().to(self.origin).clone().requires_grad_()
        with torch.enable_grad():
            value, _ = self.objective(unflatten(point, self.params), *block)
        self.spend(len(block[0]))
        return float(value.detach()), torch.autograd.grad(value, point)[0]


def surface(state: ProbeState, precision: str = "as trained") -> Surface:
    """What training minimises, around the state's parameters; its cost is counted."""
    return Surface(state.objective, state.params, regrouped(state), PRECISIONS[precision], state.spend)


def tells_blocks_apart(state: ProbeState) -> bool:
    """Whether the mean objective depends on how samples are cut into blocks.

    So it is with batch norm, random layers, random augmentation, and transforms of blocks.
    """
    blocks = state.blocks()
    changed = blocks.transforms is not None and bool(blocks.transforms.transforms)
    return bool(batch_norms(state.model) or key_names(state.model) or changed or blocks.data.augmentation is not None)


def regrouped(state: ProbeState, size: int = REGROUPED) -> StepBlocks:
    """The state's blocks; where nothing tells them apart, the same samples in blocks of ``size``.

    This changes nothing but rounding and speed: a pass over small blocks takes as long as their number says.
    """
    blocks = state.blocks()
    if tells_blocks_apart(state):
        return blocks
    indices = list(torch.cat(blocks.indices).split(size))
    return StepBlocks(blocks.data, indices, blocks.pass_index, blocks.first, blocks.transforms)
