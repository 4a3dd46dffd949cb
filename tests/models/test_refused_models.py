"""Networks of torch's own layers that cannot be trained block by block, or not several blocks at a time."""

import sys

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from own_models import SMALL, trained
from reference import flat

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.config.model import check_purity
from fbgd.errors import ConfigError


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_refused_models", sys.modules[__name__])


class WrongSquare(torch.autograd.Function):
    """A square whose rule for vmap is wrong, as some of PyTorch's own have been."""

    @staticmethod
    def forward(inputs):
        return inputs**2

    @staticmethod
    def setup_context(context, inputs, output):
        context.save_for_backward(*inputs)

    @staticmethod
    def backward(context, gradient):
        return 2 * context.saved_tensors[0] * gradient

    @staticmethod
    def vmap(info, in_dims, inputs):
        return WrongSquare.apply(inputs) * 3, in_dims[0]


class Squares(nn.Sequential):
    def __init__(self, input_shape, classes):
        super().__init__(nn.Flatten(), nn.Linear(input_shape[-1], classes))

    def forward(self, inputs):
        return WrongSquare.apply(super().forward(inputs))


class Branching(nn.Sequential):
    """Looks at its numbers, which vmap refuses."""

    def __init__(self, input_shape, classes):
        super().__init__(nn.Flatten(), nn.Linear(input_shape[-1], classes))

    def forward(self, inputs):
        outputs = super().forward(inputs)
        return outputs if float(outputs.detach().sum()) < 1e9 else outputs * 0


@pytest.mark.parametrize(
    ("target", "reason"),
    [("Squares", "vectorised, it has another gradient"), ("Branching", "it does not vectorise: RuntimeError: vmap")],
)
def test_what_does_not_vectorise_is_evaluated_block_by_block(target, reason):
    words = [f"model._target_=test_refused_models.{target}"]
    _, expected, single = trained(words, "full_batch", 1)
    assert "block_by_block" not in single.summary()
    for count in (3, "auto"):
        _, weights, facts = trained(words, "full_batch", count)
        assert torch.equal(flat(weights), flat(expected))
        assert facts.blocks_per_call == 1
        assert facts.summary()["block_by_block"].startswith(reason)


def recurrent(input_shape, classes):
    return nn.Sequential(nn.LSTM(input_shape[-1], 4), nn.Flatten(), nn.Linear(4, classes))


def lazy(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))


def flat_with(layer):
    def make(input_shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[-1], 8), layer(), nn.Linear(8, classes))

    return make


def spectral(input_shape, classes):
    linear = nn.utils.parametrizations.spectral_norm(nn.Linear(input_shape[-1], classes))
    return nn.Sequential(nn.Flatten(), linear)


def frozen(input_shape, classes):
    model = nn.Sequential(nn.Flatten(), nn.Linear(input_shape[-1], classes))
    model[1].bias.requires_grad_(False)
    return model


