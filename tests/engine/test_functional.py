"""The forward pass at other parameters: against ``torch.func.functional_call``."""

import pytest
import torch
import torch.nn as nn
from problems import network, parameters, samples

from fbgd.engine.functional import functional
from fbgd.models import MLP


class Tied(nn.Module):
    """Two layers that share one matrix, and one that shares a whole layer."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = (nn.Linear(12, 12) for _ in range(3))
        self.second.weight = self.first.weight
        self.again = self.last

    def forward(self, inputs):
        return self.again(torch.tanh(self.last(torch.tanh(self.second(torch.tanh(self.first(inputs.flatten(1))))))))


@pytest.mark.parametrize("make", [lambda: network("resnet", "batch"), lambda: Tied().double()])
def test_other_parameters_give_what_functional_call_gives(make):
    model, inputs = make(), samples(5).inputs
    own = list(model.parameters())
    other = [torch.randn_like(param) for param in own]
    found = functional(model)(other, inputs)
    assert all(left is right for left, right in zip(own, model.parameters(), strict=True))
    names = [name for name, _ in model.named_parameters()]
    expected = torch.func.functional_call(model, dict(zip(names, other, strict=True)), (inputs,))
    assert torch.equal(found, expected)
    assert not torch.equal(found, model(inputs))


def test_buffers_that_are_named_come_behind_the_parameters():
    torch.manual_seed(0)
    model, inputs = MLP((1, 12), 5, width=40, dropout=0.5).double(), samples(5).inputs
    names = [name for name, _ in model.named_buffers()]
    forward = functional(model, names)
    one, other, again = (
        forward([*parameters(model), *map(torch.tensor, keys)], inputs) for keys in ((1, 2), (3, 2), (1, 2))
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert all(int(buffer) == 0 for buffer in model.buffers())


def test_the_model_has_its_own_parameters_again_after_an_error():
    model = network("mlp")
    own = list(model.parameters())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        functional(model)(parameters(model), torch.zeros(2, 3, dtype=torch.float64))
    assert all(left is right for left, right in zip(own, model.parameters(), strict=True))
