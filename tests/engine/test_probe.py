"""What the engine puts back after a probe."""

import pytest
import torch
from problems import network

from fbgd.engine.probe import ProbeState, ScheduledProbe
from fbgd.errors import ConfigError


def test_buffers_modes_and_gradients_are_put_back_also_after_an_error():
    model = network("resnet", "batch")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for param in model.parameters():
        param.grad = torch.ones_like(param)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    state = ProbeState(model, [], 1, 1.0, 0.1, None, None, optimizer, torch.Generator)

    def disturb(seen):
        seen.model.eval()
        for buffer in seen.model.buffers():
            buffer.add_(1)
        assert all(param.grad is None for param in seen.model.parameters())
        raise ArithmeticError

    with pytest.raises(ConfigError, match="ArithmeticError"):
        ScheduledProbe("mine", disturb).columns(state)
    assert before
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert all(module.training for module in model.modules())
    assert all(torch.equal(param.grad, torch.ones_like(param)) for param in model.parameters())
