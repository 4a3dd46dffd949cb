"""Data sets in memory: what a source gives, and what training reads."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fbgd.data.augment import Shift, apply_draws
from fbgd.seeds import generator

# The target of a position at which nothing is predicted (PyTorch's own), and the token that fills up short sequences.
IGNORED = -100
PADDING = 0


@dataclass(frozen=True)
class Arrays:
    """What a source gives: raw inputs, uint8 or float, channels first or features (N, F), and int64 class labels.

    A regression has numbers (N, K) for targets, float, and ``classes`` is K. Text has int64 token numbers for inputs,
    :data:`PADDING` where a sequence has ended, and a target for each of T positions, :data:`IGNORED` where nothing is
    to be predicted.

    ``shift`` is the largest translation that keeps a sample's class, in pixels or time steps, and ``flip`` says
    whether mirroring does: the augmentation suited to this data. ``facts`` are recorded with every run.
    """

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    classes: int
    shift: int = 0
    flip: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def tokens(self) -> bool:
        """Whether the inputs are token numbers."""
        return self.train_inputs.dtype == torch.int64

    @property
    def regression(self) -> bool:
        """Whether targets are numbers to be approximated."""
        return self.train_targets.is_floating_point()


@dataclass(frozen=True)
class Samples:
    """Inputs (N, channels, ...) or tokens (N, ...), and targets (N) or (N, T), ready for a model.

    Targets of a regression are floats (N, K).
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def predictions(self) -> int:
        """How many targets there are to predict: N, and of sequences all that are not :data:`IGNORED`."""
        return len(self) if self.targets.is_floating_point() else int((self.targets != IGNORED).sum())

    @property
    def tokens_per_sample(self) -> float | None:
        """Mean number of targets of a sequence; ``None`` for class labels and regressions."""
        return None if self.targets.dim() == 1 or self.targets.is_floating_point() else self.predictions / len(self)

    def first(self, count: int) -> "Samples":
        """The first ``count`` samples, or all where there are fewer."""
        return Samples(self.inputs[:count], self.targets[:count])

    def to(self, device: torch.device, dtype: torch.dtype) -> "Samples":
        """The same samples on another device, floats in another type."""
        inputs, targets = (
            part.to(device, dtype) if part.is_floating_point() else part.to(device)
            for part in (self.inputs, self.targets)
        )
        return Samples(inputs, targets)


@dataclass(frozen=True)
class TrainingSet:
    """The training samples and how they are augmented.

    Args:
        samples: the stored samples.
        augmentation: the random shift and flip; ``None``: every pass sees the samples as they are.
        copies: 0, fresh draws for every block of every pass; k > 0, a fixed set k times as large, whose sample
            j N + i is sample i under draws of its own, made once. It is never stored: only its draws are.
        seed: decides the draws.
    """

    samples: Samples
    augmentation: Shift | None = None
    copies: int = 0
    seed: int = 0
    _fixed_draws: Tensor | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self):
        draws = None
        if self.augmentation is not None and self.copies:
            draws = self.augmentation.draw(len(self), generator(self.seed, "fixed augmentation"))
        object.__setattr__(self, "_fixed_draws", draws)

    def __len__(self) -> int:
        return len(self.samples) * max(self.copies, 1)

    def fetch(self, indices: Tensor, pass_index: int, blocks: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Inputs (K, B, ...) and targets (K, B) or (K, B, T) of a stack of K blocks.

        Args:
            indices: sample indices (K, B).
            pass_index: the pass the blocks belong to.
            blocks: the blocks' K numbers within the pass.
        """
        flat = indices.flatten()
        base = (flat % len(self.samples) if self.copies else flat).to(self.samples.inputs.device)
        inputs, targets = (part.index_select(0, base) for part in (self.samples.inputs, self.samples.targets))
        if self.augmentation is not None:
            if self._fixed_draws is not None:
                draws = self._fixed_draws[flat]
            else:
                size = indices.shape[1]
                draws = torch.cat(
                    [
                        self.augmentation.draw(size, generator(self.seed, "augmentation", pass_index, block))
                        for block in blocks
                    ]
                )
            inputs = apply_draws(inputs, draws.to(inputs.device), self.augmentation.fill)
        return inputs.view(*indices.shape, *inputs.shape[1:]), targets.view(*indices.shape, *targets.shape[1:])


@dataclass(frozen=True)
class Dataset:
    """Training, validation (perhaps none) and test data of one experiment; signals are normalised.

    ``content_hash`` is the SHA-256 over all stored inputs and targets, before normalisation and augmentation.
    """

    train: TrainingSet
    validation: Samples | None
    test: Samples
    classes: int
    content_hash: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def tokens(self) -> bool:
        """Whether the inputs are token numbers."""
        return not self.test.inputs.is_floating_point()

    @property
    def regression(self) -> bool:
        """Whether targets are numbers to be approximated; ``classes`` is then how many."""
        return self.test.targets.is_floating_point()

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.test.inputs.shape[1:])


def content_hash(*parts: Samples | None) -> str:
    """SHA-256 over shapes, types and bytes of the given samples; a missing part counts as missing."""
    digest = hashlib.sha256()
    for part in parts:
        for tensor in () if part is None else (part.inputs, part.targets):
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        digest.update(b"/")
    return digest.hexdigest()
