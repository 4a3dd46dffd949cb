"""Losses against torch.nn.functional, closed forms and loops; through every vectorisation, evaluation and a run."""

import math
import sys

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from problems import CLASSES, network, parameters, samples, source
from reference import flat
from sequences import VOCABULARY, problem
from sequences import source as sequence_source

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.engine.blocks import BlockTransforms
from fbgd.engine.evaluate import evaluate
from fbgd.engine.experiment import Progress
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.losses import MSE, CrossEntropy, MSEProbabilities, PlainLoss, as_loss
from fbgd.engine.objective import classification
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from fbgd.runs.provenance import identity
from fbgd.runs.together import obstacle
from regularizers import GradientPenalty, Mixup

LOSSES = [CrossEntropy(), MSE(), MSE(scale=2.0), MSEProbabilities()]
SMALL = [
    "data.source.train=40",
    "data.source.test=20",
    "model=mlp",
    "model.width=5",
    "regime.block_size=9",
    "precision=fp64",
    "budget.passes=3",
    "record.evaluate_every=1",
    "impl.blocks_per_call=1",
]


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def expected_mean(loss, outputs, targets):
    """By torch.nn.functional: the mean over samples."""
    if isinstance(loss, CrossEntropy):
        return F.cross_entropy(outputs, targets)
    hot = targets if targets.is_floating_point() else F.one_hot(targets, outputs.shape[-1]).double()
    values = outputs.softmax(-1) if isinstance(loss, MSEProbabilities) else outputs
    return loss.scale * F.mse_loss(values, hot, reduction="sum") / len(outputs)


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_mean_is_that_of_torch(loss, probabilities):
    outputs, labels = draw(7, 4), torch.tensor([0, 3, 1, 1, 2, 0, 3])
    targets = draw(7, 4).softmax(-1) if probabilities else labels
    expected = expected_mean(loss, outputs, targets)
    torch.testing.assert_close(loss(outputs, targets), expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(loss.total(outputs, targets), 7 * expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_labels_and_their_one_hot_probabilities_are_one_target(loss):
    outputs, labels = draw(2, 6, VOCABULARY), torch.tensor([[1, 2, 3, -100, -100, -100], [4, 5, 6, 7, 8, -100]])
    predicted = labels != -100
    hot = F.one_hot(labels.where(predicted, 0), VOCABULARY).double() * predicted.unsqueeze(-1)
    one_by_one = sum(
        expected_mean(loss, outputs[i, t : t + 1], labels[i, t : t + 1]) for i, t in predicted.nonzero().tolist()
    )
    for targets in (labels, hot):
        torch.testing.assert_close(loss.total(outputs, targets), one_by_one, rtol=0, atol=1e-12)
        torch.testing.assert_close(loss(outputs, targets, 3.5), one_by_one / 7, rtol=0, atol=1e-12)


def test_the_gradient_of_linear_regression():
    """Of 0.5 |W x + b - y|^2, mean over samples: (W x + b - y) x^T / N and its mean, written out."""
    model, data = nn.Sequential(nn.Flatten(), nn.Linear(12, CLASSES)).double(), samples(23)
    result = MeanGradient(classification(model, loss=MSE()))(parameters(model), source().step(0), 0.1)
    inputs = data.inputs.flatten(1)
    residual = inputs @ model[1].weight.T + model[1].bias - F.one_hot(data.targets, CLASSES)
    torch.testing.assert_close(result.gradient[0], (residual.T @ inputs / 23).detach(), rtol=0, atol=1e-13)
    torch.testing.assert_close(result.gradient[1], residual.mean(0).detach(), rtol=0, atol=1e-13)
    assert float(result.loss) == pytest.approx(float(residual.square().sum().detach()) / 46, abs=1e-13)


@pytest.mark.parametrize("penalties", [(), (GradientPenalty(20.0, method="exact"),), (GradientPenalty(20.0),)])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_every_vectorisation_gives_the_same(loss, mixed, penalties):
    """Under vmap, and under jvp of the gradient."""
    model, blocks = network("resnet", "batch"), source()
    if mixed:
        blocks.transforms = BlockTransforms((Mixup(0.5),), CLASSES, 0)
    found = [
        MeanGradient(classification(model, loss=loss), penalties, count)(parameters(model), blocks.step(0), 0.3)
        for count in (1, 2, 100)
    ]
    for other in found[1:]:
        torch.testing.assert_close(flat(other.gradient), flat(found[0].gradient), rtol=0, atol=1e-10)
        torch.testing.assert_close(other.loss, found[0].loss, rtol=0, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_blocks_of_sequences_add_up_to_the_mean_over_tokens(loss):
    model, data = problem("decoder")
    objective = classification(model, tokens_per_sample=data.tokens_per_sample, loss=loss)
    result = MeanGradient(objective)(parameters(model), sequence_source(data).step(0), 0.1)
    expected = loss.total(model(data.inputs), data.targets) / data.predictions
    torch.testing.assert_close(result.loss, expected.detach(), rtol=0, atol=1e-12)
    gradient = torch.autograd.grad(expected, list(model.parameters()))
    torch.testing.assert_close(flat(result.gradient), flat(gradient), rtol=0, atol=1e-12)
    assert evaluate(model, data, 3, loss)[0] == pytest.approx(float(expected.detach()), abs=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_evaluation_has_the_same_loss_and_accuracy_as_ever(loss, batch_size):
    model, data = network("mlp"), samples(23)
    mean, accuracy = evaluate(model, data, batch_size, loss)
    outputs = model(data.inputs).detach()
    assert mean == pytest.approx(float(expected_mean(loss, outputs, data.targets)), abs=1e-12)
    assert accuracy == float((outputs.argmax(1) == data.targets).double().mean())


@pytest.mark.parametrize("choice", ["mse", "mse_probabilities"])
def test_a_run_minimises_and_evaluates_what_is_chosen(choice):
    """Full batch, one step: the row's loss is that of the initial network, the test loss that of the final one."""
    words = [*SMALL, f"objective={choice}", "regime=full_batch", "budget.passes=1", "record.train=true"]
    experiment = build(compose(words)).experiment
    loss, model = {"mse": MSE(), "mse_probabilities": MSEProbabilities()}[choice], experiment.model
    data = experiment.source.data.samples
    before = float(expected_mean(loss, model(data.inputs), data.targets).detach())
    rows = []
    train(experiment, Progress(), lambda row, _: rows.append(row))
    after = float(expected_mean(loss, model(data.inputs), data.targets).detach())
    assert rows[0]["loss"] == pytest.approx(before, abs=1e-12)
    assert rows[0]["train_loss"] == pytest.approx(after, abs=1e-12)
    assert 0 < rows[0]["test_loss"] < math.inf
    assert after < before


@pytest.mark.parametrize("choice", ["mse", "mse_probabilities"])
def test_mixed_precision(choice):
    words = [*SMALL, f"objective={choice}", "impl.blocks_per_call=2"]
    exact, mixed = [], []
    for precision, rows in (("fp32", exact), ("bf16", mixed)):
        experiment = build(compose([*words, f"precision={precision}"])).experiment
        train(experiment, Progress(), lambda row, _, rows=rows: rows.append(row["loss"]))
    assert mixed == pytest.approx(exact, rel=0.02)
    assert mixed != exact


def test_cross_entropy_is_no_part_of_the_identity_and_others_are():
    plain, other = compose(SMALL), compose([*SMALL, "objective=mse"])
    assert plain == compose([*SMALL, "objective=cross_entropy"])
    assert identity(plain) != identity(other)
    assert identity(other) != identity(compose([*SMALL, "objective=mse", "objective.scale=1.0"]))


def absolute():
    """A loss of a user's own, by a factory; its branch on a number is what vmap refuses."""

    def loss(outputs, targets):
        distances = (outputs.gather(1, targets.unsqueeze(1)) - 1).abs()
        return distances.mean() if float(distances.detach().max()) > 0 else distances.sum()

    return loss


def per_sample():
    return lambda outputs, targets: outputs.sum(1)


def test_a_loss_of_one_s_own(monkeypatch):
    words = [*SMALL, "objective._target_=test_losses.absolute"]
    monkeypatch.setitem(sys.modules, "test_losses", sys.modules[__name__])
    config = compose([*words, "impl.blocks_per_call=auto", "regime=full_batch", "regime.block_size=9"])
    rows = []
    train(build(config).experiment, Progress(), lambda row, _: rows.append(row))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert "not known to vectorise" in obstacle(config)
    assert obstacle(compose([*SMALL, "objective=mse"])) is None
    with pytest.raises(ConfigError, match=r"objective \(test_losses\.per_sample\): .*shape \(2,\)"):
        check(compose([*SMALL, "objective._target_=test_losses.per_sample"]))
    with pytest.raises(ConfigError, match=r"a trial with .* failed: .*takes no sequences"):
        check(compose(["data=markov", "model=gpt", "objective._target_=test_losses.absolute"]))
    with pytest.raises(ConfigError, match=r"a trial with .* failed"):
        # It takes labels only.
        check(compose([*words, "regularizer=mixup"]))


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="objective=hinge is unknown"):
        compose(["objective=hinge"])
    with pytest.raises(ConfigError, match=r"scale = -1"):
        check(compose(["objective=mse", "objective.scale=-1"]))
    with pytest.raises(ConfigError, match=r"objective\.scal: .*did you mean 'scale'"):
        compose(["objective=mse", "objective.scal=1"])
    with pytest.raises(ConfigError, match=r"did you mean 'MSE'"):
        compose(["objective._target_=fbgd.engine.losses.MSEE"])
    with pytest.raises(ConfigError, match="3 is no function"):
        as_loss(3)
    assert isinstance(as_loss(F.cross_entropy), PlainLoss)
