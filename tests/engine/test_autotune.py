"""The choice of blocks per call: measured upwards, and safe against running out of memory."""

import pytest
import torch
from problems import network, objective, parameters, source

from fbgd.engine import autotune as plan
from fbgd.engine.autotune import choose_blocks_per_call
from fbgd.engine.gradient import MeanGradient

CPU = torch.device("cpu")


def choose(make, count=600, block_size=6):
    model = network("mlp")
    return choose_blocks_per_call(make(model), parameters(model), source(count, block_size).step(0), CPU)


def test_a_candidate_is_chosen():
    assert choose(lambda model: lambda count: MeanGradient(objective(model), (), count)) in (1, 43, 100)


def test_one_block_needs_no_choice():
    assert choose(lambda model: pytest.fail, count=6) == 1


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_running_out_of_memory_ends_the_search(error):
    tried = []

    def make(model):
        def with_count(count):
            tried.append(count)
            if count > 1:
                raise error("too large")
            return MeanGradient(objective(model), (), count)

        return with_count

    assert choose(make) == 1
    assert tried == [1, 43]


def test_gradients_of_a_call_stay_below_the_limit(monkeypatch):
    model = network("mlp")
    size = sum(param.numel() * param.element_size() for param in model.parameters())
    monkeypatch.setattr(plan, "GRADIENT_BYTES", 7 * size)
    tried = []

    def make(model):
        def with_count(count):
            tried.append(count)
            return MeanGradient(objective(model), (), count)

        return with_count

    choose(make)
    assert max(tried) <= 7
