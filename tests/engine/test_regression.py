"""Regressions, by least squares and scikit-learn's R2, and objectives of one output."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from reference import flat
from sklearn.metrics import r2_score

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.config.data import load_data
from fbgd.data import Samples
from fbgd.engine.evaluate import evaluate, population_statistics
from fbgd.engine.experiment import Progress
from fbgd.engine.losses import Binary, PlainLoss, SquaredError
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.provenance import identity
from fbgd.runs.rows import read_rows, run_row, to_frame

FEATURES, OUTPUTS = 5, 2


class Linear(nn.Sequential):
    """Features to numbers, without anything between."""

    def __init__(self, input_shape, classes):
        super().__init__(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), classes))


def absolute(outputs, targets, scale: float = 1.0):
    """A user's own loss of numbers."""
    return scale * (outputs - targets).abs().mean()


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_regression", sys.modules[__name__])


@pytest.fixture
def words(tmp_path):
    """A run on numbers that depend on features linearly, up to noise."""
    draws = np.random.default_rng(0)
    inputs = draws.normal(size=(50, FEATURES)) * np.arange(1, FEATURES + 1)
    targets = inputs @ draws.normal(size=(FEATURES, OUTPUTS)) * [1.0, 40.0] + [0.0, 900.0] + draws.normal(size=(50, 2))
    np.savez(tmp_path / "data.npz", x=inputs, y=targets)
    return [
        f"data.source.path={tmp_path}/data.npz",
        "data=array_file",
        "data.source.regression=true",
        "data.validation_size=8",
        "objective=squared_error",
        "model._target_=test_regression.Linear",
        "regime=full_batch",
        "regime.block_size=7",
        "precision=fp64",
        "schedule=constant",
        "optimizer._target_=torch.optim.SGD",
        "optimizer.lr=0.2",
        "impl.device=cpu",
    ]


@pytest.mark.parametrize("blocks_per_call", [1, 3, "auto"])
def test_full_batch_comes_to_least_squares(words, blocks_per_call):
    built = build(compose([*words, "budget.passes=400", "record.every=400", f"impl.blocks_per_call={blocks_per_call}"]))
    rows = []
    train(built.experiment, Progress(), lambda row, _: rows.append(row))
    dataset = load_data(compose(words))
    data = dataset.train.samples
    inputs = torch.cat([data.inputs, torch.ones(len(data), 1)], 1).double()
    solution = torch.linalg.lstsq(inputs, data.targets.double()).solution
    weight, bias = built.experiment.model[1].weight, built.experiment.model[1].bias
    torch.testing.assert_close(torch.cat([weight.T, bias[None]]).detach(), solution, rtol=0, atol=1e-6)
    outputs = torch.cat([dataset.test.inputs, torch.ones(len(dataset.test), 1)], 1).double() @ solution
    assert rows[-1]["test_r2"] == pytest.approx(r2_score(dataset.test.targets, outputs), abs=1e-5)
    assert rows[-1]["test_r2"] > 0.9
    expected = 0.5 * (outputs - dataset.test.targets).square().sum() / len(dataset.test)
    assert rows[-1]["test_loss"] == pytest.approx(float(expected), abs=1e-5)
    assert "accuracy" not in rows[-1]
    assert "test_accuracy" not in rows[-1]


