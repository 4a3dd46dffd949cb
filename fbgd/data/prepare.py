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
    part: int = 0,
    augment_seed: int = 0,
) -> Dataset:
    """Make the data set of an experiment; of tokens nothing but subset and split, see :func:`prepare_tokens`.

    Inputs are normalised by channel, or by feature where there are no positions, targets of a regression one by one:
    by mean and deviation of the training subset.

    Args:
        arrays: what the source gave.
        train_size: size of the stratified training subset; ``None``: everything.
        validation_size: samples held out of the training set, with clean labels.
        label_noise: probability of a wrong training label, see :func:`with_label_noise`. It is drawn over the whole
            training set, so that a sample's label is the same in every subset. A regression has none.
        label_noise_over: ``"others"`` or ``"all"``: the classes that a wrong label is drawn from.
        augment: ``"none"``; ``"random"``, fresh draws at every visit; ``"10x"`` (any k), a fixed set k times as large.
        seed: decides subset, split, noise and the fixed augmentation.
        part: which one of the subsets of ``train_size`` samples that have none in common, from 0.
        augment_seed: decides the fresh draws of ``"random"``.

    Raises:
        ValueError: an option is outside its range, or does not apply to tokens, features or a regression.
    """
    if arrays.tokens:
        refused = {"label_noise": label_noise, "augment": augment}
        return prepare_tokens(arrays, train_size, validation_size, seed, part, refused)
    copies = parse_augment(augment)
    check_applies(arrays, augment, label_noise)
    chosen, held_out = split_indices(strata(arrays), train_size, validation_size, seed, part)
    noisy = arrays.train_targets
    if not arrays.regression:
        noisy = with_label_noise(noisy, label_noise, arrays.classes, seed, label_noise_over)
    raw = Samples(arrays.train_inputs[chosen], noisy[chosen])
    raw_test = Samples(arrays.test_inputs, arrays.test_targets)
    raw_validation = Samples(arrays.train_inputs[held_out], arrays.train_targets[held_out]) if len(held_out) else None
    mean, std = channel_statistics(raw.inputs)
    of_targets = channel_statistics(raw.targets) if arrays.regression else None

    def normalised(samples: Samples) -> Samples:
        targets = samples.targets if of_targets is None else standardised(samples.targets, *of_targets)
        return Samples(standardised(samples.inputs, mean, std), targets)

    shift = None if copies is None else Shift(raw.inputs.dim() - 2, arrays.shift, arrays.flip, fill=-mean / std)
    return Dataset(
        train=TrainingSet(normalised(raw), shift, copies or 0, seed if copies else augment_seed),
        validation=None if raw_validation is None else normalised(raw_validation),
        test=normalised(raw_test),
        classes=arrays.classes,
        content_hash=content_hash(raw, raw_validation, raw_test),
        facts=dict(arrays.facts) | target_facts(of_targets),
    )


def check_applies(arrays: Arrays, augment: str, label_noise: float) -> None:
    """Raise ``ValueError`` for an option that means nothing for features, or for a regression."""
    if augment != "none" and arrays.train_inputs.dim() == 2:
        raise ValueError(f"data.augment = {augment!r} shifts signals, and these data are features: set it to none")
    if label_noise and arrays.regression:
        raise ValueError(f"data.label_noise = {label_noise!r} changes class labels, and these targets are numbers")


def strata(arrays: Arrays) -> Tensor:
    """What a subset holds in proportion: classes; numbers have none."""
    return torch.zeros(len(arrays.train_targets)) if arrays.regression else arrays.train_targets


def standardised(values: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Values (N, C, ...) less the mean (C), divided by the deviation (C)."""
    shape = (1, -1) + (1,) * (values.dim() - 2)
    return (values.float() - mean.view(shape)) / std.view(shape)


def target_facts(statistics: tuple[Tensor, Tensor] | None) -> dict[str, object]:
    """What the targets of a regression were standardised by, for a run's summary."""
    if statistics is None:
        return {}
    mean, std = statistics
    return {"target_mean": mean.tolist(), "target_std": std.tolist()}


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
