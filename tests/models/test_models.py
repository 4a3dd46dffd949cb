"""Architectures: sizes, shapes, norms, refusals."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from cases import MODELS
from problems import network, samples, source

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.engine.evaluate import population_statistics
from fbgd.models import BatchNorm, ResNet
from fbgd.models.layers import Conv, GroupNorm, TorchConv, norm_layer

SHAPES = [(1, 40), (2, 17), (1, 28, 28), (3, 32, 32)]


@pytest.mark.parametrize(
    ("shape", "depth", "width", "parameters"),
    [
        ((1, 40), 8, 8, 7_474),
        ((1, 28, 28), 8, 8, 19_810),
        # torchvision's resnet18, 34, 50 and 152 with ten classes and a 3 x 3 stem.
        ((3, 32, 32), 18, 64, 11_173_962),
        ((3, 32, 32), 34, 64, 21_282_122),
        ((3, 32, 32), 50, 64, 23_520_842),
        ((3, 32, 32), 152, 64, 58_156_618),
    ],
)
def test_parameter_counts(shape, depth, width, parameters):
    with torch.device("meta"):
        model = ResNet(shape, 10, depth, width)
    assert sum(param.numel() for param in model.parameters()) == parameters


@pytest.mark.parametrize("depth", [20, 56, 110])
def test_cifar_depths_count_their_layers(depth):
    """Weighted layers on the main path: stem, two a block, and the linear one."""
    with torch.device("meta"):
        model = ResNet((3, 32, 32), 10, depth, 16)
    wide = [module for module in model.modules() if isinstance(module, Conv) and module.weight.shape[-1] == 3]
    assert len(wide) + 1 == depth


NORMED = [(kind, norm) for kind, case in MODELS.items() for norm in (case.norms or (None,))]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "norm"), NORMED)
def test_every_shape_and_norm_gives_logits(kind, norm, shape):
    model = MODELS[kind].network(norm, input_shape=shape, classes=7)
    before = [buffer.clone() for buffer in model.buffers()]
    logits = model(torch.randn(3, *shape))
    assert logits.shape == (3, 7)
    logits.sum().backward()
    assert all(param.grad is not None for param in model.parameters())
    # A block's statistics are its own and stay nowhere.
    assert all(map(torch.equal, before, model.buffers()))


@pytest.mark.parametrize("kind", MODELS)
def test_statistics_of_one_whole_block_are_those_of_the_population(kind):
    """Evaluated with population statistics over it, a network gives the logits that it has in training."""
    shape = MODELS[kind].shape
    model, everything = network(kind, "batch", shape), samples(23, shape)
    expected = model(everything.inputs).detach()
    population_statistics(model, source(block_size=23, shape=shape).whole_pass(0))
    torch.testing.assert_close(model.eval()(everything.inputs).detach(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", MODELS)
def test_a_choice_of_the_configuration_is_the_class_and_is_checked_without_data(kind):
    case = MODELS[kind]
    config = compose([f"model={case.choice}"])
    assert config.model["_target_"] == f"fbgd.models.{case.make.__name__}"
    check(config)
    assert "vectorises" in vars(case.make)


@pytest.mark.parametrize(
    ("kind", "message"), [(kind, message) for kind, case in MODELS.items() for message in case.invalid]
)
def test_options_of_the_registry_are_refused_by_name(kind, message):
    with pytest.raises(ValueError, match=message):
        MODELS[kind].network(**MODELS[kind].invalid[message])


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("classes", 0), ("dropout", 1.0), ("norm", "instance")])
@pytest.mark.parametrize("kind", MODELS)
def test_options_of_all_models_are_refused_by_name(kind, name, value):
    if name != "norm" or MODELS[kind].norms:
        with pytest.raises(ValueError, match=rf"model\.{name} = {value!r}"):
            MODELS[kind].network(**{name: value})


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 9, 4), (5, 6, 11)])
def test_norms_equal_those_of_torch(shape):
    inputs = torch.randn(shape, dtype=torch.float64)
    group = GroupNorm(3, 6).double()
    nn.init.normal_(group.weight)
    nn.init.normal_(group.bias)
    torch.testing.assert_close(group(inputs), F.group_norm(inputs, 3, group.weight, group.bias), rtol=0, atol=1e-12)
    batch = BatchNorm(6).double()
    twin = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(6).double()
    torch.testing.assert_close(batch(inputs), twin(inputs), rtol=0, atol=1e-12)
    assert torch.equal(batch.mean, torch.zeros(6).double())
    batch.mean.copy_(twin.running_mean)
    batch.variance.copy_(twin.running_var)
    torch.testing.assert_close(batch.eval()(inputs), twin.eval()(inputs), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("channels", "groups"), [(4, 2), (7, 1), (8, 4), (16, 8), (64, 8), (12, 6), (1, 1)])
def test_groups_leave_two_channels_each(channels, groups):
    assert norm_layer("group", channels).groups == groups


def test_one_axis_convolution_is_conv1d():
    conv, inputs = Conv(1, 3, 5, 3, stride=2).double(), torch.randn(2, 3, 11).double()
    expected = F.conv1d(inputs, conv.weight, stride=2, padding=1)
    torch.testing.assert_close(conv(inputs), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("axes", "twin"), [(1, nn.Conv1d), (2, nn.Conv2d)])
@pytest.mark.parametrize("bias", [True, False])
def test_torch_convolution_begins_and_computes_as_torch_s(axes, twin, bias):
    options = {"stride": 2, "padding": 1, "bias": bias}
    torch.manual_seed(3)
    ours = TorchConv(axes, 3, 4, 5, **options)
    torch.manual_seed(3)
    theirs = twin(3, 4, 5, **options)
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias) if bias else ours.bias is None
    inputs = torch.randn(2, 3, *[11] * axes, dtype=torch.float64)
    torch.testing.assert_close(ours.double()(inputs), theirs.double()(inputs), rtol=0, atol=1e-12)


def test_biases_of_the_he_convolution_begin_at_zero():
    assert torch.equal(Conv(2, 3, 4, 3, bias=True).bias, torch.zeros(4))
