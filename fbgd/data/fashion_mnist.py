"""Fashion-MNIST: 60000 + 10000 grey images of clothes, 28 x 28, in IDX files."""

import math
import struct
from pathlib import Path

import torch
from torch import Tensor

from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError, check_sha256, fetch, find_folder, read_plain_or_gzip

SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
)
ADVICE = (
    "install the Debian package (apt-get install dataset-fashion-mnist), or add data.source.download=true, "
    "or name a folder that holds the four IDX files: data.source.folder=DIR"
)


def fashion_mnist(folder: str | None = None, download: bool = False, verify: bool = True) -> Arrays:
    """Load Fashion-MNIST.

    Args:
        folder: where the four IDX files lie, plain or gzipped; ``None``: the Debian package's folder, then the cache.
        download: fetch what the cache lacks; not together with ``folder``.
        verify: compare SHA-256 sums with the published files'.

    Raises:
        DataError: files are missing or damaged.
        ValueError: ``download`` together with ``folder``.

    Source: Xiao, Rasul & Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset".
    """
    if download and folder is not None:
        raise ValueError("data.source.download fetches into the cache: leave data.source.folder out")
    if download and not _present(DEBIAN_FOLDER):
        _fetch()
    place = find_folder("fashion_mnist", folder, [DEBIAN_FOLDER], _present, ADVICE)
    images_train, labels_train, images_test, labels_test = (_read(place / name, verify) for name in SHA256)
    for images, labels in ((images_train, labels_train), (images_test, labels_test)):
        if images.dim() != 3 or labels.dim() != 1 or (labels >= CLASSES).any():
            shapes = f"{tuple(images.shape)} and {tuple(labels.shape)}"
            raise DataError(f"{place}: no images with labels below {CLASSES} ({shapes}). To mend it: {ADVICE}")
        if len(images) != len(labels):
            raise DataError(f"{place}: {len(images)} images but {len(labels)} labels. To mend it: {ADVICE}")
    return Arrays(
        images_train.unsqueeze(1),
        labels_train.long(),
        images_test.unsqueeze(1),
        labels_test.long(),
        classes=CLASSES,
        shift=2,
        flip=True,
    )


CLASSES = 10


def _present(folder: Path) -> bool:
    return any((folder / (name + ending)).exists() for name in SHA256 for ending in ("", ".gz"))


def _fetch() -> None:
    for name, expected in SHA256.items():
        packed = name + ".gz"

        def check(path: Path, expected: str = expected) -> None:
            check_sha256(path, read_plain_or_gzip(path.with_suffix(""), ADVICE), expected)

        fetch("fashion_mnist", packed, tuple(f"{mirror}/{packed}" for mirror in MIRRORS), None, check)


def _read(path: Path, verify: bool) -> Tensor:
    content = read_plain_or_gzip(path, ADVICE)
    if verify:
        check_sha256(path, content, SHA256[path.name])
    return parse_idx(content, path)


def parse_idx(content: bytes, path: Path) -> Tensor:
    """The uint8 tensor in an IDX file: two zero bytes, type 8, the number of axes, big-endian sizes, the bytes.

    Raises:
        DataError: the header or the length is not an IDX file's.
    """
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is not an IDX file of unsigned bytes. To mend it: {ADVICE}")
    axes = content[3]
    header = 4 + 4 * axes
    if len(content) < header:
        raise DataError(f"{path} ends inside its header. To mend it: {ADVICE}")
    shape = struct.unpack(f">{axes}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise DataError(f"{path} holds {len(content)} bytes instead of {expected}. To mend it: {ADVICE}")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).view(shape)
