"""Arrays of the user's own in a file: NumPy's, or torch's."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fbgd.data.assemble import assemble
from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError, reason
from fbgd.errors import nearest

# What arrays may be called, in lower case.
NAMES = {
    "train_x": ("train_x", "x_train", "train_inputs", "x"),
    "train_y": ("train_y", "y_train", "train_targets", "y"),
    "test_x": ("test_x", "x_test", "test_inputs"),
    "test_y": ("test_y", "y_test", "test_targets"),
}


def array_file(
    path: str | None = None,
    regression: bool = False,
    test_share: float = 0.2,
    channels: str = "first",
    shift: int = 0,
    flip: bool = False,
    seed: int = 0,
) -> Arrays:
    """Load arrays ``train_x, train_y`` and, where they are there, ``test_x, test_y``.

    Args:
        path: an ``.npz`` file; a folder of ``.npy`` files with these names; or a ``.pt`` file of ``torch.save`` with a
            dictionary of them, or the two or four in this order. Names as ``x_train`` or ``X`` and ``y`` are
            understood too.
        regression: whether targets are numbers to be approximated.
        test_share: of the samples, held out where there are no test arrays.
        channels: of inputs: "first", "last", or "none", which adds one.
        shift: the largest translation that keeps a sample's class.
        flip: whether mirroring keeps it.
        seed: of the share that is held out.

    Raises:
        DataError: the file is missing, damaged, or lacks an array.
        ValueError: an option is outside its range.
    """
    if path is None:
        raise ValueError("path is missing: set data.source.path to an .npz or .pt file, or a folder of .npy files")
    file = Path(path).expanduser()
    named = {}
    arrays = {str(name).lower(): values for name, values in read(file).items()}
    for name, aliases in NAMES.items():
        found = [alias for alias in aliases if alias in arrays]
        if found:
            named[name] = arrays[found[0]]
    for name in NAMES if "test_x" in named or "test_y" in named else ("train_x", "train_y"):
        if name not in named:
            raise DataError(f"{file} has no array {name}; {nearest(name, arrays)}")
    test = (named["test_x"], named["test_y"]) if "test_x" in named else None
    return assemble(
        str(file),
        (named["train_x"], named["train_y"]),
        test,
        regression=regression,
        test_share=test_share,
        channels=channels,
        shift=shift,
        flip=flip,
        seed=seed,
    )


def read(file: Path) -> Mapping[str, Any]:
    """The arrays of a file or folder by their names.

    Raises:
        DataError: there are none, or they cannot be read.
    """
    if not file.exists():
        raise DataError(f"{file} does not exist")
    if file.is_dir():
        return {entry.stem: load(entry) for entry in sorted(file.glob("*.npy"))}
    if file.suffix not in (".npz", ".pt", ".pth"):
        raise DataError(f"{file} is no .npz or .pt file, and no folder of .npy files")
    return load(file)


def load(file: Path) -> Any:
    """What a file of NumPy's or torch's holds: an array, or arrays by their names.

    Raises:
        DataError: it cannot be read.
    """
    try:
        # numpy.load leaves a damaged file open that it has opened itself; of old pickles torch only warns.
        with open(file, "rb") as opened, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if file.suffix in (".pt", ".pth"):
                loaded = torch.load(opened, weights_only=True, map_location="cpu")
                return dict(zip(NAMES, loaded, strict=False)) if isinstance(loaded, list | tuple) else dict(loaded)
            loaded = np.load(opened)
            return dict(loaded) if file.suffix == ".npz" else loaded
    except Exception as error:  # noqa: BLE001 - a damaged file can fail anywhere
        raise DataError(f"{file} cannot be read: {reason(error)}") from None
