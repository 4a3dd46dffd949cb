r"""Products with the Hessian of the training objective, block by block.

With batch norm the objective of a training set is a sum over blocks, each with its own statistics; so is its Hessian,

.. math:: H v = \sum_B \frac{|B|}{N} H_B v, \qquad H_B v = \partial_t \nabla L_B(\theta + t v)|_{t=0}

exact by forward over reverse differentiation, one block after another: several at a time, PyTorch 2.13 gets this
derivative wrong through batch norm.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.kernels import Objective
from fbgd.engine.probe import ProbeState
from fbgd.probes.vectors import flatten, unflatten

# A product takes about as long as two gradients.
GRADIENTS_PER_PRODUCT = 2
PRECISIONS = {"as trained": None, "fp64": torch.float64}
Product = Callable[[Tensor], Tensor]


class HessianProduct:
    """The Hessian of the mean objective over blocks, as a function of a vector.

    Args:
        objective: of one block, pure.
        params: where the Hessian is taken.
        blocks: of all samples.
        dtype: evaluate in this type; ``None``: in that of ``params``.
        spend: told how many gradients of samples every product took, see :data:`GRADIENTS_PER_PRODUCT`.

    Attributes:
        size: entries of a vector.
    """

    def __init__(
        self,
        objective: Objective,
        params: list[Tensor],
        blocks: StepBlocks,
        dtype: torch.dtype | None = None,
        spend: Callable[[int], None] = lambda evaluations: None,
    ):
        self.gradient = torch.func.grad(lambda *given: objective(*given)[0])
        self.params = [param.detach().to(dtype) for param in params]
        self.blocks, self.spend = blocks, spend
        self.size = sum(param.numel() for param in params)

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with ``vector`` (D), a new vector of its type."""
        total = self.params[0].new_zeros(self.size)
        for size, product in self.of_blocks(vector):
            total += size / self.blocks.samples * product
        return total.to(vector.dtype)

    def of_blocks(self, vector: Tensor) -> Iterator[tuple[int, Tensor]]:
        """The size of every block and the product of ``vector`` (D) with its own Hessian."""
        for block in single_blocks(self.blocks, self.params[0].dtype):
            yield len(block[0]), self.of_block(block, vector)

    def of_block(self, block: tuple[Tensor, Tensor, Tensor], vector: Tensor) -> Tensor:
        """The product of ``vector`` (D) with the Hessian of one block, ``(inputs, targets, key)``."""
        tangent = unflatten(vector.to(self.params[0]), self.params)
        product = torch.func.jvp(lambda params: self.gradient(params, *block), (self.params,), (tangent,))[1]
        self.spend(GRADIENTS_PER_PRODUCT * len(block[0]))
        return flatten(product)


def hessian_product(state: ProbeState, precision: str = "as trained") -> HessianProduct:
    """The product with the Hessian of what training minimises, at the state's parameters; its cost is counted."""
    return HessianProduct(state.objective, state.params, state.blocks(), PRECISIONS[precision], state.spend)


def single_blocks(blocks: StepBlocks, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, targets and key of one block after another, floating-point numbers as ``dtype``."""
    for stack in blocks.stacks(1):
        inputs, targets, key = (part[0] for part in stack)
        yield cast(inputs, dtype), cast(targets, dtype), key


def cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers as ``dtype``; labels and tokens as they are."""
    return values.to(dtype) if values.is_floating_point() else values
