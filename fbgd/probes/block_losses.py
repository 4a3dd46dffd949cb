r"""The losses of m blocks as functions of one parameter vector: what a modified loss is written in.

Descent on blocks, one a step with the same step size h for all of them, follows the mean of the block losses,

.. math:: \bar L = \frac1m \sum_k L_k

each of which counts as much, whatever its number of samples. Descent on all blocks at once is the case of a single
block, see :class:`Whole`; steps in proportion to the size of the block are the case of scaled losses, see
:class:`Scaled`; a diagonal preconditioner is a change of coordinates, see :class:`InMetric`.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.kernels import Objective, autograd_gradient
from fbgd.engine.probe import ProbeState
from fbgd.probes.products import GRADIENTS_PER_PRODUCT, PRECISIONS, single_blocks
from regularizers.tensor_lists import flatten, unflatten


class BlockLosses(Protocol):
    """Gradients of m block losses, and products with their Hessians.

    Attributes:
        weights: (m), the share of each block in the samples.
    """

    weights: Tensor

    def gradient(self, at: Tensor, block: int) -> Tensor:
        """The gradient (D) of one block at the parameters ``at`` (D)."""

    def gradients(self, at: Tensor) -> Tensor:
        """The gradients (m, D) of all of them."""

    def products(self, at: Tensor, directions: Tensor) -> Tensor:
        """The product of every block's Hessian with a direction of its own, both (m, D)."""


class NetworkLosses:
    """The objective of a network on the blocks of a pass, block by block.

    Args:
        objective: of one block, pure.
        params: whose shapes a vector has; their values do not matter.
        blocks: all of them; their data are kept.
        dtype: of the arithmetic.
        spend: told how many gradients of samples everything took; a product counts as two.
    """

    def __init__(
        self,
        objective: Objective,
        params: list[Tensor],
        blocks: StepBlocks,
        dtype: torch.dtype = torch.float64,
        spend: Callable[[int], None] = lambda evaluations: None,
    ):
        self.blocks = list(single_blocks(blocks, dtype))
        self.params = [param.detach().to(dtype) for param in params]
        self.sizes = [len(targets) for _, targets, _ in self.blocks]
        self.weights = flatten(self.params).new_tensor(self.sizes) / sum(self.sizes)
        self.spend = spend
        self.evaluate = autograd_gradient(objective)
        self.differentiable = torch.func.grad(lambda *given: objective(*given)[0])

    def gradient(self, at: Tensor, block: int) -> Tensor:
        """The gradient of one block."""
        self.spend(self.sizes[block])
        return flatten(self.evaluate(unflatten(at, self.params), *self.blocks[block])[0])

    def gradients(self, at: Tensor) -> Tensor:
        """The gradients of all of them."""
        return torch.stack([self.gradient(at, block) for block in range(len(self.blocks))])

    def products(self, at: Tensor, directions: Tensor) -> Tensor:
        """Forward over reverse, exact."""
        params, found = unflatten(at, self.params), []
        for block, size, direction in zip(self.blocks, self.sizes, directions, strict=True):
            tangent = (unflatten(direction, self.params),)
            product = torch.func.jvp(lambda at, block=block: self.differentiable(at, *block), (params,), tangent)[1]
            self.spend(GRADIENTS_PER_PRODUCT * size)
            found.append(flatten(product))
        return torch.stack(found)


def network_losses(state: ProbeState, precision: str) -> tuple[NetworkLosses, Tensor]:
    """What training minimises on the blocks of the current pass, and the parameters as a vector; costs are counted.

    Args:
        state: of training.
        precision: a key of :data:`fbgd.probes.products.PRECISIONS`.
    """
    dtype = PRECISIONS[precision] or state.params[0].dtype
    losses = NetworkLosses(state.objective, state.params, state.blocks(), dtype, state.spend)
    return losses, flatten(losses.params)


class Whole:
    r"""All blocks as a single one, :math:`L = \sum_k w_k L_k` with the blocks' shares of the samples.

    Args:
        losses: of the blocks.
        weights: (m) instead of the shares of the samples.
    """

    def __init__(self, losses: BlockLosses, weights: Tensor | None = None):
        self.losses, self.shares = losses, losses.weights if weights is None else weights
        self.weights = self.shares.sum()[None]

    def gradient(self, at: Tensor, block: int) -> Tensor:
        """The mean gradient."""
        return self.shares @ self.losses.gradients(at)

    def gradients(self, at: Tensor) -> Tensor:
        """The mean gradient, of one block."""
        return self.gradient(at, 0)[None]

    def products(self, at: Tensor, directions: Tensor) -> Tensor:
        """The product with the Hessian of the mean."""
        everywhere = directions.expand(len(self.shares), -1)
        return (self.shares @ self.losses.products(at, everywhere))[None]


class Scaled:
    r"""The losses :math:`a_k L_k`: with steps of the size :math:`h a_k`, the blocks' plain losses are descended.

    Args:
        losses: of the blocks.
        scales: (m); by default :math:`a_k = m w_k`, whose mean loss is that of all samples.
    """

    def __init__(self, losses: BlockLosses, scales: Tensor | None = None):
        self.losses, self.weights = losses, losses.weights
        self.scales = len(losses.weights) * losses.weights if scales is None else scales

    def gradient(self, at: Tensor, block: int) -> Tensor:
        """The scaled gradient of one block."""
        return self.scales[block] * self.losses.gradient(at, block)

    def gradients(self, at: Tensor) -> Tensor:
        """Those of all blocks."""
        return self.scales[:, None] * self.losses.gradients(at)

    def products(self, at: Tensor, directions: Tensor) -> Tensor:
        """The scaled products."""
        return self.scales[:, None] * self.losses.products(at, directions)


class InMetric:
    r"""The losses in the coordinates :math:`x = P^{-1/2} \theta`, where preconditioned descent is plain descent.

    .. math:: \theta' = -P \nabla L(\theta) \quad\Leftrightarrow\quad x' = -\nabla_x L(P^{1/2} x)

    Args:
        losses: of the blocks.
        metric: (D), the diagonal of P, above 0 and constant.
    """

    def __init__(self, losses: BlockLosses, metric: Tensor):
        self.losses, self.weights, self.root = losses, losses.weights, metric.sqrt()

    def inside(self, theta: Tensor) -> Tensor:
        """Parameters in the coordinates of the metric."""
        return theta / self.root

    def gradient(self, at: Tensor, block: int) -> Tensor:
        """The gradient of one block, by x."""
        return self.root * self.losses.gradient(self.root * at, block)

    def gradients(self, at: Tensor) -> Tensor:
        """Those of all blocks."""
        return self.root * self.losses.gradients(self.root * at)

    def products(self, at: Tensor, directions: Tensor) -> Tensor:
        """Products with the Hessians by x."""
        return self.root * self.losses.products(self.root * at, self.root * directions)