def test_targets_are_standardised_by_the_training_set_and_facts_say_how(words):
    dataset = load_data(compose(words))
    targets = dataset.train.samples.targets.double()
    assert targets.shape == (32, OUTPUTS)
    torch.testing.assert_close(targets.mean(0), torch.zeros(2).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(targets.std(0, correction=0), torch.ones(2).double(), rtol=0, atol=1e-6)
    assert dataset.facts["target_mean"][1] == pytest.approx(900, rel=0.2)
    assert (dataset.classes, len(dataset.validation), len(dataset.test)) == (2, 8, 10)


def test_a_row_s_r2_is_that_of_the_training_set(words):
    """With one step a pass, the first row is about the weights of the beginning."""
    config = compose([*words, "budget.passes=1"])
    model, data = build(config).experiment.model, load_data(config).train.samples
    expected = r2_score(data.targets, model(data.inputs.double()).detach())
    rows = []
    train(build(config).experiment, Progress(), lambda row, _: rows.append(row))
    assert rows[0]["r2"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("batch_size", [3, 100])
def test_evaluation_is_scikit_learn_s(batch_size):
    draws = torch.Generator().manual_seed(0)
    inputs = torch.randn(17, 4, generator=draws, dtype=torch.float64)
    targets = torch.randn(17, 3, generator=draws, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.1]) + 2
    model = nn.Linear(4, 3).double()
    loss, score = evaluate(model, Samples(inputs, targets), batch_size, SquaredError(2.0))
    assert score == pytest.approx(r2_score(targets, model(inputs).detach()), abs=1e-12)
    assert loss == pytest.approx(2 * 3 * F.mse_loss(model(inputs), targets).item(), abs=1e-12)
    targets[:, 1] = 7.0
    assert np.isfinite(evaluate(model, Samples(inputs, targets), batch_size, SquaredError())[1])


def test_a_run_has_honest_columns_and_resumes(words, tmp_path):
    config = compose([*words, "budget.passes=3", "record.train=true", "record.evaluate_every=1"])
    summary = execute(config, tmp_path / "run")
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert {"r2", "test_r2", "validation_r2", "train_r2"} <= set(metrics)
    assert not [name for name in metrics if "accuracy" in name]
    row = run_row(RunDirectory(tmp_path / "run"), {"rung": "a"}, 0, {})
    frame = to_frame([row], ["rung"])
    assert list(frame)[:7] == ["rung", "seed", "status", "test_r2", "validation_r2", "train_r2", "r2"]
    frame.to_csv(tmp_path / "runs.csv", index=False)
    again = read_rows(tmp_path / "runs.csv")
    assert float(again["test_r2"][0]) == summary["test_r2"]
    assert again["test_accuracy"].isna().all()
    plain = to_frame([{**row, "test_r2": None} | {"rung": "b"}], ["rung"])
    assert "test_r2" in plain
    assert "r2" not in to_frame([run_row(RunDirectory(tmp_path / "none"), {"rung": "a"}, 0, {})], ["rung"])
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["target_std"]


@pytest.mark.parametrize("objective", ["torch.nn.L1Loss", "torch.nn.MSELoss", "test_regression.absolute"])
def test_any_loss_of_numbers_works(words, objective):
    words = [word for word in words if not word.startswith("objective")]
    config = compose([*words, f"objective._target_={objective}", "budget.passes=5"])
    check(config)
    built, rows = build(config), []
    train(built.experiment, Progress(), lambda row, _: rows.append(row))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["test_r2"] > rows[0]["r2"]


@pytest.mark.parametrize("choice", ["input_noise", "mixup", "l2", "gradient_penalty", "ema", "early_stopping"])
def test_regularisers_of_numbers(words, choice):
    built, rows = build(compose([*words, f"regularizer={choice}", "budget.passes=2"])), []
    train(built.experiment, Progress(), lambda row, _: rows.append(row))
    assert np.isfinite(rows[-1]["test_loss"])


class TestBinary:
    def test_it_is_the_cross_entropy_of_two_outputs(self):
        """One logit f is the two logits (0, f)."""
        outputs = torch.randn(9, 1, dtype=torch.float64)
        both = torch.cat([torch.zeros_like(outputs), outputs], 1)
        labels, probabilities = torch.arange(9) % 2, torch.rand(9, 1, dtype=torch.float64)
        probabilities = torch.cat([probabilities, 1 - probabilities], 1)
        for targets in (labels, probabilities):
            assert Binary()(outputs, targets).item() == pytest.approx(F.cross_entropy(both, targets).item(), abs=1e-12)
            right = both.argmax(1) == (targets if targets.dim() == 1 else targets.argmax(1))
            assert Binary().score(outputs, targets).item() == right.sum()

    @pytest.mark.parametrize("regime", ["sgd", "full_batch"])
    @pytest.mark.parametrize("blocks_per_call", [1, 3])
    def test_it_trains_a_model_of_one_output(self, tmp_path, regime, blocks_per_call):
        inputs = np.random.default_rng(0).normal(size=(60, 4))
        np.savez(tmp_path / "data.npz", x=inputs, y=inputs[:, 0] > 0)
        words = ["data=array_file", f"data.source.path={tmp_path}/data.npz", "model=mlp", "model.width=8"]
        words += [
            f"regime={regime}",
            "regime.block_size=9",
            "objective=binary",
            "budget.passes=30",
            "regularizer=mixup",
        ]
        built, rows = build(compose([*words, f"impl.blocks_per_call={blocks_per_call}", "optimizer.lr=0.3"])), []
        train(built.experiment, Progress(), lambda row, _: rows.append(row))
        assert built.experiment.model[-1].out_features == 1
        assert rows[-1]["test_accuracy"] > 0.8

    def test_it_wants_two_classes(self):
        with pytest.raises(ConfigError, match="takes two classes, and data=mnist1d has 10"):
            build(compose(["objective=binary", "data.source.train=40", "data.source.test=10", "regime.block_size=9"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["objective=cross_entropy"], "takes class labels, and the targets of data=array_file are numbers"),
        (["objective=mse"], "set objective=squared_error"),
        (["regularizer=label_smoothing"], "LabelSmoothing) changes class labels"),
        (
            ["regularizer=early_stopping", "regularizer.early_stopping.metric=validation_accuracy"],
            "set validation_loss",
        ),
        (["data.label_noise=0.1"], "data.label_noise = 0.1 changes class labels"),
        (["data.source.regression=false"], "for numbers of a regression set data.source.regression=true"),
        (["objective.scale=0"], "scale = 0"),
    ],
)
def test_what_has_no_numbers_or_no_labels_is_refused(words, changes, message):
    with pytest.raises(ValueError) as error:
        build(compose([*words, *changes]))
    assert message in str(error.value)


def test_numbers_are_wanted_where_labels_are():
    words = ["objective=squared_error", "data.source.train=40", "data.source.test=10", "regime.block_size=9"]
    with pytest.raises(ConfigError, match="takes numbers, and the targets of data=mnist1d are class labels"):
        build(compose(words))


def test_the_objective_is_part_of_the_identity(words):
    assert identity(compose(words)) != identity(compose([*words, "objective.scale=1.0"]))
    assert PlainLoss(F.l1_loss, "r2").metric == "r2"


def test_batch_norm_of_features(words):
    words = [word for word in words if not word.startswith("model")]
    built = build(compose([*words, "model=mlp", "model.norm=batch", "model.width=6", "budget.passes=2"]))
    population_statistics(built.experiment.model, built.experiment.source.whole_pass(0))
    assert flat(built.experiment.model.buffers()).isfinite().all()
