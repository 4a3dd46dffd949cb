r"""Descent on blocks and the flows that it follows: that of the loss, and that of the modified loss.

Backward error analysis: with step size h, gradient descent and the mean over all orders of a pass over m blocks follow,
for the time h of every step, the flow of

.. math:: \tilde L = \bar L + \frac{h}{4m} \sum_{k=1}^{m} \lVert \nabla L_k \rVert^2,
    \qquad \bar L = \frac1m \sum_k L_k

up to :math:`O(h^3)` in a pass, the flow of :math:`\bar L` up to :math:`O(h^2)`. Gradient descent is the case m = 1.

For blocks of any sizes: the expansion of a pass in the order :math:`\pi` with steps :math:`-h \nabla L_{\pi(j)}` is

.. math:: \theta_m = \theta - h \sum_k g_k + h^2 \sum_{i < j} H_{\pi(j)} g_{\pi(i)} + O(h^3)

and an order with its reverse contains every pair k, l once each way, so that already their mean is

.. math:: \theta - h \sum_k g_k + \frac{h^2}{2} \Big(\sum_k H_k \sum_l g_l - \sum_k H_k g_k\Big) + O(h^3)

which is the flow of :math:`\tilde L` for the time m h. The sizes of the blocks do not occur: every step is as large,
so a small block counts as much as a large one, in :math:`\bar L` and in the penalty. Losses :math:`a_k L_k` are steps
of the size :math:`h a_k`; with :math:`a_k = m |B_k| / N` the mean is the loss over all samples, and the penalty is
:math:`\frac{h m}{4} \sum_k (|B_k| / N)^2 \lVert \nabla L_k \rVert^2`.

Source: Barrett & Dherin 2021, "Implicit Gradient Regularization"; Smith, Dherin, Barrett & De 2021, "On the Origin of
Implicit Regularization in Stochastic Gradient Descent".
"""

from collections.abc import Iterable, Sequence
from itertools import permutations

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from fbgd.probes.block_losses import BlockLosses

# Up to this number of blocks all orders are taken: 24 of four.
MOST_BLOCKS = 4
BLOCKS, MEAN = "blocks", "mean"


def orders(blocks: int, pairs: int = 1, generator: torch.Generator | None = None) -> list[tuple[int, ...]]:
    """Orders of blocks whose mean stands for that of all: all of them, or random ones, each with its reverse.

    Args:
        blocks: m.
        pairs: so many random orders and their reverses where there are more than four blocks.
        generator: of the random orders.

    >>> orders(2)
    [(0, 1), (1, 0)]
    >>> len(orders(4)), len(orders(20, pairs=3))
    (24, 6)
    """
    if blocks <= MOST_BLOCKS:
        return list(permutations(range(blocks)))
    drawn = [tuple(torch.randperm(blocks, generator=generator).tolist()) for _ in range(pairs)]
    return [order for own in drawn for order in (own, own[::-1])]


def descend(losses: BlockLosses, start: Tensor, rate: float, order: Iterable[int]) -> Tensor:
    """Steps of plain descent on one block after another."""
    at = start
    for block in order:
        at = at - rate * losses.gradient(at, block)
    return at


def mean_pass(losses: BlockLosses, start: Tensor, rate: float, chosen: Sequence[tuple[int, ...]]) -> Tensor:
    """Where a pass ends in the mean over some orders of the blocks."""
    total = torch.zeros_like(start)
    for order in chosen:
        total += descend(losses, start, rate, order)
    return total / len(chosen)


def penalty_gradient(losses: BlockLosses, at: Tensor, gradients: Tensor, of: str = BLOCKS) -> Tensor:
    r"""The gradient of the mean over blocks of :math:`\lVert \nabla L_k \rVert^2`, or of that of the mean gradient.

    .. math:: \frac2m \sum_k H_k g_k \quad\text{or}\quad \frac2m \sum_k H_k \bar g

    Args:
        losses: of the blocks.
        at: where (D).
        gradients: of the blocks there (m, D).
        of: :data:`BLOCKS` or :data:`MEAN`.
    """
    directions = gradients if of == BLOCKS else gradients.mean(0).expand_as(gradients)
    return 2 * losses.products(at, directions).mean(0)


def flow(
    losses: BlockLosses,
    start: Tensor,
    time: float,
    penalty: float = 0.0,
    of: str = BLOCKS,
    tolerance: float = 1e-12,
) -> Tensor:
    r"""Where the flow of the mean loss with a penalty on squared gradients leads from ``start`` in ``time``.

    .. math:: \theta' = -\nabla \Big(\bar L + \frac{c}{m} \sum_k \lVert \nabla L_k \rVert^2\Big)

    by a Runge-Kutta method of the eighth order with steps of its own choice (DOP853).

    Args:
        losses: of the blocks.
        start: parameters (D) in float64.
        time: at least 0.
        penalty: c.
        of: what is penalised, the :data:`BLOCKS`' gradients or their :data:`MEAN`.
        tolerance: of an integration step, relative to the largest parameter.

    Raises:
        ValueError: the flow leaves every bound before that time.

    >>> class Bowl:  # L = 3 theta^2 / 2
    ...     def gradients(self, at): return 3 * at[None]
    ...     def products(self, at, directions): return 3 * directions
    >>> start = torch.tensor([2.0], dtype=torch.float64)
    >>> import math
    >>> round(float(flow(Bowl(), start, 0.5)), 6), round(2 * math.exp(-1.5), 6)
    (0.44626, 0.44626)
    >>> round(float(flow(Bowl(), start, 0.5, penalty=0.1)), 6), round(2 * math.exp(-0.5 * 3 * 1.6), 6)
    (0.181436, 0.181436)
    """

    def field(_, values):
        at = torch.from_numpy(values).to(start)
        gradients = losses.gradients(at)
        total = gradients.mean(0)
        if penalty:
            total = total + penalty * penalty_gradient(losses, at, gradients, of)
        return (-total).double().cpu().numpy()

    values = start.double().cpu().numpy()
    scale = max(float(abs(values).max()), 1e-12)
    found = solve_ivp(field, (0.0, time), values, "DOP853", [time], rtol=max(tolerance, 3e-14), atol=tolerance * scale)
    if not found.success:
        raise ValueError(f"the flow of the loss ends before the time {time:g}: {found.message}")
    return torch.from_numpy(found.y[:, -1]).to(start)
