r"""What a step costs on more ranks than were measured: blocks are dealt, and what ranks wait is counted.

.. math::
    t(R) = \max_r \big( o + \sum_{b \in r} c_b \big) + a(R, n), \qquad
    a(R, n) = 2 (R - 1)\, \lambda + \frac{2 (R - 1)}{R} \frac{n}{\beta}

with the cost c of a block, the overhead o of a step, and the all-reduce of n bytes on a ring: latency :math:`\lambda` a
message and bandwidth :math:`\beta`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbgd.engine.blocks import dealt

STEPS = 200


@dataclass(frozen=True)
class AllReduce:
    """The cost of an all-reduce on a ring.

    Args:
        latency: seconds a message.
        bandwidth: bytes a second.

    >>> AllReduce(1e-5, 1e9).seconds(2, 1_000_000)  # two messages, each of half the bytes
    0.00102
    """

    latency: float
    bandwidth: float

    def seconds(self, ranks: int, size: int) -> float:
        """What ``size`` bytes take on ``ranks`` processes; one has nothing to send."""
        return 2 * (ranks - 1) * (self.latency + size / (ranks * self.bandwidth))


@dataclass(frozen=True)
class StepCost:
    """What a step costs on one rank.

    Args:
        block: seconds a block, mean.
        overhead: seconds a step beside its blocks.
        spread: standard deviation of a block's seconds, as a share of the mean.
    """

    block: float
    overhead: float
    spread: float = 0.0


@dataclass(frozen=True)
class Projection:
    """A step on so many ranks.

    Args:
        ranks: processes.
        blocks: of the step, all ranks together.
        seconds: a step, mean.
        speedup: seconds of the same blocks on one rank over ``seconds``.
        idle: share of the ranks' time in which they wait for the slowest or for the all-reduce.
        all_reduce: share of a step that the all-reduce takes.
    """

    ranks: int
    blocks: int
    seconds: float
    speedup: float
    idle: float
    all_reduce: float

    @property
    def efficiency(self) -> float:
        """Speed-up over ranks."""
        return self.speedup / self.ranks


def buffer_bytes(parameters: int, ranks: int, statistics: int = 5) -> int:
    """The bytes of a step's one buffer in float32: the gradient, and a place of three numbers a statistic and rank.

    >>> buffer_bytes(1000, 2)
    4120
    """
    return 4 * (parameters + 3 * statistics * ranks)


def fit_all_reduce(sizes: Sequence[int], seconds: Sequence[float], ranks: int = 2) -> AllReduce:
    """Latency and bandwidth by measured all-reduces on ``ranks`` processes, by least squares of relative errors.

    >>> fitted = fit_all_reduce([1000, 10**6], [AllReduce(1e-4, 1e9).seconds(2, size) for size in (1000, 10**6)])
    >>> round(fitted.latency, 9), round(fitted.bandwidth)
    (0.0001, 1000000000)
    """
    times = np.asarray(seconds)
    columns = np.stack([np.full(len(sizes), 2.0 * (ranks - 1)), 2 * (ranks - 1) / ranks * np.asarray(sizes)], axis=1)
    latency, per_byte = np.linalg.lstsq(columns / times[:, None], np.ones(len(sizes)), rcond=None)[0]
    # Noise may ask for less than nothing.
    return AllReduce(max(float(latency), 0.0), 1 / max(float(per_byte), 1e-15))


def project(
    cost: StepCost, all_reduce: AllReduce, parameters: int, blocks: int, ranks: int, seed: int = 0
) -> Projection:
    """Deal ``blocks`` to ``ranks`` in rows, step by step, and count.

    Args:
        cost: of a step on one rank.
        all_reduce: of the buffer.
        parameters: of the model, in float32.
        blocks: of a step.
        ranks: processes; more than there are blocks leave some without.
        seed: of the blocks' costs, which are gamma distributed.

    >>> step = project(StepCost(block=0.1, overhead=0.0), AllReduce(0.0, 1e12), parameters=10, blocks=5, ranks=2)
    >>> round(step.seconds, 3), round(step.speedup, 3), round(step.idle, 3)  # three blocks and two
    (0.3, 1.667, 0.167)
    """
    draw = np.random.default_rng(seed)
    shape = (STEPS, blocks)
    seconds = np.full(shape, cost.block)
    if cost.spread:
        seconds = draw.gamma(1 / cost.spread**2, cost.block * cost.spread**2, shape)
    shares = [dealt(blocks, rank, ranks) for rank in range(ranks)]
    busy = cost.overhead + np.stack([seconds[:, own.start : own.stop].sum(1) for own in shares], axis=1)
    sending = all_reduce.seconds(ranks, buffer_bytes(parameters, ranks))
    step = busy.max(1) + sending
    alone = cost.overhead + seconds.sum(1)
    return Projection(
        ranks,
        blocks,
        float(step.mean()),
        float(alone.mean() / step.mean()),
        float(1 - busy.sum() / (ranks * step.sum())),
        float(sending / step.mean()),
    )
