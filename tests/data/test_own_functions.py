"""Functions of the user's that give data: arrays of NumPy, of torch, or ``Arrays``, and what is wrong with them."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.data import Arrays
from fbgd.data.files import DataError
from fbgd.data.own import as_arrays
from fbgd.errors import ConfigError

DRAW = np.random.default_rng(0)
INPUTS = DRAW.normal(size=(30, 1, 6))
LABELS = np.arange(30) % 3
GOOD = Arrays(
    torch.from_numpy(INPUTS[:20]),
    torch.from_numpy(LABELS[:20]),
    torch.from_numpy(INPUTS[20:]),
    torch.from_numpy(LABELS[20:]),
    classes=3,
)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_own_functions", sys.modules[__name__])


def four():
    return INPUTS[:20], LABELS[:20], INPUTS[20:], LABELS[20:]


def numbers():
    return INPUTS[:, 0], INPUTS[:, 0, :2] * 2


def broken():
    raise OSError("the disk\nis full")


def distance(outputs, targets):
    """Of numbers only: labels have another shape."""
    if outputs.shape != targets.shape:
        raise ValueError("numbers are wanted")
    return F.smooth_l1_loss(outputs, targets)


def test_arrays_of_numpy_are_what_arrays_of_torch_are():
    arrays, named = as_arrays("here", four()), as_arrays("here", GOOD)
    for name in ("train_inputs", "train_targets", "test_inputs", "test_targets"):
        assert torch.equal(getattr(arrays, name), getattr(named, name))
        assert getattr(arrays, name).dtype is (torch.float32 if "inputs" in name else torch.int64)
    assert arrays.classes == named.classes == 3


def test_two_arrays_are_split():
    arrays = as_arrays("here", (INPUTS, LABELS.astype(str)))
    assert (len(arrays.train_targets), len(arrays.test_targets), arrays.classes) == (24, 6, 3)
    assert arrays.test_targets.bincount().tolist() == [2, 2, 2]
    assert arrays.facts["class_names"] == ["0", "1", "2"]


def test_types_become_those_of_training():
    given = replace(
        GOOD,
        train_targets=GOOD.train_targets.to(torch.int16).unsqueeze(1),
        test_targets=GOOD.test_targets.numpy().astype("uint8"),
        train_inputs=INPUTS[:20],
    )
    arrays = as_arrays("here", given)
    assert torch.equal(arrays.train_targets, GOOD.train_targets)
    assert torch.equal(arrays.test_targets, GOOD.test_targets)
    assert torch.equal(arrays.train_inputs, GOOD.train_inputs.float())


def test_tokens_and_regressions_keep_their_types():
    tokens = torch.arange(60).view(20, 3)
    given = Arrays(tokens, tokens % 5, tokens[:4], tokens[:4] % 5, classes=5)
    assert as_arrays("here", given).tokens
    numbers = torch.linspace(0, 1, 20).double()
    arrays = as_arrays("here", Arrays(INPUTS[:20], numbers, INPUTS[:4], numbers[:4], classes=1))
    assert arrays.regression and arrays.train_targets.shape == (20, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "here gives a NoneType: fbgd.data.Arrays is wanted"),
        (
            TensorDataset(torch.zeros(3, 2)),
            "here gives a TensorDataset: a data set of torch is read by data=torch_dataset",
        ),
        ([1, 2, 3], "here gives a list of 3"),
        ({"train_x": 1}, "here gives a dict of 1"),
        (replace(GOOD, train_targets=GOOD.train_targets + 1), "the label 3 is outside [0, 2], as classes=3 says"),
        (replace(GOOD, test_targets=GOOD.test_targets - 1), "test targets: the label -1 is outside [0, 2]"),
        (replace(GOOD, train_targets=GOOD.train_targets[1:]), "20 training inputs, and 19 targets"),
        (replace(GOOD, test_inputs=GOOD.test_inputs[..., :4]), "float32 (1, 6) and float32 (1, 4)"),
        (replace(GOOD, train_inputs=GOOD.train_inputs.log()), "training inputs hold numbers that are not finite"),
        (replace(GOOD, train_inputs=torch.zeros(20)), "the shape (20,)"),
        (replace(GOOD, train_inputs="x"), "training inputs are no array of numbers"),
        (replace(GOOD, train_targets=F.one_hot(GOOD.train_targets).float()), "targets of a sample of the training"),
        (replace(GOOD, train_targets=torch.rand(20)), "classes is how many numbers a sample has"),
    ],
)
def test_what_does_not_fit_is_said(given, message):
    with pytest.raises(DataError) as error:
        as_arrays("here", given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_function_that_fails_is_said_with_its_line():
    with pytest.raises(ConfigError, match=r"^data\.source \(test_own_functions\.broken\): OSError: the disk \(.*line"):
        build(compose(["data.source._target_=test_own_functions.broken", "model=mlp"]))


def test_an_objective_of_numbers_is_found_to_be_one_by_the_data():
    """Neither of the two names says that it is a regression."""
    words = ["data.source._target_=test_own_functions.numbers", "objective._target_=test_own_functions.distance"]
    config = compose([*words, "model=mlp", "regime.block_size=8"])
    check(config)
    assert build(config).experiment.metric == "r2"
    with pytest.raises(ConfigError, match=r"labels of shape \(2,\) failed: ValueError: numbers are wanted"):
        build(compose([words[1], "model=mlp", "data.source.train=40", "data.source.test=10"]))
    with pytest.raises(ConfigError, match="numbers are wanted"):
        build(compose([words[1], "data.source._target_=test_own_functions.four", "model=mlp", "regime.block_size=8"]))
