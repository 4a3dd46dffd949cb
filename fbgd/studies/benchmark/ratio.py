"""A measured ratio, and what all of them are measured with."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.data import Samples, TrainingSet
from fbgd.engine.blocks import BlockOrder, BlockSource

LR = 0.4


@dataclass(frozen=True)
class Ratio:
    """One measured ratio: ``value`` is slow side over fast side, or cost over cost, as ``name`` says.

    ``wanted`` is what the project aims at; ``note`` explains what is compared.
    """

    name: str
    value: float
    wanted: str
    met: bool
    note: str
    seconds: tuple[float, float]


def side_by_side(first: Callable, second: Callable, repeats: int) -> tuple[float, float]:
    """Best seconds of two functions, timed in turns after a warm-up of each."""
    times: tuple[list[float], list[float]] = ([], [])
    first(), second()
    for _ in range(repeats):
        for held, function in zip(times, (first, second), strict=True):
            start = time.perf_counter()
            function()
            held.append(time.perf_counter() - start)
    return min(times[0]), min(times[1])


def source_of(samples: Samples, block_size: int) -> BlockSource:
    """All blocks of the samples in every step."""
    data = TrainingSet(samples)
    return BlockSource(data, BlockOrder(len(data), block_size, "all", "fixed", seed=0))


def random_samples(count: int, shape: tuple[int, ...]) -> Samples:
    """Random inputs with random labels."""
    return Samples(torch.randn(count, *shape), torch.randint(10, (count,)))


def detached(model: nn.Module) -> list[Tensor]:
    """The model's parameters without their graph."""
    return [param.detach() for param in model.parameters()]
