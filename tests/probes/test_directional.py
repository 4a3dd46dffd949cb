"""Curvature along gradients: of every block along its own, of the whole along the whole; against dense Hessians."""

import pytest
import torch
import torch.nn.functional as F
from problems import network, smooth_network, source
from reference import dense_hessian, flat
from states import state

from fbgd.engine.blocks import StepBlocks
from fbgd.probes import BatchSharpness, GradientSharpness

NORMS = pytest.mark.parametrize("norm", ["none", "batch", "layer", "group"])


def gradient_of(model, blocks):
    """The weighted mean of block gradients, by plain autograd."""
    total = 0
    for stack in blocks.stacks(1):
        loss = F.cross_entropy(model(stack.inputs[0]), stack.targets[0])
        total = total + len(stack.targets[0]) / blocks.samples * flat(torch.autograd.grad(loss, model.parameters()))
    return total


def single(blocks, place):
    """One of the blocks as all there are."""
    return StepBlocks(blocks.data, [blocks.indices[place]], blocks.pass_index, place)


@NORMS
def test_batch_sharpness_is_that_of_dense_block_hessians(norm):
    """Ragged blocks: 6, 6, 6 and 5 samples."""
    model, blocks = network("mlp", norm), source().training_pass(0)
    curvatures = []
    for place in range(4):
        own = single(blocks, place)
        gradient, matrix = gradient_of(model, own), dense_hessian(model, own)
        curvatures.append(float(gradient @ matrix @ gradient / gradient.square().sum()))
    looked = state(model, source())
    columns = BatchSharpness()(looked)
    exact = sum(size / 23 * own for size, own in zip((6, 6, 6, 5), curvatures, strict=True))
    assert columns["batch_sharpness"] == pytest.approx(exact, rel=1e-8)
    assert columns["largest"] == pytest.approx(max(curvatures), rel=1e-8)
    assert looked.cost.evaluations == 3 * 23


@NORMS
def test_gradient_sharpness_is_that_of_the_dense_hessian(norm):
    model, blocks = network("mlp", norm), source().training_pass(0)
    gradient, matrix = gradient_of(model, blocks), dense_hessian(model, blocks)
    looked = state(model, source())
    columns = GradientSharpness()(looked)
    assert columns["gradient_sharpness"] == pytest.approx(float(gradient @ matrix @ gradient / (gradient @ gradient)))
    assert columns["gradient_norm"] == pytest.approx(float(gradient.norm()))
    assert looked.cost.evaluations == 3 * 23


def test_of_one_block_both_are_the_same():
    model, blocks = smooth_network(), source(block_size=23)
    batch, whole = BatchSharpness()(state(model, blocks)), GradientSharpness()(state(model, blocks))
    assert batch["batch_sharpness"] == pytest.approx(whole["gradient_sharpness"], rel=1e-12)


def test_without_a_gradient_there_is_no_curvature_along_it():
    model, blocks = smooth_network(), source()

    def constant(params, inputs, targets, key):
        value = sum(0 * param.sum() for param in params)
        return value, (value.detach(), torch.zeros(()))

    assert GradientSharpness()(state(model, blocks, objective=constant))["gradient_sharpness"] == 0
    assert BatchSharpness()(state(model, blocks, objective=constant)) == {"batch_sharpness": 0, "largest": 0}
