"""Tiny data files in the published formats, written without the code that reads them."""

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent.parent
PER_FILE = 20


def images(count, classes, seed=0):
    """Random CIFAR-shaped images (count, 3072) and labels."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 3072), dtype=np.uint8), generator.integers(0, classes, count)


def cifar_members(name, layout):
    """Member name to content, for one data set in one layout."""
    if name == "cifar10":
        stems = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
        folder, classes, ending = f"cifar-10-batches-{'bin' if layout == 'binary' else 'py'}", 10, ".bin"
    else:
        stems, folder, classes, ending = ["train", "test"], f"cifar-100-{layout}", 100, ".bin"
    members = {}
    for index, stem in enumerate(stems):
        pixels, labels = images(PER_FILE, classes, index)
        coarse = labels // 5
        if layout == "binary":
            heads = [labels] if name == "cifar10" else [coarse, labels]
            record = np.concatenate([np.stack(heads, 1).astype(np.uint8), pixels], axis=1)
            members[f"{folder}/{stem}{ending}"] = record.tobytes()
        else:
            keys = (
                {"labels": labels.tolist()}
                if name == "cifar10"
                else {"fine_labels": labels.tolist(), "coarse_labels": coarse.tolist()}
            )
            content = {"batch_label": "tiny", **keys, "data": pixels, "filenames": ["x.png"] * PER_FILE}
            members[f"{folder}/{stem}"] = pickle.dumps(
                {key.encode(): value for key, value in content.items()}, protocol=2
            )
    return members


def write_cifar(folder: Path, name: str, layout: str, packed: bool = False) -> Path:
    """Write a tiny CIFAR data set to ``folder``, unpacked or as its .tar.gz."""
    folder.mkdir(parents=True, exist_ok=True)
    members = cifar_members(name, layout)
    if packed:
        number = name.removeprefix("cifar")
        with tarfile.open(folder / f"cifar-{number}-{layout}.tar.gz", "w:gz") as tar:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        for member, content in members.items():
            (folder / member).parent.mkdir(exist_ok=True)
            (folder / member).write_bytes(content)
    return folder


def idx(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    return b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_fashion_mnist(folder: Path, train: int = 40, test: int = 10, packed: bool = True) -> Path:
    """Write a tiny Fashion-MNIST with labels 0, 1, ..., 9, 0, 1, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for prefix, count in (("train", train), ("t10k", test)):
        arrays = {
            f"{prefix}-images-idx3-ubyte": generator.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            f"{prefix}-labels-idx1-ubyte": (np.arange(count) % 10).astype(np.uint8),
        }
        for name, array in arrays.items():
            content = idx(array)
            path = folder / (name + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder
