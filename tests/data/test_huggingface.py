"""Data sets of Hugging Face in a folder: images, arrays, splits, and what is not there."""

import builtins

import numpy as np
import pytest
import torch
from PIL import Image

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.data import DataError, huggingface
from fbgd.errors import MissingPackageError

datasets = pytest.importorskip("datasets", reason="pip install 'fbgd[huggingface]'")
DRAWS = np.random.default_rng(0)
ARRAYS = DRAWS.normal(size=(20, 1, 6)).astype("float32")
PIXELS = DRAWS.integers(0, 256, (20, 5, 4, 3), dtype=np.uint8)
LABELS = [index % 2 for index in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Arrays and images with labels, in two splits."""
    features = datasets.Features(
        {
            "x": datasets.Array2D((1, 6), "float32"),
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "size": datasets.Value("float32"),
            "text": datasets.Value("string"),
        }
    )
    columns = {
        "x": list(ARRAYS),
        "image": [Image.fromarray(pixels) for pixels in PIXELS],
        "label": LABELS,
        "size": [0.5 * index for index in range(20)],
        "text": ["words"] * 20,
    }
    whole = datasets.Dataset.from_dict(columns, features=features)
    path = tmp_path_factory.mktemp("saved") / "both"
    splits = {"train": whole.select(range(14)), "test": whole.select(range(14, 20))}
    datasets.DatasetDict(splits).save_to_disk(str(path))
    whole.save_to_disk(str(path.parent / "whole"))
    return path


def test_columns_are_inputs_and_labels(folder):
    arrays = huggingface(str(folder), "x")
    assert torch.equal(arrays.train_inputs, torch.from_numpy(ARRAYS[:14]))
    assert torch.equal(arrays.test_inputs, torch.from_numpy(ARRAYS[14:]))
    assert arrays.train_targets.tolist() + arrays.test_targets.tolist() == LABELS
    assert (arrays.classes, arrays.facts["class_names"]) == (2, ["cat", "dog"])


def test_images_have_their_channels_first(folder):
    arrays = huggingface(str(folder), "image")
    assert torch.equal(arrays.train_inputs, torch.from_numpy(PIXELS[:14]).movedim(-1, 1))
    assert arrays.train_inputs.dtype == torch.uint8


def test_one_data_set_is_split_and_numbers_are_a_regression(folder):
    arrays = huggingface(str(folder.parent / "whole"), "x", "size", regression=True, test_share=0.25)
    assert (len(arrays.train_targets), len(arrays.test_targets), arrays.regression) == (15, 5, True)
    # A split that is not there holds nothing out: a share does.
    assert len(huggingface(str(folder), "x", train="test", test="none", test_share=0.5).test_targets) == 3


def test_a_network_trains_on_it(folder):
    words = ["data=huggingface", f"data.source.path={folder}", "data.source.inputs=image", "model=cnn"]
    built = build(compose([*words, "regime.block_size=7", "impl.blocks_per_call=1"]))
    assert built.experiment.source.data.samples.inputs.shape == (14, 3, 5, 4)
    assert built.facts.summary()["class_names"] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "nowhere", "inputs": "x"}, "nowhere is no folder"),
        ({"inputs": "xs"}, "has no column 'xs'; did you mean 'x'?"),
        ({"inputs": "x", "target": "labels"}, "has no column 'labels'; did you mean 'label'?"),
        ({"inputs": "x", "train": "trai"}, "has no split 'trai'; did you mean 'train'?"),
        ({"inputs": "text"}, "item 0 has inputs of type str, which are no numbers"),
        ({"inputs": "x", "target": "size"}, "for a regression set data.source.regression=true"),
    ],
)
def test_what_is_not_there_is_said(folder, options, message):
    with pytest.raises(DataError) as error:
        huggingface(**{"path": str(folder), **options})
    assert message in str(error.value)


def test_other_folders_and_a_missing_package(folder, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="holds no data set that save_to_disk has written"):
        huggingface(str(tmp_path), "x")
    with pytest.raises(ValueError, match=r"data\.source\.inputs=COLUMN"):
        huggingface(str(folder))
    usual = builtins.__import__

    def missing(name, *arguments, **options):
        if name == "datasets":
            raise ImportError("No module named 'datasets'")
        return usual(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingPackageError, match=r"pip install 'fbgd\[huggingface\]'"):
        huggingface(str(folder), "x")
