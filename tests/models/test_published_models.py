"""The published small architectures, against plain ``torch.nn`` modules and their parameter counts."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from twins import CONV, MEAN, NORM, POOL, give_same_numbers, ordered, results

from fbgd.models import CNN5, MLP, PreActResNet, StridedCNN


class PlainBlock(nn.Module):
    """A pre-activation block written with torch's own modules."""

    def __init__(self, axes, inputs, outputs, stride):
        super().__init__()
        self.norms = nn.ModuleList([NORM[axes](inputs), NORM[axes](outputs)])
        self.first = CONV[axes](inputs, outputs, 3, stride, 1, bias=False)
        self.second = CONV[axes](outputs, outputs, 3, 1, 1, bias=False)
        self.skip = CONV[axes](inputs, outputs, 1, stride, bias=False) if stride > 1 else None

    def forward(self, inputs):
        hidden = F.relu(self.norms[0](inputs))
        outputs = self.second(F.relu(self.norms[1](self.first(hidden))))
        return outputs + (self.skip(hidden) if self.skip else inputs)


def plain_preact_resnet(shape, classes, k):
    axes = len(shape) - 1
    stem = CONV[axes](shape[0], k, 3, padding=1, bias=False)
    pairs = [(k, k), (k, k), (k, 2 * k), (2 * k, 2 * k), (2 * k, 4 * k), (4 * k, 4 * k), (4 * k, 8 * k), (8 * k, 8 * k)]
    blocks = [PlainBlock(axes, inputs, outputs, outputs // inputs) for inputs, outputs in pairs]
    return nn.Sequential(stem, *blocks, MEAN[axes](4), nn.Flatten(), nn.Linear(8 * k, classes))


def plain_cnn5(shape, classes, k):
    axes, layers = len(shape) - 1, []
    for inputs, outputs, pool in [(shape[0], k, 1), (k, 2 * k, 2), (2 * k, 4 * k, 2), (4 * k, 8 * k, 8)]:
        layers += [CONV[axes](inputs, outputs, 3, padding=1), NORM[axes](outputs), nn.ReLU(), POOL[axes](pool)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * k, classes))


def plain_strided_cnn(shape, classes, c):
    conv, positions = CONV[len(shape) - 1], {40: 5, 32: 16}[shape[-1]]
    convs = [conv(shape[0], c, 5, 2, 1), nn.ReLU(), conv(c, c, 3, 2, 1), nn.ReLU(), conv(c, c, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*convs, nn.Flatten(), nn.Linear(c * positions, classes))


def plain_mlp(shape, classes, h, activation=nn.ReLU):
    layers = [nn.Linear(40, h), activation(), nn.Linear(h, h), activation(), nn.Linear(h, classes)]
    return nn.Sequential(nn.Flatten(), *layers)


def tanh_mlp(shape, classes, h):
    return MLP(shape, classes, h, activation="tanh")


def plain_tanh_mlp(shape, classes, h):
    return plain_mlp(shape, classes, h, nn.Tanh)


TWINS = [
    (PreActResNet, plain_preact_resnet, (3, 32, 32)),
    (PreActResNet, plain_preact_resnet, (2, 32)),
    (CNN5, plain_cnn5, (3, 32, 32)),
    (CNN5, plain_cnn5, (2, 32)),
    (StridedCNN, plain_strided_cnn, (1, 40)),
    (StridedCNN, plain_strided_cnn, (3, 32, 32)),
    (MLP, plain_mlp, (1, 40)),
    (tanh_mlp, plain_tanh_mlp, (1, 40)),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("make", "plain", "shape"), TWINS)
def test_equal_those_of_plain_modules(make, plain, shape, training):
    """From one seed the same parameters bit for bit; then, with any scales and statistics, logits and gradients."""
    torch.manual_seed(5)
    ours = make(shape, 10, 3)
    torch.manual_seed(5)
    theirs = plain(shape, 10, 3)
    for mine, yours in zip(ordered(ours), ordered(theirs), strict=True):
        assert torch.equal(mine, yours)
    give_same_numbers(ours.double(), theirs.double())
    inputs = torch.randn(6, *shape, dtype=torch.float64)
    torch.testing.assert_close(results(ours, inputs, training), results(theirs, inputs, training), rtol=0, atol=1e-10)


def size(network):
    return sum(param.numel() for param in network.parameters())


@pytest.mark.parametrize(
    ("make", "shape", "width", "parameters"),
    [
        # pytorch-cifar's PreActResNet18; Nakkiran et al. 2019, appendix B.1; plain modules; MNIST-1D's MLP.
        (PreActResNet, (3, 32, 32), 64, 11_171_146),
        (CNN5, (3, 32, 32), 64, 1_558_026),
        (StridedCNN, (1, 40), 25, 5_210),
        (MLP, (1, 40), 100, 15_210),
    ],
)
def test_published_parameter_counts(make, shape, width, parameters):
    with torch.device("meta"):
        assert size(make(shape, 10, width)) == parameters


@pytest.mark.parametrize("k", [1, 2, 5, 10, 64])
@pytest.mark.parametrize(("shape", "classes"), [((3, 32, 32), 10), ((3, 32, 32), 100), ((1, 28, 28), 7), ((1, 40), 10)])
def test_parameter_counts_in_closed_form(shape, classes, k):
    positions, channels = 3 ** (len(shape) - 1), shape[0]
    preact = (298 * positions + 42) * k**2 + (positions * channels + 106 + 8 * classes) * k + classes
    cnn5 = 42 * positions * k**2 + (positions * channels + 45 + 8 * classes) * k + classes
    with torch.device("meta"):
        assert size(PreActResNet(shape, classes, k)) == preact
        assert size(CNN5(shape, classes, k)) == cnn5


@pytest.mark.parametrize("c", [1, 2, 18, 100])
@pytest.mark.parametrize(
    ("shape", "left"), [((1, 40), 5), ((2, 17), 2), ((3, 32, 32), 16), ((1, 8, 8), 1), ((1, 3), 1)]
)
def test_strided_parameter_counts_in_closed_form(shape, left, c):
    axes = len(shape) - 1
    expected = 2 * 3**axes * c**2 + (5**axes * shape[0] + 3 + 10 * left) * c + 10
    with torch.device("meta"):
        assert size(StridedCNN(shape, 10, c)) == expected


@pytest.mark.parametrize("shape", [(2, 40), (1, 4), (1, 28, 28), (1, 8, 8), (3, 9, 5)])
def test_cnn5_takes_the_maximum_of_what_two_halvings_leave(shape):
    model, inputs = CNN5(shape, 10, 3).double(), torch.randn(4, *shape, dtype=torch.float64)
    features = []
    model[-1].register_forward_pre_hook(lambda _, arguments: features.append(arguments[0]))
    model(inputs)
    channels = inputs
    for layer in list(model)[:14]:
        channels = layer(channels)
    assert channels.shape[2:] == tuple(length // 2 // 2 for length in shape[1:])
    assert torch.equal(features[0], channels.amax(tuple(range(2, channels.dim()))))
