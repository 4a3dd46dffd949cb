"""Architectures: sizes, shapes, norms, refusals."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from fbgd.models import CNN, CNN5, MLP, NORMS, BatchNorm, PreActResNet, ResNet, StridedCNN
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


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    "make",
    [
        lambda **options: ResNet(depth=8, width=4, **options),
        lambda **options: ResNet(depth=50, width=2, **options),
        lambda **options: ResNet(depth=18, width=2, shortcut="pool", **options),
        lambda **options: ResNet(depth=18, width=2, stem="imagenet", **options),
        lambda **options: CNN(width=4, layers=2, **options),
        lambda **options: MLP(width=6, **options),
        lambda **options: PreActResNet(width=2, **options),
        lambda **options: CNN5(width=2, **options),
        lambda **options: StridedCNN(width=3, **options),
    ],
)
def test_every_shape_and_norm_gives_logits(make, shape, norm):
    model = make(input_shape=shape, classes=7, norm=norm)
    logits = model(torch.randn(3, *shape))
    assert logits.shape == (3, 7)
    logits.sum().backward()
    assert all(param.grad is not None for param in model.parameters())


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


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (ResNet, {"depth": 19}, "depth = 19"),
        (ResNet, {"stem": "tiny"}, "stem = 'tiny'"),
        (ResNet, {"shortcut": "identity"}, "shortcut = 'identity' is not one of 'stride', 'pool'"),
        (ResNet, {"norm": "instance"}, "norm = 'instance'"),
        (ResNet, {"width": 0}, "width = 0"),
        (CNN, {"layers": 0}, "layers = 0"),
        (MLP, {"width": 1.5}, "width = 1.5"),
        (PreActResNet, {"width": 0}, "width = 0"),
        (PreActResNet, {"norm": "instance"}, "norm = 'instance'"),
        (CNN5, {"width": -1}, "width = -1"),
        (CNN5, {"input_shape": (1, 3)}, r"4 or more positions .* not \(1, 3\)"),
        (CNN5, {"input_shape": (3, 32, 3)}, r"4 or more positions .* not \(3, 32, 3\)"),
        (StridedCNN, {"width": 0}, "width = 0"),
        (StridedCNN, {"dropout": 1.0}, "dropout = 1.0"),
        (StridedCNN, {"input_shape": (1, 2)}, r"3 or more positions .* not \(1, 2\)"),
    ],
)
def test_invalid_options_are_named(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**{"input_shape": (1, 12), "classes": 5, **options})
