"""CIFAR-10 and CIFAR-100: 50000 + 10000 colour images, 32 x 32, in the binary or the Python layout."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
import torch
from torch import Tensor

from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError, fetch, find_folder, read_member
from fbgd.data.pickles import load_arrays

PIXELS = 3 * 32 * 32
HOME = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True)
class Layout:
    """Where one published archive keeps its images.

    ``train_records`` is how many images a training file holds; the test file holds 10000.

    ``label`` is the byte that holds the label, counted from the record's start and followed by the pixels (binary
    layout), or the key of the labels (Python layout).
    """

    archive: str
    md5: str
    train: tuple[str, ...]
    test: str
    label: int | bytes
    train_records: int
    mirrors: tuple[str, ...] = ()


LAYOUTS = {
    "cifar10": (
        Layout(
            "cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
            tuple(f"cifar-10-batches-bin/data_batch_{k}.bin" for k in range(1, 6)),
            "cifar-10-batches-bin/test_batch.bin",
            label=0,
            train_records=10_000,
            mirrors=(
                "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
            ),
        ),
        Layout(
            "cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
            tuple(f"cifar-10-batches-py/data_batch_{k}" for k in range(1, 6)),
            "cifar-10-batches-py/test_batch",
            label=b"labels",
            train_records=10_000,
        ),
    ),
    "cifar100": (
        Layout(
            "cifar-100-binary.tar.gz",
            "03b5dce01913d631647c71ecec9e9cb8",
            ("cifar-100-binary/train.bin",),
            "cifar-100-binary/test.bin",
            label=1,
            train_records=50_000,
        ),
        Layout(
            "cifar-100-python.tar.gz",
            "eb9058c3a382ffc7106e4002c42a8d85",
            ("cifar-100-python/train",),
            "cifar-100-python/test",
            label=b"fine_labels",
            train_records=50_000,
        ),
    ),
}


def cifar10(folder: str | None = None, download: bool = False, verify: bool = True) -> Arrays:
    """Load CIFAR-10, ten classes; arguments and errors as for :func:`load_cifar`."""
    return load_cifar("cifar10", 10, folder, download, verify)


def cifar100(folder: str | None = None, download: bool = False, verify: bool = True) -> Arrays:
    """Load CIFAR-100 with its hundred fine classes; arguments and errors as for :func:`load_cifar`."""
    return load_cifar("cifar100", 100, folder, download, verify)


def load_cifar(name: str, classes: int, folder: str | None, download: bool, verify: bool) -> Arrays:
    """Load one of the two data sets from an archive as published, packed or unpacked.

    Args:
        name: ``"cifar10"`` or ``"cifar100"``.
        classes: labels are 0 to ``classes - 1``.
        folder: holds the archive or the folder it unpacks to; ``None``: the cache.
        download: fetch the binary archive into the cache when nothing is there; not together with ``folder``.
        verify: compare packed archives with the published MD5 sums, and every file with the number of images it should
            hold.

    Raises:
        DataError: files are missing or damaged.
        ValueError: ``download`` together with ``folder``.

    Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
    """
    if download and folder is not None:
        raise ValueError("data.source.download fetches into the cache: leave data.source.folder out")
    binary = LAYOUTS[name][0]
    advice = (
        f"add data.source.download=true, or fetch {HOME}/{binary.archive} "
        "and name the folder that holds it: data.source.folder=DIR"
    )

    def find() -> tuple[Path, Layout]:
        place = find_folder(name, folder, [], lambda path: bool(_layouts(name, path)), advice)
        return place, _layouts(name, place)[0]

    try:
        place, layout = find()
    except DataError:
        if not download:
            raise
        mirrors = (f"{HOME}/{binary.archive}", *binary.mirrors)
        fetch(name, binary.archive, mirrors, f"md5:{binary.md5}")
        place, layout = find()
    archive = place / layout.archive
    if verify and archive.exists() and pooch.file_hash(str(archive), alg="md5") != layout.md5:
        raise DataError(f"{archive} is damaged: its MD5 is not {layout.md5}. Delete it, then {advice}")
    train = [_read(place, layout, member, classes, layout.train_records, advice, verify) for member in layout.train]
    test_inputs, test_targets = _read(place, layout, layout.test, classes, 10_000, advice, verify)
    return Arrays(
        torch.cat([inputs for inputs, _ in train]),
        torch.cat([targets for _, targets in train]),
        test_inputs,
        test_targets,
        classes=classes,
        shift=4,
        flip=True,
    )


def _layouts(name: str, folder: Path) -> list[Layout]:
    """The layouts that a folder has, packed or unpacked, the preferred one first."""
    return [
        layout
        for layout in LAYOUTS[name]
        if (folder / layout.archive).exists() or (folder / layout.test).parent.is_dir()
    ]


def _read(
    folder: Path, layout: Layout, member: str, classes: int, records: int, advice: str, verify: bool
) -> tuple[Tensor, Tensor]:
    content = read_member(folder, layout.archive, member, advice)
    try:
        if isinstance(layout.label, int):
            inputs, targets = parse_binary(content, layout.label)
        else:
            inputs, targets = parse_python(content, layout.label)
        if targets.numel() and not (targets.min() >= 0 and targets.max() < classes):
            raise ValueError(f"a label lies outside 0..{classes - 1}")
        if verify and len(targets) != records:
            raise ValueError(f"{len(targets)} images instead of {records}; data.source.verify=false takes them")
    except (ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise DataError(f"{folder / member} is damaged ({error}). To mend it: {advice}") from None
    return inputs, targets


def parse_binary(content: bytes, label: int) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32) and labels (N) from records of ``label + 1`` label bytes and 3072 pixels."""
    record = label + 1 + PIXELS
    if not content or len(content) % record:
        raise ValueError(f"{len(content)} bytes are not a whole number of {record}-byte records")
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, record)
    return records[:, label + 1 :].reshape(-1, 3, 32, 32).contiguous(), records[:, label].long()


def parse_python(content: bytes, label: bytes) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32) and labels (N) from a pickled dictionary with ``data`` (N, 3072) and the labels."""
    batch = load_arrays(content)
    data, labels = np.asarray(batch[b"data"]), torch.tensor(batch[label], dtype=torch.int64)
    if data.dtype != np.uint8 or data.shape != (len(labels), PIXELS):
        raise ValueError(f"{data.dtype} images of shape {data.shape} for {len(labels)} labels")
    return torch.from_numpy(data.copy()).view(-1, 3, 32, 32), labels
