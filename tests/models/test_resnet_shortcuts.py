"""The shortcuts of the published ladder's ResNets, against plain ``torch.nn`` modules."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from twins import CONV, MEAN, NORM, give_same_numbers, ordered, results

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.models import ResNet


class MeanOfPairs(nn.Module):
    """Means over pairs along every axis, written out; a last position without a partner stands alone."""

    def forward(self, inputs):
        for axis in range(2, inputs.dim()):
            inputs = torch.stack([part.mean(axis) for part in inputs.split(2, axis)], axis)
        return inputs


class PlainResidual(nn.Module):
    """A residual block whose shortcut takes means before its convolution, of stride 1."""

    def __init__(self, axes, inputs, width, stride, wide, mean):
        super().__init__()
        outputs = 4 * width if wide else width
        three = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        convs = three if wide else [(inputs, width, 3, stride), (width, width, 3, 1)]
        self.convs = nn.ModuleList(CONV[axes](a, b, size, step, size // 2, bias=False) for a, b, size, step in convs)
        self.norms = nn.ModuleList(NORM[axes](b) for _, b, _, _ in convs)
        self.skip = nn.Sequential(*([mean] if stride > 1 else []))
        if stride > 1 or inputs != outputs:
            self.skip.extend([CONV[axes](inputs, outputs, 1, 1, bias=False), NORM[axes](outputs)])

    def forward(self, inputs):
        outputs = self.norms[0](self.convs[0](inputs))
        for conv, norm in zip(self.convs[1:], self.norms[1:], strict=True):
            outputs = norm(conv(F.relu(outputs)))
        return F.relu(outputs + self.skip(inputs))


def plain_resnet(shape, depth, k, mean):
    """Stem, stages of k, 2k, 4k (and 8k) channels, mean, linear layer."""
    axes, wide, inputs = len(shape) - 1, depth == 50, k
    layers = [CONV[axes](shape[0], k, 3, padding=1, bias=False), NORM[axes](k), nn.ReLU()]
    for stage, blocks in enumerate({8: (1, 1, 1), 18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]):
        for index in range(blocks):
            width = k * 2**stage
            layers.append(PlainResidual(axes, inputs, width, 2 if stage and not index else 1, wide, mean))
            inputs = 4 * width if wide else width
    pool = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}[axes](1)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(inputs, 10))


EVEN = [((3, 32, 32), 18), ((3, 16, 16), 50), ((1, 40), 8), ((1, 40), 18), ((2, 16), 50)]
ODD = [((1, 28, 28), 18), ((2, 9, 5), 8), ((2, 17), 50), ((1, 3), 18)]


@pytest.mark.parametrize(
    ("shape", "depth", "mean"),
    [(shape, depth, MEAN[len(shape) - 1](2)) for shape, depth in EVEN]
    + [(shape, depth, MeanOfPairs()) for shape, depth in ODD],
)
@pytest.mark.parametrize("training", [True, False])
def test_pooled_shortcuts_are_those_of_plain_modules(shape, depth, mean, training):
    """From the same numbers the same logits and gradients; strided shortcuts give other ones."""
    torch.manual_seed(7)
    ours = ResNet(shape, 10, depth, 3, shortcut="pool").double()
    theirs = plain_resnet(shape, depth, 3, mean).double()
    give_same_numbers(ours, theirs)
    inputs = torch.randn(6, *shape, dtype=torch.float64)
    expected = results(theirs, inputs, training)
    found = results(ours, inputs, training)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-10, atol=1e-10)
    strided = ResNet(shape, 10, depth, 3).double()
    for mine, yours in zip(ordered(strided), ordered(ours), strict=True):
        mine.data.copy_(yours)
    for mine, yours in zip(strided.buffers(), ours.buffers(), strict=True):
        mine.copy_(yours)
    others = strided.train(training)(inputs)
    assert (others - expected[0]).abs().max() > 1e-3 * expected[0].abs().max()


@pytest.mark.parametrize("depth", [18, 50])
def test_both_shortcuts_have_the_same_parameters_from_one_seed(depth):
    networks = []
    for options in ({}, {"shortcut": "stride"}, {"shortcut": "pool"}):
        torch.manual_seed(0)
        networks.append(dict(ResNet((3, 8, 8), 10, depth, 2, **options).named_parameters()))
    first, second, third = (list(network.values()) for network in networks)
    assert list(networks[0]) == list(networks[1])
    assert all(map(torch.equal, first, second))
    assert all(map(torch.equal, first, third))


def test_torch_s_own_mean_leaves_odd_lengths_unequal():
    """Why the published network has no odd lengths, and why the last position stands alone here."""
    network = plain_resnet((1, 7), 8, 2, nn.AvgPool1d(2))
    with pytest.raises(RuntimeError, match="must match"):
        network(torch.randn(2, 1, 7))
    assert ResNet((1, 7), 10, 8, 2, shortcut="pool")(torch.randn(2, 1, 7)).shape == (2, 10)


def test_a_run_says_its_shortcut():
    check(compose(["model=resnet18", "model.shortcut=pool"]))
    with pytest.raises(ValueError, match=r"model\.shortcut = 'c' is not one of 'stride', 'pool'"):
        check(compose(["model=resnet18", "model.shortcut=c"]))
    # Runs that were made before there was a choice keep their settings, and so their identity.
    assert "shortcut" not in compose(["model=resnet18"]).model
