"""One run on several processes: whose each block is, and the sum that makes their parts the mean.

Every rank holds the model, the optimizer and the data, and takes every step; only the blocks of the step are dealt. The
weights |B|/N are those of the whole step, so the ranks' partial sums add up to the mean gradient, and one all-reduce
of one flat buffer gives it to all of them. What a step does with the gradient is then the same arithmetic on all ranks.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn as nn
from torch import Tensor

from fbgd.data import Samples
from fbgd.engine.blocks import StepBlocks, dealt
from fbgd.errors import ConfigError

Value = TypeVar("Value")


class RankLost(ConnectionError):
    """Another process of the run is gone, or has not answered in time."""


class Ranks:
    """The processes that a run is dealt to; this class is one process by itself, which keeps everything.

    Attributes:
        rank: the number of this process, from 0.
        count: how many there are.
        asked: the number of the signal that this process was asked to stop by; 0: none.
        agreed: the largest ``asked`` of all ranks at the last sum: the same on all of them.
    """

    def __init__(self, rank: int = 0, count: int = 1):
        self.rank, self.count = rank, count
        self.asked = self.agreed = 0

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which alone writes, probes and talks."""
        return self.rank == 0

    def blocks(self, blocks: StepBlocks) -> StepBlocks:
        """This rank's share of a step's blocks."""
        return blocks

    def samples(self, samples: Samples) -> Samples:
        """This rank's share of the samples of an evaluation."""
        return samples

    def mean(
        self, gradient: list[Tensor], statistics: Tensor, largest: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor, Tensor | None]:
        """The sums over ranks of weighted gradients and of their statistics (n), which are the means of the step.

        Of float64 ``largest`` (k) it is the largest over ranks.
        """
        return gradient, statistics, largest

    def total(self, parts: Tensor) -> Tensor:
        """The sum over ranks of float64 ``parts``."""
        return parts

    def gathered(self, outputs: Tensor, samples: int) -> Tensor:
        """The outputs for all ``samples``, by every rank's for its own share."""
        return outputs

    def of_first(self, value: Value) -> Value:
        """What rank 0 has for ``value``."""
        return value

    def check_same(self, what: str, own: object) -> None:
        """Raise :class:`ConfigError`, on all ranks, where one of them has something else than rank 0."""

    def check_weights(self, model: nn.Module) -> None:
        """The same of every bit of the weights."""


ALONE = Ranks()


class RankGroup(Ranks):
    """A process of several, which ``torch.distributed`` connects.

    Args:
        rank: its number in the group.
        count: how many there are.
        group: of processes, the first of which is process 0; ``None``: all.
    """

    def __init__(self, rank: int, count: int, group: dist.ProcessGroup | None = None):
        super().__init__(rank, count)
        self.group = group

    def blocks(self, blocks: StepBlocks) -> StepBlocks:
        return blocks.share(self.rank, self.count)

    def samples(self, samples: Samples) -> Samples:
        own = self._own(len(samples))
        return Samples(samples.inputs[own], samples.targets[own])

    def mean(
        self, gradient: list[Tensor], statistics: Tensor, largest: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor, Tensor | None]:
        extremes = statistics.new_zeros(0) if largest is None else largest
        values = torch.cat([statistics, extremes, statistics.new_tensor([float(self.asked)])])
        own = exact_parts(values, gradient[0].dtype)
        # A place for each rank: a sum with zeros loses nothing, so statistics stay doubles beside a float32 gradient.
        slots = own.new_zeros(self.count, *own.shape)
        slots[self.rank] = own
        flat = torch.cat([*(entry.reshape(-1) for entry in gradient), slots.reshape(-1)])
        self._all_reduce(flat)
        *entries, slots_of_all = flat.split([*(entry.numel() for entry in gradient), slots.numel()])
        told = slots_of_all.view(slots.shape).double().sum(-1)
        self.agreed = max(self.agreed, int(told[:, -1].max()))
        summed = [entry.view_as(own) for entry, own in zip(entries, gradient, strict=True)]
        sums, extremes, _ = told.split([len(statistics), len(extremes), 1], dim=1)
        return summed, sums.sum(0), None if largest is None else extremes.amax(0)

    def total(self, parts: Tensor) -> Tensor:
        summed = parts.clone()
        self._all_reduce(summed)
        return summed

    def gathered(self, outputs: Tensor, samples: int) -> Tensor:
        whole = outputs.new_zeros(samples, *outputs.shape[1:])
        whole[self._own(samples)] = outputs
        self._all_reduce(whole)
        return whole

    def of_first(self, value: Value) -> Value:
        told: list[Any] = [value]
        try:
            dist.broadcast_object_list(told, src=0, group=self.group)
        except RuntimeError as error:
            raise RankLost(reason_of(error)) from error
        return told[0]

    def check_same(self, what: str, own: object) -> None:
        told: list[Any] = [None] * self.count
        try:
            dist.all_gather_object(told, own, group=self.group)
        except RuntimeError as error:
            raise RankLost(reason_of(error)) from error
        others = ", ".join(str(rank) for rank, value in enumerate(told) if value != told[0])
        if others:
            raise ConfigError(
                f"rank {others}: {what} not those of rank 0; all ranks need the same files and packages, devices of "
                "one kind with as many threads, and no draws from generators that are not seeded"
            )

    def check_weights(self, model: nn.Module) -> None:
        self.check_same("the weights are", fingerprint(list(model.parameters())))

    def _own(self, samples: int) -> slice:
        own = dealt(samples, self.rank, self.count)
        return slice(own.start, own.stop)

    def _all_reduce(self, values: Tensor) -> None:
        try:
            dist.all_reduce(values, group=self.group)
        except RuntimeError as error:
            raise RankLost(reason_of(error)) from error


def exact_parts(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Doubles (n) as numbers (n, P) of ``dtype`` that add up to them exactly: one of float64, three of float32.

    >>> exact_parts(torch.tensor([1 / 3], dtype=torch.float64), torch.float32).double().sum(1).item() == 1 / 3
    True
    """
    rest, parts = values.double(), []
    for _ in range(1 if dtype == torch.float64 else 3):
        parts.append(rest.to(dtype))
        # Beyond infinity there is nothing left.
        rest = (rest - parts[-1].double()).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return torch.stack(parts, dim=-1)


def fingerprint(params: Sequence[Tensor]) -> list[int]:
    """A number for each parameter that another value of any of its entries would change."""
    kinds = {8: torch.int64, 4: torch.int32, 2: torch.int16}
    bits = (param.detach().contiguous().view(kinds[param.element_size()]) for param in params)
    return [int(entry.sum(dtype=torch.int64)) for entry in bits]


def reason_of(error: BaseException) -> str:
    """Why a collective failed, in one line without the places in torch's own code.

    >>> reason_of(RuntimeError("[/src/gloo/pair.cc:553] Connection closed by peer [10.0.0.2]:60593. This is typically"))
    'Connection closed by peer [10.0.0.2]:60593'
    """
    lines = str(error).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    return re.sub(r"^\[\S+:\d+\] ", "", line).partition(". ")[0]
