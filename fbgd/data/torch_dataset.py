"""Any data set of ``torch.utils.data``, read into memory once."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbgd.data.assemble import assemble
from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError
from fbgd.seeds import generator


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
    with seeded(seed):
        first = read_items("train", train())
        second = None if test is None else read_items("test", test())
    return assemble(
        "data.source", first, second, regression=regression, test_share=test_share, shift=shift, flip=flip, seed=seed
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the generators that transforms draw from, and put them back afterwards."""
    start = generator(seed, "torch dataset").initial_seed()
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(start)
            random.seed(start)
            np.random.seed(start % 2**32)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def read_items(name: str, dataset: Any) -> tuple[Tensor, list]:
    """Inputs (N, ...) and targets of all items.

    Args:
        name: "train" or "test", for messages.
        dataset: with a length and items by number, or anything that can be gone through.

    Raises:
        DataError: an item is no pair of numbers and a target, or has another size than the first.
    """
    inputs: list[Tensor] = []
    targets: list[Any] = []
    for index, item in enumerate(items_of(name, dataset)):
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"data.source.{name}: item {index} is no pair (inputs, target)")
        sample = as_tensor(f"data.source.{name}: item {index}", item[0])
        if inputs and sample.shape != inputs[0].shape:
            raise DataError(
                f"data.source.{name}: item {index} has the shape {tuple(sample.shape)}, and item 0 has "
                f"{tuple(inputs[0].shape)}: all must have one size; crop or resize them in the data set's transform"
            )
        inputs.append(sample)
        targets.append(np.asarray(item[1]).tolist())
    if not inputs:
        raise DataError(f"data.source.{name} is empty")
    return torch.stack(inputs), targets


def items_of(name: str, dataset: Any) -> Iterable[Any]:
    """All items: by number where there is a length, since not every such data set ends an iteration."""
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return (dataset[index] for index in range(len(dataset)))
    if not isinstance(dataset, Iterable):
        raise DataError(f"data.source.{name} gives a {type(dataset).__name__}, which is no data set")
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
