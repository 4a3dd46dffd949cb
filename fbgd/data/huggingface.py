"""A data set of Hugging Face's ``datasets``, saved in a folder: no network, nothing is fetched."""

from pathlib import Path
from typing import Any

from fbgd.data.assemble import assemble
from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError
from fbgd.data.torch_dataset import read_items
from fbgd.errors import nearest, needs, said


def huggingface(
    path: str | None = None,
    inputs: str | None = None,
    target: str = "label",
    train: str = "train",
    test: str = "test",
    regression: bool = False,
    test_share: float = 0.2,
    channels: str = "first",
    shift: int = 0,
    flip: bool = False,
    seed: int = 0,
) -> Arrays:
    """Load what ``save_to_disk`` of ``datasets`` has written: one data set, or several by the names of their splits.

    Args:
        path: the folder.
        inputs: the column of inputs: images, or arrays of one size.
        target: the column of labels, or of numbers of a regression.
        train: the split to train on, where there are several.
        test: the split to test on; one that is not there: a share of the training samples is held out.
        regression: whether targets are numbers to be approximated.
        test_share: of the samples, in (0, 1).
        channels: of arrays: "first", "last", or "none", which adds one; images of Pillow have their own.
        shift: the largest translation that keeps a sample's class.
        flip: whether mirroring keeps it.
        seed: of the share that is held out.

    Raises:
        DataError: the folder holds no such data set, split or column, or samples have different sizes.
        MissingPackageError: ``datasets`` is not installed.
        ValueError: an option is outside its range.
    """
    if path is None or inputs is None:
        raise ValueError("path and inputs are needed: set data.source.path=FOLDER data.source.inputs=COLUMN")
    folder = Path(path).expanduser()
    saved = read_saved(folder)
    if hasattr(saved, "keys"):
        if train not in saved:
            raise DataError(f"{folder} has no split {train!r}; {nearest(train, saved)}; set data.source.train")
        parts = {name: saved[split] for name, split in (("train", train), ("test", test)) if split in saved}
    else:
        parts = {"train": saved}
    pairs = [read_part(f"{folder}, {name}", part, inputs, target) for name, part in parts.items()]
    classes = getattr(parts["train"].features[target], "names", None)
    return assemble(
        str(folder),
        pairs[0],
        pairs[1] if len(pairs) == 2 else None,
        regression=regression,
        test_share=test_share,
        channels=channels,
        shift=shift,
        flip=flip,
        seed=seed,
        facts={} if classes is None else {"class_names": list(classes)},
    )


def read_saved(folder: Path) -> Any:
    """The data set in a folder, or several by name.

    Raises:
        DataError: there is none.
    """
    with needs("huggingface"):
        from datasets import load_from_disk
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: one that save_to_disk of datasets has written is wanted")
    try:
        return load_from_disk(str(folder))
    except Exception as error:  # noqa: BLE001 - a damaged folder can fail anywhere
        raise DataError(f"{folder} holds no data set that save_to_disk has written: {said(error)}") from None


def read_part(where: str, part: Any, inputs: str, target: str) -> tuple[Any, list]:
    """Inputs and targets of one split."""
    for name in (inputs, target):
        if name not in part.column_names:
            raise DataError(f"{where} has no column {name!r}; {nearest(name, part.column_names)}")
    return read_items(where, [(row[inputs], row[target]) for row in part.select_columns(list({inputs, target}))])
