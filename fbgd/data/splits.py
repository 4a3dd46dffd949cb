"""Seeded, stratified subsets."""

import torch
from torch import Tensor

from fbgd.seeds import generator


def stratified_order(targets: Tensor, seed: int) -> Tensor:
    """A seeded order of all indices (N) whose every beginning holds the classes in their overall proportions.

    The i-th of a class's c members is placed at (i + 1/2) / c of the way through, so a prefix of m indices holds
    each class m c / N times, within one. Prefixes are nested: a larger subset contains every smaller one.
    """
    shuffled = torch.randperm(len(targets), generator=generator(seed, "split"))
    position = torch.empty(len(targets), dtype=torch.float64)
    for label in targets.unique():
        members = shuffled[targets[shuffled] == label]
        position[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    # Ties between classes follow the shuffled order, which a stable sort keeps.
    return shuffled[torch.argsort(position[shuffled], stable=True)]


def split_indices(
    targets: Tensor, train_size: int | None, validation_size: int, seed: int, part: int = 0
) -> tuple[Tensor, Tensor]:
    """Indices of a training subset and of a validation split held out of the training set, both stratified.

    Args:
        targets: labels (N) of the whole training set.
        train_size: samples to train on; ``None``: all that the validation split leaves.
        validation_size: samples held out, 0 for none.
        seed: decides both. The validation split comes first, so it is the same for every ``train_size``.
        part: which one of the subsets of ``train_size`` samples that have none in common, from 0.

    Raises:
        ValueError: the sizes do not fit into N.
    """
    available = len(targets)
    if not 0 <= validation_size < available:
        raise ValueError(f"data.validation_size = {validation_size!r} is outside the valid range [0, {available - 1}]")
    left = available - validation_size
    size = left if train_size is None else train_size
    if not 1 <= size <= left:
        raise ValueError(
            f"data.train_size = {size!r} is outside the valid range [1, {left}] "
            f"({available} samples, {validation_size} of them held out for validation)"
        )
    parts = left // size
    if not 0 <= part < parts:
        raise ValueError(
            f"data.part = {part!r} is outside the valid range [0, {parts - 1}]: {left} samples hold {parts} part(s) of "
            f"data.train_size = {size}"
        )
    order = stratified_order(targets, seed)
    start = validation_size + part * size
    return order[start : start + size], order[:validation_size]
