"""From what a user's files hold to :class:`fbgd.data.Arrays`: types, labels, channels, a test set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError
from fbgd.data.splits import stratified_order
from fbgd.seeds import generator

CHANNELS = ("first", "last", "none")
Pair = tuple[Any, Any]


def assemble(
    where: str,
    train: Pair,
    test: Pair | None,
    *,
    regression: bool = False,
    test_share: float = 0.2,
    seed: int = 0,
    channels: str = "first",
    shift: int = 0,
    flip: bool = False,
    facts: Mapping[str, object] | None = None,
) -> Arrays:
    """Arrays of inputs and targets as a user has them.

    Labels may be whole numbers or texts of any kind; they are numbered in their order, and what they are is recorded
    as ``class_names`` where they are no numbers from 0.

    Args:
        where: the data come from, for messages.
        train: inputs (N, ...) and targets, N labels, or numbers (N) or (N, K) of a regression.
        test: likewise; ``None``: a share of ``train`` is held out.
        regression: whether targets are numbers to be approximated.
        test_share: in (0, 1); labels keep their proportions.
        seed: of the share that is held out.
        channels: where inputs have them: "first", "last", or "none", which adds one; features (N, F) need none.
        shift: the largest translation that keeps a sample's class.
        flip: whether mirroring keeps it.
        facts: to record with every run.

    Raises:
        DataError: sizes or shapes do not fit, a number is not finite, or a label occurs in the test data only.
        ValueError: an option is outside its range.
    """
    if channels not in CHANNELS:
        raise ValueError(f"channels = {channels!r} is not one of {', '.join(map(repr, CHANNELS))}")
    parts = {"training": train} if test is None else {"training": train, "test": test}
    inputs = {name: to_inputs(f"{where}, {name} inputs", part[0], channels) for name, part in parts.items()}
    for name, (_, targets) in parts.items():
        if len(targets) != len(inputs[name]) or not len(targets):
            raise DataError(f"{where}: {len(inputs[name])} {name} inputs, and {len(targets)} targets")
    if test is not None and inputs["training"].shape[1:] != inputs["test"].shape[1:]:
        shapes = " and ".join(str(tuple(part.shape[1:])) for part in inputs.values())
        raise DataError(f"{where}: samples of the training and of the test data have the shapes {shapes}")
    recorded = dict(facts or {})
    if regression:
        targets = {name: to_numbers(f"{where}, {name} targets", part[1]) for name, part in parts.items()}
        count = targets["training"].shape[1]
    else:
        names, targets = to_labels(where, {name: part[1] for name, part in parts.items()})
        count = len(names)
        if names != list(range(count)):
            recorded["class_names"] = names
    if test is None:
        kept, held = hold_out(targets["training"], test_share, seed)
        inputs = {"training": inputs["training"][kept], "test": inputs["training"][held]}
        targets = {"training": targets["training"][kept], "test": targets["training"][held]}
    both = (inputs["training"], targets["training"], inputs["test"], targets["test"])
    return Arrays(*both, classes=count, shift=shift, flip=flip, facts=recorded)


def to_tensor(where: str, values: Any) -> Tensor:
    """Numbers as a tensor, uint8 or float32.

    Raises:
        DataError: they are no numbers, or not all finite.
    """
    try:
        tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.require(values, requirements=["C", "W"]))
    except TypeError:
        raise DataError(f"{where} are no array of numbers") from None
    if tensor.is_complex():
        raise DataError(f"{where} are complex")
    tensor = tensor.detach().cpu()
    tensor = tensor if tensor.dtype == torch.uint8 else tensor.float()
    if not bool(tensor.isfinite().all()):
        raise DataError(f"{where} hold numbers that are not finite: fill in or leave out what is missing")
    return tensor


def to_inputs(where: str, values: Any, channels: str) -> Tensor:
    """Inputs (N, C, ...), or (N, F) of features."""
    tensor = to_tensor(where, values)
    if tensor.dim() < 2:
        raise DataError(f"{where} have the shape {tuple(tensor.shape)}: an array of samples is wanted, (N, ...)")
    if channels == "none":
        return tensor.unsqueeze(1)
    return tensor.movedim(-1, 1).contiguous() if channels == "last" and tensor.dim() > 2 else tensor


def to_numbers(where: str, values: Any) -> Tensor:
    """Targets (N, K) of a regression, float32."""
    tensor = to_tensor(where, values).float()
    if tensor.dim() > 2:
        raise DataError(f"{where} have the shape {tuple(tensor.shape)}: (N) or (N, K) is wanted")
    return tensor.unsqueeze(1) if tensor.dim() == 1 else tensor


def to_labels(where: str, parts: Mapping[str, Any]) -> tuple[list[int] | list[str], dict[str, Tensor]]:
    """The names of the classes in their order, and every part's labels as their numbers.

    Whole numbers from 0 without a gap stay what they are, in the test data too.

    Raises:
        DataError: labels are no whole numbers and no texts, or one occurs in the test data only.
    """
    arrays = {name: labels_of(f"{where}, {name} targets", values) for name, values in parts.items()}
    names = np.unique(arrays["training"])
    if len(names) < 2:
        raise DataError(f"{where}: all training labels are {names[0].item()!r}; two classes are needed")
    numbered = {}
    for name, labels in arrays.items():
        places = np.searchsorted(names, labels).clip(max=len(names) - 1)
        strange = labels[names[places] != labels]
        if len(strange):
            raise DataError(f"{where}: the label {strange[0].item()!r} of the {name} data is none of the training data")
        numbered[name] = torch.from_numpy(places).long()
    return names.tolist(), numbered


def labels_of(where: str, values: Any) -> np.ndarray:
    """Labels (N), whole numbers or texts."""
    labels = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{where} have the shape {labels.shape}: one label a sample is wanted, (N); for numbers of a regression "
            "set data.source.regression=true"
        )
    if labels.dtype.kind == "f" and np.array_equal(labels, np.round(labels)):
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels):
        labels = labels.astype(str)
    if labels.dtype.kind == "f":
        raise DataError(f"{where} are numbers with decimals: for a regression set data.source.regression=true")
    if labels.dtype.kind not in "biuU":
        raise DataError(f"{where} are neither whole numbers nor texts")
    return labels.astype(np.int64) if labels.dtype.kind in "biu" else labels


def hold_out(targets: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices to keep, and of a ``share`` to hold out, labels in proportion.

    Raises:
        ValueError: the share is outside (0, 1), or leaves one part empty.
    """
    if isinstance(share, bool) or not 0 < share < 1:
        raise ValueError(f"test_share = {share!r} is outside the valid range (0, 1)")
    count = round(share * len(targets))
    if not 0 < count < len(targets):
        raise ValueError(f"test_share = {share!r} of {len(targets)} samples leaves a part empty")
    if targets.is_floating_point():
        order = torch.randperm(len(targets), generator=generator(seed, "split"))
    else:
        order = stratified_order(targets, seed)
    return order[count:], order[:count]
