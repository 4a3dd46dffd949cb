"""Blocks: sizes, coverage, orders, steps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import samples, source

from fbgd.data import TrainingSet
from fbgd.engine.blocks import ORDERS, BlockOrder


@given(samples=st.integers(1, 300), data=st.data())
def test_blocks_are_balanced_and_drop_nothing(samples, data):
    block_size = data.draw(st.integers(1, samples))
    order = BlockOrder(samples, block_size, 1, data.draw(st.sampled_from(["fixed", "reshuffle"])), seed=3)
    blocks = order.blocks(data.draw(st.integers(0, 5)))
    sizes = [len(block) for block in blocks]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= block_size
    assert torch.equal(torch.cat(blocks).sort().values, torch.arange(samples))
    assert len(blocks) == order.blocks_per_pass


@given(samples=st.integers(1, 200), data=st.data())
def test_steps_of_a_pass_use_every_block_once(samples, data):
    block_size = data.draw(st.integers(1, samples))
    count = -(-samples // block_size)
    per_step = data.draw(st.integers(1, count) | st.just("all"))
    order = BlockOrder(samples, block_size, per_step, "fixed", 0)
    used = [list(order.step_blocks(step)) for step in range(order.steps_per_pass)]
    assert [block for step in used for block in step] == list(range(count))
    lengths = [len(step) for step in used]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= (count if per_step == "all" else per_step)


def test_orders_differ_as_they_say():
    orders = {name: BlockOrder(50, 7, 1, name, seed=1) for name in ORDERS}
    passes = {name: [torch.cat(order.blocks(index)) for index in (0, 1)] for name, order in orders.items()}
    assert torch.equal(*passes["fixed"])
    assert not torch.equal(*passes["reshuffle"])
    assert torch.equal(passes["fixed"][0], passes["reshuffle"][0])
    assert len(passes["with_replacement"][0].unique()) < 50
    assert not torch.equal(passes["reshuffle"][1], torch.cat(BlockOrder(50, 7, 1, "reshuffle", seed=2).blocks(1)))


def test_order_depends_on_seed_and_pass_alone():
    order = BlockOrder(50, 7, 1, "reshuffle", seed=1)
    expected = torch.cat(order.blocks(9))
    torch.manual_seed(123)
    torch.rand(7)
    assert torch.equal(torch.cat(BlockOrder(50, 7, 1, "reshuffle", seed=1).blocks(9)), expected)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"block_size": 0}, "block_size = 0"),
        ({"block_size": 51}, "block_size = 51"),
        ({"blocks_per_step": 0}, "blocks_per_step = 0"),
        ({"blocks_per_step": 9}, "blocks_per_step = 9"),
        ({"blocks_per_step": "many"}, "blocks_per_step = 'many'"),
        ({"order": "random"}, "order = 'random'"),
    ],
)
def test_invalid_options_are_named(changed, message):
    options = {"samples": 50, "block_size": 7, "blocks_per_step": 1, "order": "fixed", "seed": 0, **changed}
    with pytest.raises(ValueError, match=message):
        BlockOrder(**options)


@pytest.mark.parametrize("blocks_per_call", [1, 2, 3, 10])
def test_stacks_hold_the_blocks_in_order(blocks_per_call):
    step = source(count=23, block_size=6).step(0)
    everything = samples(23)
    rows = []
    for inputs, targets, _ in step.stacks(blocks_per_call):
        assert inputs.shape[:2] == targets.shape
        assert len(inputs) <= blocks_per_call
        rows.append((inputs.flatten(0, 1), targets.flatten()))
    indices = torch.cat(step.indices)
    assert torch.equal(torch.cat([inputs for inputs, _ in rows]), everything.inputs[indices])
    assert torch.equal(torch.cat([targets for _, targets in rows]), everything.targets[indices])


@pytest.mark.parametrize("copies", [0, 3])
def test_augmentation_is_the_same_for_every_stacking(copies):
    from fbgd.data.augment import Shift
    from fbgd.engine.blocks import BlockSource

    data = TrainingSet(samples(23), Shift(1, 2, True, torch.zeros(1)), copies, seed=5)
    blocks = BlockSource(data, BlockOrder(len(data), 6, "all", "reshuffle", 0))
    assert len(data) == 23 * max(copies, 1)
    drawn = [torch.cat([inputs.flatten(0, 1) for inputs, *_ in blocks.step(4).stacks(count)]) for count in (1, 2, 100)]
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])
    step = blocks.step(4)
    first = next(iter(step.stacks(1)))[0]
    # The same samples in another pass or block are drawn anew, but for the fixed set.
    again = data.fetch(step.indices[0].unsqueeze(0), 9, (3,))[0]
    assert torch.equal(first, again) == bool(copies)
