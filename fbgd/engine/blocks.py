"""The training set cut into blocks: which samples make up each step, for every regime."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.data.dataset import IGNORED, TrainingSet
from fbgd.seeds import block_key, generator, stream_names
from regularizers import BlockTransform

ORDERS = ("fixed", "reshuffle", "with_replacement")


@dataclass(frozen=True)
class BlockOrder:
    """Blocks of sample indices, pass by pass.

    Block sizes differ by one at most (``torch.tensor_split``), none is dropped, and the order depends on ``seed`` and
    the pass alone.

    Args:
        samples: N, the size of the training set.
        block_size: the largest block wanted, 1 to N; the number of blocks is ceil(N / block_size).
        blocks_per_step: how many blocks a step uses, or ``"all"`` of them (full batch). When it does not divide the
            number of blocks, steps differ by one block at most.
        order: ``"fixed"``, one seeded partition for all passes; ``"reshuffle"``, a new one each pass;
            ``"with_replacement"``, independent uniform draws.
        seed: decides every draw.

    Raises:
        ValueError: an argument is outside its range.
    """

    samples: int
    block_size: int
    blocks_per_step: int | str
    order: str
    seed: int

    def __post_init__(self):
        if not 1 <= self.block_size <= self.samples:
            raise ValueError(
                f"regime.block_size = {self.block_size} is outside the valid range [1, {self.samples}] "
                f"({self.samples} training samples)"
            )
        if self.blocks_per_step != "all" and not (
            isinstance(self.blocks_per_step, int) and 1 <= self.blocks_per_step <= self.blocks_per_pass
        ):
            raise ValueError(
                f"regime.blocks_per_step = {self.blocks_per_step!r} is neither 'all' nor in the valid range "
                f"[1, {self.blocks_per_pass}] ({self.blocks_per_pass} blocks a pass)"
            )
        if self.order not in ORDERS:
            raise ValueError(f"regime.order = {self.order!r} is not one of {', '.join(map(repr, ORDERS))}")

    @cached_property
    def blocks_per_pass(self) -> int:
        """ceil(N / block_size)."""
        return -(-self.samples // self.block_size)

    @cached_property
    def steps_per_pass(self) -> int:
        """ceil(blocks_per_pass / blocks_per_step), 1 for full batch."""
        if isinstance(self.blocks_per_step, str):
            return 1
        return -(-self.blocks_per_pass // self.blocks_per_step)

    def blocks(self, pass_index: int) -> list[Tensor]:
        """The sample indices of every block of one pass."""
        draw = generator(self.seed, "order", 0 if self.order == "fixed" else pass_index)
        if self.order == "with_replacement":
            indices = torch.randint(self.samples, (self.samples,), generator=draw)
        else:
            indices = torch.randperm(self.samples, generator=draw)
        return list(indices.tensor_split(self.blocks_per_pass))

    def step_blocks(self, step_in_pass: int) -> range:
        """Which blocks of its pass a step uses."""
        return dealt(self.blocks_per_pass, step_in_pass, self.steps_per_pass)


def dealt(count: int, part: int, parts: int) -> range:
    """Which of ``count`` things in a row are in a part; sizes differ by one at most, and the larger come first.

    >>> [list(dealt(5, part, 3)) for part in range(3)]
    [[0, 1], [2, 3], [4]]
    """
    whole, rest = divmod(count, parts)
    start = part * whole + min(part, rest)
    return range(start, start + whole + (part < rest))


@dataclass(frozen=True)
class BlockTransforms:
    """What is done to the inputs and labels of every block that is trained on: mixing, smoothing, noise.

    Draws depend on the seed, the transform, the pass and the block alone.

    Args:
        transforms: in the order in which they act.
        classes: number of classes; labels (B) become class probabilities (B, classes), and those of sequences (B, T)
            become (B, T, classes), all 0 where nothing is predicted. Numbers of a regression stay what they are.
        seed: decides every draw.
        dtype: of the probabilities; ``None``: that of the inputs.
    """

    transforms: tuple[BlockTransform, ...]
    classes: int
    seed: int
    dtype: torch.dtype | None = None

    def __call__(
        self, inputs: Tensor, targets: Tensor, pass_index: int, blocks: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Inputs (K, B, ...) and class probabilities (K, B, ..., classes) of the ``blocks`` of a pass."""
        if not self.transforms:
            return inputs, targets
        if not targets.is_floating_point():
            targets = self.probabilities(targets, self.dtype or inputs.dtype)
        changed = []
        for pair, block in zip(zip(inputs, targets, strict=True), blocks, strict=True):
            for transform, stream in zip(self.transforms, stream_names(self.transforms), strict=True):
                draw = generator(self.seed, stream, pass_index, block)
                pair = transform(*pair, draw)
            changed.append(pair)
        return torch.stack([pair[0] for pair in changed]), torch.stack([pair[1] for pair in changed])

    def probabilities(self, labels: Tensor, dtype: torch.dtype) -> Tensor:
        """Class probabilities (..., classes) of labels (...), all 0 where nothing is predicted."""
        predicted = (labels != IGNORED).unsqueeze(-1)
        probabilities = torch.zeros(*labels.shape, self.classes, dtype=dtype, device=labels.device)
        return probabilities.scatter_(-1, labels.unsqueeze(-1).where(predicted, 0), predicted.to(dtype))


