"""Problems in float64 whose flows are known: a quadratic, a model of two parameters, a small network."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from fbgd.data import Dataset
from fbgd.engine.blocks import StepBlocks
from fbgd.engine.objective import classification
from fbgd.probes.block_losses import BlockLosses, NetworkLosses
from regularizers.tensor_lists import flatten

# Shares of the samples, so that what a block's size does not change shows.
SHARES = (1, 2, 3, 4)
QUADRATIC, PRODUCT, NETWORK = "quadratic", "two parameters", "tanh network"


class Quadratic:
    r"""Block losses :math:`L_k = \frac12 (\theta - c_k)^T A_k (\theta - c_k)`, whose flows are matrix exponentials.

    Args:
        curvatures: :math:`A_k` (m, D, D), symmetric.
        centres: :math:`c_k` (m, D).
        weights: the blocks' shares of the samples (m).
        start: where descent begins (D).
    """

    def __init__(self, curvatures: Tensor, centres: Tensor, weights: Tensor, start: Tensor):
        self.curvatures, self.centres, self.weights, self.start = curvatures, centres, weights, start

    @classmethod
    def draw(cls, seed: int, dimensions: int = 6, blocks: int = len(SHARES)) -> "Quadratic":
        """Random ones with curvatures from 0.1 to 2 in directions of each block's own."""
        draw = np.random.default_rng(seed)
        bases = [np.linalg.qr(draw.normal(size=(dimensions, dimensions)))[0] for _ in range(blocks)]
        values = np.geomspace(0.1, 2, dimensions)
        curvatures = np.stack([basis * values @ basis.T for basis in bases])
        sizes = np.resize(SHARES, blocks)
        arrays = (curvatures, draw.normal(size=(blocks, dimensions)), sizes / sizes.sum(), draw.normal(size=dimensions))
        return cls(*(torch.from_numpy(array) for array in arrays))

    def gradient(self, at: Tensor, block: int) -> Tensor:
        """Of one block."""
        return self.curvatures[block] @ (at - self.centres[block])

    def gradients(self, at: Tensor) -> Tensor:
        """Of all blocks."""
        return torch.einsum("kij,kj->ki", self.curvatures, at - self.centres)

    def products(self, at: Tensor, directions: Tensor) -> Tensor:
        """With the curvatures."""
        return torch.einsum("kij,kj->ki", self.curvatures, directions)

    def exact_flow(self, time: float, penalty: float, scales: Tensor, *, whole: bool) -> Tensor:
        r"""The flow from the start of the mean of :math:`a_k L_k` with its penalty, by a matrix exponential.

        Args:
            time: that it takes.
            penalty: c, of the mean over blocks of the squared gradients, or of the squared mean gradient.
            scales: :math:`a_k` (m).
            whole: penalise the mean gradient.
        """
        import scipy.linalg

        curvatures = scales[:, None, None] * self.curvatures
        pulls = torch.einsum("kij,kj->ki", curvatures, self.centres)
        mean, pull = curvatures.mean(0), pulls.mean(0)
        squares = mean @ mean if whole else (curvatures @ curvatures).mean(0)
        pulled = mean @ pull if whole else torch.einsum("kij,kj->ki", curvatures, pulls).mean(0)
        matrix, constant = -(mean + 2 * penalty * squares), pull + 2 * penalty * pulled
        # An affine flow is a linear one of one more dimension.
        size = len(self.start)
        affine = np.zeros((size + 1, size + 1))
        affine[:size, :size], affine[:size, size] = time * matrix.numpy(), time * constant.numpy()
        moved = scipy.linalg.expm(affine) @ np.append(self.start.numpy(), 1.0)
        return torch.from_numpy(moved[:size])


class TwoParameters:
    r"""The model :math:`y = a b x` with squared loss, from (2.8, 3.5): a curve of minima, and two curvatures.

    .. math:: L_k = \frac{1}{2 |B_k|} \sum_{i \in B_k} (y_i - a b x_i)^2

    Args:
        squares: the mean of :math:`x^2` over each block (m).
        products_of: the mean of x y (m).
        weights: the blocks' shares of the samples (m).

    Source: Barrett & Dherin 2021, section 3, with x = 1 and y = 0.6 (recalled); here the samples of the blocks differ.
    """

    start = torch.tensor([2.8, 3.5], dtype=torch.float64)

    def __init__(self, squares: Tensor, products_of: Tensor, weights: Tensor):
        self.squares, self.products_of, self.weights = squares, products_of, weights

    @classmethod
    def draw(cls, seed: int) -> "TwoParameters":
        """Samples around x = 1, y = 0.6, in blocks of one to four."""
        draw = np.random.default_rng(seed)
        means = []
        for size in SHARES:
            x, y = 1 + 0.3 * draw.normal(size=size), 0.6 + 0.3 * draw.normal(size=size)
            means.append((np.mean(x * x), np.mean(x * y)))
        squares, products_of = torch.tensor(np.array(means)).T
        return cls(squares, products_of, torch.tensor(SHARES, dtype=torch.float64) / sum(SHARES))

    def slopes(self, at: Tensor) -> Tensor:
        """Derivatives of the block losses by the product a b (m)."""
        return self.squares * at.prod() - self.products_of

    def gradient(self, at: Tensor, block: int) -> Tensor:
        """Of one block."""
        return self.slopes(at)[block] * at.flip(0)

    def gradients(self, at: Tensor) -> Tensor:
        """Of all blocks."""
        return self.slopes(at)[:, None] * at.flip(0)

    def products(self, at: Tensor, directions: Tensor) -> Tensor:
        """With the Hessians, which are the outer product of (b, a) and a swap."""
        other = at.flip(0)
        return (self.squares * (directions @ other))[:, None] * other + self.slopes(at)[:, None] * directions.flip(1)


@dataclass(frozen=True)
class Problem:
    """Block losses and where descent on them begins.

    Args:
        losses: of the blocks.
        start: (D).
        rate: a step size that is small against the inverse curvature at the start.
    """

    losses: BlockLosses
    start: Tensor
    rate: float


def tanh_network(data: Dataset, width: int, seed: int) -> Problem:
    """A network with one hidden layer of tanh on blocks whose sizes are as 1, 2, 3, 4, of different samples.

    Args:
        data: its training set is all used.
        width: of the hidden layer.
        seed: of the initialisation and of the blocks.
    """
    torch.manual_seed(seed)
    inputs = data.train.samples.inputs[0].numel()
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, data.classes)).double()
    params = [param.detach() for param in model.parameters()]
    indices = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))
    bounds = (np.cumsum(SHARES)[:-1] * len(data.train) // sum(SHARES)).tolist()
    blocks = StepBlocks(data.train, list(indices.tensor_split(bounds)), 0, 0)
    return Problem(NetworkLosses(classification(model), params, blocks), flatten(params), 0.1)


def closed_form(
    make: Callable[[int], Quadratic | TwoParameters], rate: float
) -> Callable[[Dataset, int, int], Problem]:
    """A problem that takes nothing from the data."""

    def problem(data: Dataset, width: int, seed: int) -> Problem:
        losses = make(seed)
        return Problem(losses, losses.start, rate)

    return problem


PROBLEMS: dict[str, Callable[[Dataset, int, int], Problem]] = {
    QUADRATIC: closed_form(Quadratic.draw, 0.05),
    PRODUCT: closed_form(TwoParameters.draw, 0.001),
    NETWORK: tanh_network,
}
