"""Metrics of the user's: what they are called with, their columns, and what is wrong with them."""

import json
import sys

import pandas as pd
import pytest
import torch
import torch.nn as nn
from omegaconf import OmegaConf
from sklearn.metrics import top_k_accuracy_score

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.engine.evaluate import evaluate
from fbgd.engine.metrics import Metric, measured
from fbgd.errors import ConfigError
from fbgd.report.compare import compare
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.provenance import identity, science
from fbgd.runs.rows import read_rows, run_row, to_frame

SMALL = [
    "data.source.train=40", "data.source.test=10", "data.validation_size=10", "regime.block_size=10", "budget.passes=2",
    "record.evaluate_every=1", "impl.device=cpu", "model=mlp", "model.width=4", "impl.blocks_per_call=1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_metrics", sys.modules[__name__])


def among(outputs, targets, best: int = 3):
    return (outputs.topk(best).indices == targets.unsqueeze(1)).any(1).double().mean()


class Right:
    """A class whose instances are called."""

    def __call__(self, outputs, targets):
        assert not outputs.requires_grad
        return {
            "share": (outputs.argmax(1) == targets).float().mean(),
            "number": int((outputs.argmax(1) == targets).sum()),
        }


def wrong(outputs, targets):
    return "much"


def listing(outputs, targets):
    return outputs.mean(0)


def failing(outputs, targets):
    raise KeyError("nothing")


def writing(outputs, targets):
    outputs.zero_()
    return 0.0


class Modes(nn.Module):
    """Says by its outputs in which mode it is."""

    def __init__(self, input_shape, classes):
        super().__init__()
        self.linear, self.classes = nn.Linear(input_shape[-1], classes), classes

    def forward(self, inputs):
        return self.linear(inputs.flatten(1)) * 0 + float(self.training)


def in_training(outputs, targets):
    return float(outputs.abs().max())


def test_columns_are_those_of_all_samples_and_the_run_is_the_same(tmp_path):
    words = ["metric.among._target_=test_metrics.among", "metric.right._target_=test_metrics.Right"]
    plain, config = compose(SMALL), compose([*SMALL, *words])
    execute(plain, tmp_path / "plain")
    execute(config, tmp_path / "measured")
    rows = {name: pd.read_csv(tmp_path / name / "metrics.csv") for name in ("plain", "measured")}
    same = [column for column in rows["plain"] if column != "seconds"]
    pd.testing.assert_frame_equal(rows["plain"][same], rows["measured"][same], check_exact=True)
    added = set(rows["measured"]) - set(rows["plain"])
    assert added == {f"{part}_{name}" for part in ("test", "validation") for name in
                     ("among", "right/share", "right/number")}  # fmt: skip
    assert rows["measured"]["test_right/share"].tolist() == pytest.approx(rows["plain"]["test_accuracy"].tolist())
    summary = json.loads((tmp_path / "measured" / "summary.json").read_text())
    assert summary["test_right/number"] == round(10 * summary["test_accuracy"])
    assert identity(plain) != identity(config)


def test_the_number_is_scikit_learn_s_whatever_the_batch():
    torch.manual_seed(0)
    built = build(compose(SMALL))
    model, samples = built.experiment.model, built.experiment.source.data.samples
    metric = Metric("among", lambda outputs, targets: among(outputs, targets, 2))
    with torch.no_grad():
        scores = model.eval()(samples.inputs)
    expected = top_k_accuracy_score(samples.targets, scores, k=2, labels=range(10))
    for size in (1, 7, 1000):
        assert measured([metric], "train", model, samples, size) == {"train_among": pytest.approx(expected)}


def test_the_model_is_in_evaluation_mode_and_a_metric_cannot_disturb_it():
    words = ["model._target_=test_metrics.Modes", "metric.mode._target_=test_metrics.in_training"]
    words += ["metric.a._target_=test_metrics.writing"]
    experiment = build(compose([*SMALL[:-3], *words])).experiment
    row = experiment.monitor.measure(0)
    assert (row["test_mode"], row["validation_mode"]) == (0, 0)
    assert experiment.model.training


def test_a_regression_and_sequences_have_metrics():
    built = build(compose(["data=markov", "data.source.length=6", "data.source.train=12", "data.source.test=4",
                           "model=gpt", "model.width=4", "regime.block_size=6", "impl.blocks_per_call=1",
                           "metric.largest._target_=test_metrics.in_training"]))  # fmt: skip
    assert built.experiment.monitor.measure(0)["test_largest"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["metric.m._target_=test_metrics.wrong"], "metric.m gives 'much', and must be a number"),
        (["metric.m._target_=test_metrics.listing"], "metric.m gives tensor"),
        (["metric.m._target_=test_metrics.failing"], "metric.m failed with outputs of shape (10, 10) and targets"),
        (["metric.m._target_=test_metrics.amon"], "did you mean 'among'"),
        (["metric.m._target_=test_metrics.among", "metric.m.bets=3"], "did you mean 'best'"),
        (["metric.m._target_=test_metrics.among", "metric.m.best=three"], "metric.m.best = 'three' is not what"),
        (["metric.loss._target_=test_metrics.among"], "metric.loss is the name of a column that runs have anyway"),
        (["metric.m.best=3"], "metric.m._target_ is missing"),
        (["metric=[top]"], "metric=top is unknown"),
    ],
)
def test_mistakes_are_said_before_the_training(words, message):
    with pytest.raises(ConfigError) as error:
        build(compose([*SMALL, *words]))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_no_metric_is_no_part_of_a_run():
    config = compose(SMALL)
    assert config.metric == {}
    check(config)
    model = nn.Linear(2, 2)
    assert measured((), "test", model, None) == {}


def test_results_are_compared_by_them(tmp_path):
    words = ["metric.among._target_=test_metrics.among"]
    for width in (4, 5):
        for seed in (0, 1):
            config = compose([*SMALL, *words, f"model.width={width}", f"seed={seed}"])
            execute(config, tmp_path / f"{width}-{seed}")
    page = compare([tmp_path], metric="test_among")
    assert len(page.rows) == 2
    assert "test among" in " ".join(page.header)
    with pytest.raises(ConfigError, match=r"--metric test_amon is unknown; did you mean 'test_among'"):
        compare([tmp_path], metric="test_amon")
    settings = OmegaConf.to_container(OmegaConf.load(tmp_path / "4-0" / "config.yaml"))
    frame = to_frame(
        [run_row(RunDirectory(tmp_path / "4-0"), {"test_label": "x"}, 0, science(settings))], ["test_label"]
    )
    frame.to_csv(tmp_path / "runs.csv", index=False)
    again = read_rows(tmp_path / "runs.csv")
    assert list(again)[:4] == ["test_label", "seed", "status", "test_among"]
    assert again["test_among"].tolist() == frame["test_among"].tolist()
    assert again["test_label"].tolist() == ["x"]


class TestEvaluationOfProbes:
    def test_it_gives_the_numbers_of_the_run_s_own_evaluation(self, tmp_path):
        words = ["model=cnn", "model.norm=batch", "probe.seen._target_=test_metrics.seen", "record.train=true"]
        execute(compose([*SMALL[:-3], *words, "regularizer=[mixup]"]), tmp_path / "run")
        rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
        assert rows["seen/loss"].tolist() == pytest.approx(rows["train_loss"].tolist())
        assert rows["seen/training"].tolist() == [1.0] * len(rows)


def seen(state):
    samples = state.blocks().data.samples
    with state.evaluation() as model:
        assert not model.training
        loss, _ = evaluate(model, samples)
    return {"loss": loss, "training": float(state.model.training)}