class Stack(NamedTuple):
    """K equal-sized blocks: inputs (K, B, ...), labels (K, B) or class probabilities (K, B, classes), keys (K).

    Of sequences: labels (K, B, T) or class probabilities (K, B, T, classes).
    """

    inputs: Tensor
    targets: Tensor
    keys: Tensor


@dataclass(frozen=True)
class StepBlocks:
    """The blocks of one step with their data, fetched a stack at a time, as often as they are asked for.

    Args:
        data: the training set.
        indices: sample indices (B), one tensor a block.
        pass_index: the pass they belong to.
        first: the number, within the pass, of the first block.
        transforms: applied to every block that is fetched.
        keys: what random layers draw from, one a block; ``None``: zeros, for what has no random layers.
        whole: samples of the step, where these are a share of its blocks; ``None``: they are all.
    """

    data: TrainingSet
    indices: list[Tensor]
    pass_index: int
    first: int
    transforms: BlockTransforms | None = None
    keys: Tensor | None = None
    whole: int | None = None

    @cached_property
    def samples(self) -> int:
        """How many samples the blocks of the step hold together, those of other ranks included."""
        return sum(block.shape[-1] for block in self.indices) if self.whole is None else self.whole

    def share(self, rank: int, ranks: int) -> "StepBlocks":
        """The blocks of one rank, in a row; their weights, numbers and draws stay those of the whole step."""
        own = dealt(len(self), rank, ranks)
        part = slice(own.start, own.stop)
        keys = None if self.keys is None else self.keys[part]
        indices = self.indices[part]
        return replace(self, indices=indices, first=self.first + own.start, keys=keys, whole=self.samples)

    def __len__(self) -> int:
        return len(self.indices)

    def stacks(self, blocks_per_call: int) -> Iterator[Stack]:
        """Stacks of at most ``blocks_per_call`` equal-sized blocks."""
        sizes = [block.shape[-1] for block in self.indices]
        start = 0
        while start < len(sizes):
            stop = start + 1
            while stop < min(start + blocks_per_call, len(sizes)) and sizes[stop] == sizes[start]:
                stop += 1
            numbers = range(self.first + start, self.first + stop)
            inputs, targets = self.data.fetch(torch.stack(self.indices[start:stop]), self.pass_index, numbers)
            if self.transforms is not None:
                inputs, targets = self.transforms(inputs, targets, self.pass_index, numbers)
            keys = torch.zeros(stop - start, dtype=torch.int64) if self.keys is None else self.keys[start:stop]
            yield Stack(inputs, targets, keys.to(inputs.device))
            start = stop


class BlockSource:
    """The blocks of every step of a run: a :class:`BlockOrder` over a :class:`TrainingSet`.

    Args:
        data: the training set.
        order: which samples make up each block.
        transforms: of the blocks that are trained on.
    """

    def __init__(self, data: TrainingSet, order: BlockOrder, transforms: BlockTransforms | None = None):
        self.data = data
        self.order = order
        self.transforms = transforms
        self._pass_index = -1
        self._blocks: list[Tensor] = []
        self._keys = torch.zeros(0, dtype=torch.int64)

    @property
    def steps_per_pass(self) -> int:
        """How many steps a pass takes."""
        return self.order.steps_per_pass

    def step(self, step: int) -> StepBlocks:
        """The blocks of one step, counted from 0 over the whole run."""
        pass_index, step_in_pass = divmod(step, self.steps_per_pass)
        chosen = self.order.step_blocks(step_in_pass)
        own = slice(chosen.start, chosen.stop)
        indices = self._pass_blocks(pass_index)[own]
        return StepBlocks(self.data, indices, pass_index, chosen.start, self.transforms, self._keys[own])

    def training_pass(self, pass_index: int) -> StepBlocks:
        """All blocks of one pass as its steps see them, transformed and with the keys of random layers."""
        indices = self._pass_blocks(pass_index)
        return StepBlocks(self.data, indices, pass_index, 0, self.transforms, self._keys)

    def whole_pass(self, pass_index: int) -> StepBlocks:
        """All blocks of one pass, untransformed: what evaluation takes population statistics over."""
        return StepBlocks(self.data, self._pass_blocks(pass_index), pass_index, 0)

    def _pass_blocks(self, pass_index: int) -> list[Tensor]:
        if pass_index != self._pass_index:
            self._blocks = self.order.blocks(pass_index)
            keys = [block_key(self.order.seed, pass_index, number) for number in range(len(self._blocks))]
            self._keys = torch.tensor(keys)
            self._pass_index = pass_index
        return self._blocks
