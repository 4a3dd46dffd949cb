"""From a source's arrays to the data of an experiment: subset, split, noise, normalisation, augmentation."""

import re

import torch
from torch import Tensor

from fbgd.data.augment import Shift
from fbgd.data.dataset import Arrays, Dataset, Samples, TrainingSet, content_hash
from fbgd.data.label_noise import with_label_noise
from fbgd.data.sequences import prepare_tokens
from fbgd.data.splits import split_indices


def prepare(
    arrays: Arrays,
    *,
    train_size: int | None = None,
    validation_size: int = 0,
    label_noise: float = 0.0,
    label_noise_over: str = "others",
    augment: str = "none",
    seed: int = 0,
    augment_seed: int = 0,
) -> Dataset:
    """Make the data set of an experiment; of tokens nothing but subset and split, see :func:`prepare_tokens`.

    Args:
        arrays: what the source gave.
        train_size: size of the stratified training subset; ``None``: everything.
        validation_size: samples held out of the training set, with clean labels.
        label_noise: probability of a wrong training label, see :func:`with_label_noise`. It is drawn over the whole
            training set, so that a sample's label is the same in every subset.
        label_noise_over: ``"others"`` or ``"all"``: the classes that a wrong label is drawn from.
        augment: ``"none"``; ``"random"``, fresh draws at every visit; ``"10x"`` (any k), a fixed set k times as large.
        seed: decides subset, split, noise and the fixed augmentation.
        augment_seed: decides the fresh draws of ``"random"``.

    Raises:
        ValueError: an option is outside its range, or does not apply to tokens.
    """
    if arrays.tokens:
        return prepare_tokens(
            arrays, train_size, validation_size, seed, does_not_apply={"label_noise": label_noise, "augment": augment}
        )
    copies = parse_augment(augment)
    chosen, held_out = split_indices(arrays.train_targets, train_size, validation_size, seed)
    noisy = with_label_noise(arrays.train_targets, label_noise, arrays.classes, seed, label_noise_over)
    raw = Samples(arrays.train_inputs[chosen], noisy[chosen])
    raw_validation = Samples(arrays.train_inputs[held_out], arrays.train_targets[held_out]) if len(held_out) else None
    raw_test = Samples(arrays.test_inputs, arrays.test_targets)
    mean, std = channel_statistics(raw.inputs)

    def normalised(samples: Samples) -> Samples:
        shape = (1, -1) + (1,) * (samples.inputs.dim() - 2)
        return Samples((samples.inputs.float() - mean.view(shape)) / std.view(shape), samples.targets)

    augmentation = None
    if copies is not None:
        axes = raw.inputs.dim() - 2
        augmentation = Shift(axes, arrays.shift, arrays.flip, fill=-mean / std)
    return Dataset(
        train=TrainingSet(normalised(raw), augmentation, copies or 0, seed if copies else augment_seed),
        validation=None if raw_validation is None else normalised(raw_validation),
        test=normalised(raw_test),
        classes=arrays.classes,
        content_hash=content_hash(raw, raw_validation, raw_test),
        facts=arrays.facts,
    )


def parse_augment(augment: str) -> int | None:
    """``None`` for "none", 0 for "random", k for "kx"; ``ValueError`` for anything else."""
    if augment == "none":
        return None
    if augment == "random":
        return 0
    if re.fullmatch(r"[1-9]\d*x", augment):
        return int(augment[:-1])
    raise ValueError(
        f"data.augment = {augment!r} is not one of 'none', 'random', or a multiple like '10x' (a fixed, larger set)"
    )


def channel_statistics(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C) over samples and positions; a constant channel gets deviation 1."""
    dims = [0, *range(2, inputs.dim())]
    values = inputs.double()
    mean, std = values.mean(dims), values.std(dims, correction=0)
    return mean.float(), torch.where(std > 0, std, 1.0).float()