def cached(input_shape, classes):
    class Cached(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(input_shape[-1], classes)
            self.held = [self.linear.weight]

        def forward(self, inputs):
            return F.linear(inputs.flatten(1), self.held[0], self.linear.bias)

    return Cached()


def counting(input_shape, classes):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.calls = nn.Linear(input_shape[-1], classes), 0

        def forward(self, inputs):
            self.calls += 1
            return self.linear(inputs.flatten(1)) * self.calls

    return Counting()


def no_tensor(input_shape, classes):
    class Empty(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(input_shape[-1], classes)

        def forward(self, inputs):
            return {"features": self.linear(inputs.flatten(1))}

    return Empty()


synced = flat_with(lambda: nn.SyncBatchNorm(8))
instances = flat_with(lambda: nn.InstanceNorm1d(8, track_running_stats=True))
two_numbers = flat_with(lambda: nn.Sequential(nn.Linear(8, 2), nn.Linear(2, 8), nn.Linear(8, 8)))
empty = lambda input_shape, classes: nn.Sequential(nn.Flatten())  # noqa: E731
not_a_module = lambda input_shape, classes: 3  # noqa: E731
wrong_classes = lambda input_shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(input_shape[-1], 7))  # noqa: E731
per_position = lambda input_shape, classes: nn.Linear(input_shape[-1], classes)  # noqa: E731
two_axes = lambda input_shape, classes: nn.Sequential(nn.Conv2d(1, classes, 3), nn.Flatten())  # noqa: E731


class Owner(nn.Module):
    """One linear layer, and a buffer."""

    def __init__(self, input_shape, classes):
        super().__init__()
        self.linear = nn.Linear(input_shape[-1], classes)
        self.register_buffer("seen", torch.zeros(input_shape[-1]))
        self.register_buffer("spread", torch.ones(input_shape[-1]))

    def forward(self, inputs):
        return self.linear(inputs.flatten(1))


class NormalisingByFunction(Owner):
    def forward(self, inputs):
        flat = inputs.flatten(1)
        return self.linear(F.batch_norm(flat, self.seen, self.spread, training=self.training))


class CountingInEvaluation(Owner):
    def forward(self, inputs):
        if not self.training:
            self.seen += 1
        return super().forward(inputs)


class Hidden(Owner):
    def forward(self, inputs):
        self.seen.data.add_(1)
        return super().forward(inputs)


class WritesToInputs(Owner):
    def forward(self, inputs):
        inputs[..., 0] = 0
        return super().forward(inputs)


class Detached(Owner):
    def forward(self, inputs):
        return super().forward(inputs).detach()


class BreaksDown(Owner):
    def __init__(self, input_shape, classes):
        raise KeyError("no such width\nand more")


class OfAnotherPackage(nn.Linear):
    """As torchvision's and timm's networks, which know no ``input_shape``."""

    def __init__(self, num_classes=10):
        super().__init__(40, num_classes)


def of_another_package(pretrained=False, **options):
    return OfAnotherPackage(**options)


def of_pairs(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(input_shape[-1]), nn.Linear(input_shape[-1], classes))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("recurrent", "0 (LSTM) hands its parameters to a kernel of its own: use torch.nn.RNNCell"),
        ("lazy", "1 (LazyLinear) takes its sizes from the first inputs: give them"),
        ("synced", "2 (SyncBatchNorm) normalises over processes: use torch.nn.BatchNorm1d"),
        ("instances", "2 (InstanceNorm1d) keeps running statistics: set track_running_stats=False"),
        ("spectral", "parametrizations.weight.0 (_SpectralNorm) writes to its buffer '_u'"),
        ("frozen", "1.bias has requires_grad=False"),
        ("cached", "the parameter linear.weight is used by another way"),
        ("counting", "gives other outputs for the same inputs"),
        ("no_tensor", "gives a dict: a tensor is wanted, an object with .logits"),
        ("empty", "it has no parameters to train"),
        ("not_a_module", "a int is no torch.nn.Module"),
        ("wrong_classes", "gives outputs of shape (4, 7) for 4 samples, and must give (4, 10)"),
        ("per_position", "gives outputs of shape (4, 1, 10) for 4 samples, and must give (4, 10)"),
        ("two_axes", "a trial with 4 samples, inputs of shape (4, 1, 40) failed"),
        ("NormalisingByFunction", "the model (NormalisingByFunction) writes to its buffer 'seen'"),
        ("CountingInEvaluation", "writes to its buffer 'seen'"),
        ("Hidden", "writes to its buffer 'seen'"),
        ("WritesToInputs", "writes to its inputs, which are the data: begin with inputs.clone()"),
        ("Detached", "gives outputs that no parameter can be trained by"),
        ("OfAnotherPackage", "name a function (input_shape, classes) that makes it, three lines, as docs/models.md"),
        ("of_another_package", "name a function (input_shape, classes) that makes it"),
        ("BreaksDown", f"KeyError: 'no such width\\nand more' ({__file__}, line "),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(target, message):
    with pytest.raises(ConfigError) as error:
        build(compose([*SMALL, f"model._target_=test_refused_models.{target}"]))
    assert message in str(error.value)
    assert str(error.value).startswith(f"model (test_refused_models.{target})")
    assert "\n" not in str(error.value)


def test_blocks_of_one_sample_are_tried_as_such():
    """40 samples in blocks of 3 at most are 12 blocks of 3 and 2 of 2; in blocks of 39, one is of 20."""
    words = [*SMALL, "model._target_=test_refused_models.of_pairs"]
    build(compose([*words, "regime.block_size=39"]))
    for size, train in ((1, 40), (2, 50)):
        changed = [*words, f"regime.block_size={size}", f"data.source.train={train}", "data.train_size=33"]
        with pytest.raises(ConfigError, match=r"regime\.block_size leaves blocks of one sample\) failed: ValueError"):
            build(compose(changed))


def test_the_data_stay_as_they_are_where_a_model_writes_to_its_inputs():
    config = compose([*SMALL, "model._target_=test_refused_models.WritesToInputs"])
    inputs = torch.ones(4, 1, 40)
    with pytest.raises(ConfigError, match="writes to its inputs"):
        check_purity(config, WritesToInputs((1, 40), 10), inputs)
    assert bool((inputs == 1).all())
