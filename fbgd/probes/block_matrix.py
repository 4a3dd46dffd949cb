"""The gradients of blocks, or of single samples, side by side in one matrix."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.engine.blocks import Stack
from fbgd.engine.kernels import autograd_gradient
from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from regularizers.tensor_lists import flatten

UNITS = ("blocks", "samples")
# Of a probe's random streams, that which chooses the blocks.
CHOICE = 0


class BlockMatrix(NamedTuple):
    r"""Gradients of K of all the blocks of a pass.

    Args:
        weights: :math:`w_B = |B| / \sum_{B'} |B'|` (K), float64.
        gradients: (K, D), float64.
        total: how many blocks there are, at least K.
    """

    weights: Tensor
    gradients: Tensor
    total: int

    @property
    def mean(self) -> Tensor:
        r""":math:`\bar g = \sum_B w_B g_B` (D)."""
        return self.weights @ self.gradients

    @property
    def deviations(self) -> Tensor:
        r"""Rows :math:`\sqrt{w_B} (g_B - \bar g)` (K, D), so that the covariance is :math:`A^T A`.

        Where K of M blocks were chosen the mean is their own, which takes a share of the covariance away; the factor
        :math:`(1 - 1/M) / (1 - 1/K)` gives it back, exactly on average for blocks of one size.
        """
        count = len(self.weights)
        factor = (1 - 1 / self.total) / (1 - 1 / count) if 1 < count < self.total else 1.0
        return (factor * self.weights).sqrt().unsqueeze(1) * (self.gradients - self.mean)


def check_units(of: str, most: int | None) -> None:
    """Raise :class:`ConfigError` unless ``of`` is one of :data:`UNITS` and ``most`` is ``None`` or at least 2."""
    if of not in UNITS:
        raise ConfigError(f"of = {of!r} must be one of {', '.join(UNITS)}")
    if most is not None and not most >= 2:
        raise ConfigError(f"most = {most!r} must be 2 or more, or null for all")


def block_matrix(state: ProbeState, of: str = "blocks", most: int | None = None) -> BlockMatrix:
    """The gradients of the objective of blocks of the current pass at the state's parameters; their cost is counted.

    Args:
        state: of training.
        of: ``"blocks"``, or ``"samples"``: every sample is a block of its own. Batch norm has no statistics of one
            sample, so there this says nothing about training with it.
        most: so many of them at most, drawn without replacement by the probe's own generator; ``None``: all.
    """
    blocks = state.blocks()
    total = len(blocks) if of == "blocks" else blocks.samples
    chosen = set(range(total))
    if most is not None and most < total:
        chosen = set(torch.randperm(total, generator=state.generator(CHOICE))[:most].tolist())
    gradient_of = autograd_gradient(state.objective)
    sizes, rows = [], []
    for number, (inputs, targets, key) in enumerate(units(blocks.stacks(1), of)):
        if number in chosen:
            state.spend(len(inputs))
            sizes.append(len(inputs))
            rows.append(flatten(gradient_of(state.params, inputs, targets, key)[0]).double())
    weights = torch.tensor(sizes, dtype=torch.float64, device=rows[0].device) / sum(sizes)
    return BlockMatrix(weights, torch.stack(rows), total)


def units(stacks: Iterator[Stack], of: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, targets and key of every block, or of every sample as a block of one with the key of its block."""
    for stack in stacks:
        inputs, targets, key = (part[0] for part in stack)
        if of == "blocks":
            yield inputs, targets, key
        else:
            yield from ((inputs[i : i + 1], targets[i : i + 1], key) for i in range(len(inputs)))
