"""Data files with damage: arrays that fit together, or one line that names the file; nothing executed."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from files import write_cifar, write_fashion_mnist
from fuzzing import Refused, attempt, damaged, damages
from hypothesis import given
from hypothesis import strategies as st

from fbgd.data.array_file import array_file
from fbgd.data.cifar import cifar10
from fbgd.data.csv import csv
from fbgd.data.fashion_mnist import fashion_mnist

POSITION = st.integers(0, 10**6)


def arrays():
    """Tiny arrays by name."""
    generator = np.random.default_rng(0)
    return {
        "train_x": generator.normal(size=(20, 1, 6)).astype("float32"),
        "train_y": np.arange(20) % 3,
        "test_x": generator.normal(size=(6, 1, 6)).astype("float32"),
        "test_y": np.arange(6) % 3,
    }


def write_npz(folder):
    np.savez(folder / "data.npz", **arrays())


def write_npy(folder):
    for name, values in arrays().items():
        np.save(folder / f"{name}.npy", values)


def write_pt(folder):
    torch.save({name: torch.from_numpy(values) for name, values in arrays().items()}, folder / "data.pt")


def write_csv(folder):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=["a", "b", "c"])
    table["kind"] = ["ä", "b", "c"] * 10
    table.assign(label=[0, 1, 2] * 10).to_csv(folder / "data.csv", index=False)


def load_cifar(folder):
    return cifar10(str(folder), verify=False)


KINDS = {
    "IDX": (lambda folder: write_fashion_mnist(folder, packed=False), lambda f: fashion_mnist(str(f), verify=False)),
    "IDX, gzip": (write_fashion_mnist, lambda folder: fashion_mnist(str(folder), verify=False)),
    "CIFAR, binary": (lambda folder: write_cifar(folder, "cifar10", "binary"), load_cifar),
    "CIFAR, Python": (lambda folder: write_cifar(folder, "cifar10", "python"), load_cifar),
    "CIFAR, packed": (lambda folder: write_cifar(folder, "cifar10", "python", packed=True), load_cifar),
    "npz": (write_npz, lambda folder: array_file(str(folder / "data.npz"))),
    "npy": (write_npy, lambda folder: array_file(str(folder))),
    "pt": (write_pt, lambda folder: array_file(str(folder / "data.pt"))),
    "csv": (write_csv, lambda folder: csv(str(folder / "data.csv"), target="label")),
}


class Folders(dict):
    """By kind its folder, and the content of every file in it."""

    def __repr__(self):
        return "Folders"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of every kind."""
    folders = Folders()
    for kind, (write, _) in KINDS.items():
        folder = tmp_path_factory.mktemp("data")
        write(folder)
        folders[kind] = folder, {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return folders


def check_arrays(data):
    """Inputs and targets of both parts go together."""
    for inputs, targets in ((data.train_inputs, data.train_targets), (data.test_inputs, data.test_targets)):
        assert len(inputs) == len(targets) > 0
        assert inputs.shape[1:] == data.train_inputs.shape[1:]
        if not data.regression:
            assert targets.dtype == torch.int64
            assert targets.min() >= 0
            assert targets.max() < data.classes
        if inputs.is_floating_point():
            assert torch.isfinite(inputs).all()


@pytest.mark.parametrize("kind", KINDS)
@given(which=POSITION, other=POSITION, steps=damages, swap=st.booleans())
def test_damaged_data_files(written, kind, which, other, steps, swap):
    folder, contents = written[kind]
    paths = list(contents)
    path = paths[which % len(paths)]
    # Or one file has the content of another of the same data set, as after a mistaken copy.
    content = contents[paths[other % len(paths)]] if swap else damaged(contents[path], steps)
    path.write_bytes(content)
    try:
        data = attempt(f"data files, {kind}", lambda: KINDS[kind][1](folder), (ValueError,), says=str(folder))
        if not isinstance(data, Refused):
            check_arrays(data)
        # What is read is not changed.
        assert path.read_bytes() == content
    finally:
        path.write_bytes(contents[path])


class Spring:
    """What runs code when it is unpickled without care."""

    def __reduce__(self):
        import os

        return os.system, ("true",)


def pickled(value, protocol):
    """A pickle that asks for a call."""
    import pickle

    return pickle.dumps(value, protocol=protocol)


@given(
    protocol=st.integers(0, 5), steps=st.none() | damages, kind=st.sampled_from(["CIFAR, Python", "npz", "npy", "pt"])
)
def test_files_that_would_run_code(written, protocol, steps, kind):
    folder, contents = written[kind]
    content = pickled({b"data": Spring(), b"labels": [0]}, protocol)
    if kind == "npy":
        buffer = io.BytesIO()
        np.save(buffer, np.array([Spring()], dtype=object), allow_pickle=True)
        content = buffer.getvalue()
    path = next(iter(contents))
    path.write_bytes(content if steps is None else damaged(content, steps))
    try:
        found = attempt("files that would run code", lambda: KINDS[kind][1](folder), (ValueError,), says=str(folder))
        assert isinstance(found, Refused)
    finally:
        path.write_bytes(contents[path])
