"""Any data set of ``torch.utils.data``, read into memory once."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbgd.data.assemble import assemble
from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError
from fbgd.errors import said
from fbgd.seeds import generator, seeded


def torch_dataset(
    train: Callable[[], Any] | None = None,
    test: Callable[[], Any] | None = None,
    regression: bool = False,
    test_share: float = 0.2,
    shift: int = 0,
    flip: bool = False,
    seed: int = 0,
) -> Arrays:
    """Read every item ``(inputs, target)`` of a data set into memory.

    Items are read once, so a random transform of the data set's own is drawn once; ``data.augment`` draws anew. It is
    drawn from ``seed``, so that a resumed run has the same data.

    Args:
        train: makes the training data; in a configuration a node with ``_target_``.
        test: makes the test data; ``None``: a share of the training data is held out.
        regression: whether targets are numbers to be approximated.
        test_share: of the samples, in (0, 1).
        shift: the largest translation that keeps a sample's class.
        flip: whether mirroring keeps it.
        seed: of random transforms, and of the share that is held out.

    Raises:
        DataError: an item is no such pair, or has another size than the first.
        ValueError: an option is outside its range.
    """
    if train is None:
        raise ValueError("train is missing: set data.source.train._target_ to a class of data sets")
    for name, make in (("train", train), ("test", test)):
        if make is not None and not callable(make):
            raise ValueError(f"{name} = {make!r} is no class of data sets: set data.source.{name}._target_")
    with seeded(generator(seed, "torch dataset").initial_seed()):
        first = read_items("data.source.train", train())
        second = None if test is None else read_items("data.source.test", test())
    return assemble(
        "data.source", first, second, regression=regression, test_share=test_share, shift=shift, flip=flip, seed=seed
    )


def read_items(name: str, dataset: Any) -> tuple[Tensor, list]:
    """Inputs (N, ...) and targets of all items.

    Args:
        name: of the data set, for messages.
        dataset: with a length and items by number, or anything that can be gone through.

    Raises:
        DataError: an item is no pair of numbers and a target, or has another size than the first.
    """
    inputs: list[Tensor] = []
    targets: list[Any] = []
    for index, item in enumerate(numbered(name, items_of(name, dataset))):
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"{name}: item {index} is no pair (inputs, target)")
        sample = as_tensor(f"{name}: item {index}", item[0])
        if inputs and sample.shape != inputs[0].shape:
            raise DataError(
                f"{name}: item {index} has the shape {tuple(sample.shape)}, and item 0 has "
                f"{tuple(inputs[0].shape)}: all must have one size; crop or resize them in the data set's transform"
            )
        inputs.append(sample)
        targets.append(np.asarray(item[1]).tolist())
    if not inputs:
        raise DataError(f"{name} is empty")
    return torch.stack(inputs), targets


def numbered(name: str, items: Iterable[Any]) -> Iterator[Any]:
    """The same items; where making one fails, its number is said."""
    index, going = 0, iter(items)
    while True:
        try:
            item = next(going)
        except StopIteration:
            return
        except Exception as error:
            raise DataError(f"{name}: item {index} cannot be made: {said(error)}") from error
        yield item
        index += 1


def items_of(name: str, dataset: Any) -> Iterable[Any]:
    """All items: by number where there is a length, since not every such data set ends an iteration."""
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return (dataset[index] for index in range(len(dataset)))
    if not isinstance(dataset, Iterable):
        raise DataError(f"{name} gives a {type(dataset).__name__}, which is no data set")
    return dataset


def as_tensor(where: str, sample: Any) -> Tensor:
    """A sample as a tensor; an image of Pillow with its channels first."""
    if isinstance(sample, Tensor):
        return sample
    try:
        tensor = torch.from_numpy(np.array(sample))
    except (TypeError, ValueError):
        raise DataError(f"{where} has inputs of type {type(sample).__name__}, which are no numbers") from None
    if hasattr(sample, "getbands"):
        return tensor.movedim(-1, 0) if tensor.dim() == 3 else tensor.unsqueeze(0)
    return tensor
