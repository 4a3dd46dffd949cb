r"""Products with the Hessian of the training objective, block by block.

With batch norm the objective of a training set is a sum over blocks, each with its own statistics; so is its Hessian,

.. math:: H v = \sum_B \frac{|B|}{N} H_B v, \qquad H_B v = \nabla \langle \nabla L_B(\theta), v \rangle

exact by differentiating twice in reverse, one block after another: several at a time, PyTorch 2.13 gets second
derivatives wrong through batch norm.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.kernels import Objective
from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from regularizers.tensor_lists import flatten

# A product has the arithmetic of two gradients; with networks so small that arithmetic is not what takes the time, it
# takes that of four or five.
GRADIENTS_PER_PRODUCT = 2
PRECISIONS = {"as trained": None, "fp64": torch.float64}
Product = Callable[[Tensor], Tensor]


def check_precision(precision: str) -> None:
    """Raise :class:`ConfigError` unless ``precision`` is one of :data:`PRECISIONS`."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision = {precision!r} must be one of {', '.join(PRECISIONS)}")


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Gradients are recorded, and attention is computed step by step: fused kernels have a first derivative only."""
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        yield


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
        self.objective = objective
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
        leaves = [param.detach().requires_grad_() for param in self.params]
        with twice_differentiable():
            loss = self.objective(leaves, *block)[0]
            options: dict = {"allow_unused": True, "materialize_grads": True}
            gradient = torch.autograd.grad(loss, leaves, create_graph=True, **options)
            slope = flatten(list(gradient)) @ vector.to(self.params[0])
            if slope.requires_grad:
                product = torch.autograd.grad(slope, leaves, **options)
            else:
                # A gradient that is constant has no graph, and no curvature.
                product = tuple(map(torch.zeros_like, leaves))
        self.spend(GRADIENTS_PER_PRODUCT * len(block[0]))
        return flatten(list(product)).detach()


def hessian_product(state: ProbeState, precision: str = "as trained") -> HessianProduct:
    """The product with the Hessian of what training minimises, at the state's parameters; its cost is counted."""
    return HessianProduct(state.objective, state.params, state.blocks(), PRECISIONS[precision], state.spend)


def mean_gradient(state: ProbeState) -> Tensor:
    """The gradient (D) of the mean objective over all samples, in float64; its cost is counted."""
    total, samples = torch.zeros(()), 0
    for size, gradient in state.block_gradients():
        total = total + size * flatten([entry.double() for entry in gradient])
        samples += size
    return total / samples


def single_blocks(blocks: StepBlocks, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, targets and key of one block after another, floating-point numbers as ``dtype``."""
    for stack in blocks.stacks(1):
        inputs, targets, key = (part[0] for part in stack)
        yield cast(inputs, dtype), cast(targets, dtype), key


def cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers as ``dtype``; labels and tokens as they are."""
    return values.to(dtype) if values.is_floating_point() else values
