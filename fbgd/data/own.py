"""What a function of the user's gives as data, checked and brought into one form."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbgd.data.assemble import assemble, to_numbers, to_tensor
from fbgd.data.dataset import IGNORED, Arrays
from fbgd.data.files import DataError

FIELDS = {
    "training": ("train_inputs", "train_targets"),
    "test": ("test_inputs", "test_targets"),
}


def as_arrays(where: str, given: Any) -> Arrays:
    """Data of a user's function: :class:`Arrays`, or ``(train_x, train_y, test_x, test_y)``, or ``(x, y)`` alone.

    Of arrays without a name, floating point targets are numbers of a regression, whole numbers and texts are labels,
    and without test data a fifth of the samples is held out.

    Args:
        where: the data come from, for messages.
        given: what the function returned; arrays are NumPy's, torch's, or lists.

    Raises:
        DataError: it is something else, sizes do not fit, a label is out of range, or a number is not finite.
    """
    if isinstance(given, Arrays):
        return checked(where, given)
    if isinstance(given, tuple | list) and len(given) in (2, 4):
        for name, part in zip(("train_x", "train_y", "test_x", "test_y"), given, strict=False):
            if not hasattr(part, "__len__"):
                raise DataError(f"{where}: {name} is a {type(part).__name__}, no array")
        train, test = tuple(given[:2]), tuple(given[2:]) or None
        return assemble(where, train, test, regression=is_floating(given[1]))
    if hasattr(given, "__getitem__") and not isinstance(given, tuple | list | Mapping | np.ndarray | Tensor):
        raise DataError(
            f"{where} gives a {type(given).__name__}: a data set of torch is read by data=torch_dataset with its "
            "class as data.source.train._target_ and its arguments beside it"
        )
    size = f" of {len(given)}" if isinstance(given, tuple | list | Mapping) else ""
    raise DataError(
        f"{where} gives a {type(given).__name__}{size}: fbgd.data.Arrays is wanted, or arrays (train_x, train_y, "
        "test_x, test_y), or (x, y)"
    )


def is_floating(targets: Any) -> bool:
    """Whether targets are of a floating point type."""
    return targets.is_floating_point() if isinstance(targets, Tensor) else np.asarray(targets).dtype.kind == "f"


def checked(where: str, arrays: Arrays) -> Arrays:
    """Arrays whose fields fit each other, as tensors of the types that training takes.

    Raises:
        DataError: they do not fit.
    """
    fields: dict[str, Any] = {}
    for part, (inputs, targets) in FIELDS.items():
        fields[inputs] = inputs_of(f"{where}, {part} inputs", getattr(arrays, inputs))
        fields[targets] = targets_of(f"{where}, {part} targets", getattr(arrays, targets), arrays.classes)
        if len(fields[inputs]) != len(fields[targets]) or not len(fields[targets]):
            raise DataError(f"{where}: {len(fields[inputs])} {part} inputs, and {len(fields[targets])} targets")
    for field in ("inputs", "targets"):
        train, test = fields[f"train_{field}"], fields[f"test_{field}"]
        if train.dtype != test.dtype or train.shape[1:] != test.shape[1:]:
            kinds = " and ".join(f"{str(part.dtype)[6:]} {tuple(part.shape[1:])}" for part in (train, test))
            raise DataError(f"{where}: {field} of a sample of the training and of the test data are {kinds}")
    train_inputs, train_targets, test_inputs, test_targets = fields.values()
    return replace(
        arrays,
        train_inputs=train_inputs,
        train_targets=train_targets,
        test_inputs=test_inputs,
        test_targets=test_targets,
    )


def inputs_of(where: str, values: Any) -> Tensor:
    """Inputs (N, ...): token numbers as they are, everything else uint8 or float32."""
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if isinstance(tensor, Tensor) and tensor.dtype == torch.int64:
        return tensor
    tensor = to_tensor(where, values)
    if tensor.dim() < 2:
        raise DataError(f"{where} have the shape {tuple(tensor.shape)}: (N, channels, ...) or (N, F) is wanted")
    return tensor


def targets_of(where: str, values: Any, classes: int) -> Tensor:
    """Labels (N) or (N, T), int64, or numbers (N, K) of a regression, float32."""
    if is_floating(values):
        numbers = to_numbers(where, values)
        if numbers.shape[1] != classes:
            raise DataError(
                f"{where} are floating point numbers of the shape {tuple(numbers.shape)}, and classes={classes}: of a "
                "regression classes is how many numbers a sample has; labels are whole numbers"
            )
        return numbers
    labels = torch.as_tensor(values).long()
    if labels.dim() == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    wrong = labels[(labels != IGNORED) & ((labels < 0) | (labels >= classes))]
    if len(wrong):
        raise DataError(f"{where}: the label {int(wrong[0])} is outside [0, {classes - 1}], as classes={classes} says")
    return labels
