"""Evaluation and population statistics."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from problems import network, samples, source

from fbgd.engine.evaluate import evaluate, population_statistics
from fbgd.models import BatchNorm


@given(batch_size=st.integers(1, 30))
def test_loss_and_accuracy_for_every_batch_size(batch_size):
    model, data = network("resnet", "group"), samples(23)
    loss, accuracy = evaluate(model, data, batch_size)
    with torch.no_grad():
        logits = model(data.inputs)
    assert loss == pytest.approx(F.cross_entropy(logits, data.targets).item(), abs=1e-12)
    assert accuracy == (logits.argmax(1) == data.targets).sum().item() / 23


def test_logits_that_are_not_finite_are_wrong():
    model, data = network("mlp"), samples(23)
    with torch.no_grad():
        model[-1].bias.fill_(float("nan"))
    assert evaluate(model, data)[1] == 0.0


def test_one_block_of_everything_gives_the_same_outputs_in_both_modes():
    """With a single block, training and evaluation mode normalise with the same numbers."""
    model, data = network("resnet", "batch"), samples(23)
    expected = model(data.inputs).detach()
    population_statistics(model, source(block_size=23).whole_pass(0))
    assert model.training
    torch.testing.assert_close(model.eval()(data.inputs).detach(), expected, rtol=0, atol=1e-12)


def test_pooled_moments_of_ragged_blocks():
    """The first layer's input does not depend on other norms: its pooled moments are those of the whole set."""
    model, data = network("cnn", "batch"), samples(23)
    before = {name: value.clone() for name, value in model.named_parameters()}
    population_statistics(model, source().whole_pass(0))
    first = next(module for module in model.modules() if isinstance(module, BatchNorm))
    activations = model[0](data.inputs).detach()
    torch.testing.assert_close(first.mean, activations.mean((0, 2)), rtol=0, atol=1e-12)
    torch.testing.assert_close(first.variance, activations.var((0, 2), correction=0), rtol=0, atol=1e-12)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_mode_is_restored_when_evaluation_fails():
    model = network("mlp")
    with pytest.raises(RuntimeError):
        evaluate(model, samples(5, shape=(1, 13)))
    assert model.training
