"""Draws: another one wherever exactly one of seed, pass, block or step is another, and the same everywhere else."""

import itertools

import pytest
import torch
from experiments import experiment
from problems import CLASSES, network, samples, source

from fbgd.data import TrainingSet
from fbgd.data.augment import Shift
from fbgd.engine.blocks import BlockOrder, BlockSource, BlockTransforms
from fbgd.engine.experiment import Progress
from fbgd.engine.step import moments
from fbgd.engine.train import train
from fbgd.models import Dropout, StochasticDepth
from fbgd.models.torch_layers import HashedDropout
from fbgd.seeds import block_key, seed_step
from optimizers import SGD
from regularizers import CutMix, GradientNoise, GradientTransform, InputNoise, Mixup, WeightNoise

SIGNALS = torch.randn(6, 1, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(6) % CLASSES


def order(name):
    return lambda seed, index: torch.cat(BlockOrder(50, 7, 1, name, seed).blocks(index))


def augmentation(seed, index, block):
    """The same six samples, wherever they are fetched."""
    data = TrainingSet(samples(23), Shift(1, 4, True, torch.zeros(1)), seed=seed)
    return data.fetch(torch.arange(6).unsqueeze(0), index, (block,))[0]


def transform(kind):
    def draw(seed, index, block):
        changes = BlockTransforms((kind,), CLASSES, seed)
        return torch.cat([part.flatten() for part in changes(SIGNALS[None], LABELS[None], index, [block])])

    return draw


def key(seed, index, block):
    """What random layers get from the blocks of a run."""
    return (
        BlockSource(TrainingSet(samples(23)), BlockOrder(23, 6, "all", "fixed", seed)).training_pass(index).keys[block]
    )


def mask(layer):
    def draw(seed, index, block):
        module = layer()
        module.key.fill_(block_key(seed, index, block))
        return module.train()(torch.ones(64, 3, 4, dtype=torch.float64))

    return draw


def noise(kind):
    def draw(seed, step):
        model = network("mlp")
        of = experiment(model, source(), SGD(model.parameters(), lr=0.1), seed=seed)
        ((ingredient, moment),) = moments((kind,), of, step)
        return torch.cat([entry.flatten() for entry in ingredient([torch.ones(20), torch.ones(3, 5)], moment)])

    return draw


def global_draws(seed, step):
    """What optimizers and models get that draw from torch's own generator."""
    seed_step(seed, step)
    return torch.rand(4)


DRAWS = {
    "reshuffle": (order("reshuffle"), (3, 6)),
    "with replacement": (order("with_replacement"), (3, 6)),
    "augmentation": (augmentation, (3, 4, 4)),
    "mixup": (transform(Mixup(1.0)), (3, 4, 4)),
    "cutmix": (transform(CutMix(50.0)), (3, 4, 4)),
    "input noise": (transform(InputNoise()), (3, 4, 4)),
    "keys": (key, (3, 4, 4)),
    "dropout": (mask(lambda: Dropout(0.5)), (3, 4, 4)),
    "stochastic depth": (mask(lambda: StochasticDepth(0.5)), (3, 4, 4)),
    "torch's dropout": (mask(lambda: HashedDropout(0.5)), (3, 4, 4)),
    "weight noise": (noise(WeightNoise()), (3, 8)),
    "gradient noise": (noise(GradientNoise()), (3, 8)),
    "multiplicative noise": (noise(GradientNoise(kind="multiplicative")), (3, 8)),
    "global": (global_draws, (3, 8)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_every_place_has_a_draw_of_its_own_and_has_it_again(name):
    draw, sizes = DRAWS[name]
    places = list(itertools.product(*map(range, sizes)))
    drawn = {place: draw(*place) for place in places}
    assert not any(torch.equal(drawn[left], drawn[right]) for left, right in itertools.combinations(places, 2))
    torch.manual_seed(99)
    for place in reversed(places):
        assert torch.equal(draw(*place), drawn[place])


def test_a_fixed_order_depends_on_the_seed_alone():
    draw = order("fixed")
    assert torch.equal(draw(0, 0), draw(0, 5))
    assert not torch.equal(draw(0, 0), draw(1, 0))


def test_a_fixed_augmentation_depends_on_the_seed_alone():
    def fetched(seed, index, block):
        data = TrainingSet(samples(23), Shift(1, 4, True, torch.zeros(1)), copies=2, seed=seed)
        return data.fetch(torch.arange(46).unsqueeze(0), index, (block,))[0]

    assert torch.equal(fetched(0, 0, 0), fetched(0, 3, 2))
    assert not torch.equal(fetched(0, 0, 0), fetched(1, 0, 0))
    assert not torch.equal(*fetched(0, 0, 0)[0].split(23))


def test_ingredients_that_stand_side_by_side_draw_apart():
    """Two of a kind, and two kinds, at one place; a kind that is there twice."""
    twice = BlockTransforms((InputNoise(1.0), InputNoise(1.0)), CLASSES, 0)(SIGNALS[None], LABELS[None], 0, [0])[0]
    once = BlockTransforms((InputNoise(1.0),), CLASSES, 0)(SIGNALS[None], LABELS[None], 0, [0])[0]
    first, second = once[0] - SIGNALS, twice[0] - once[0]
    assert abs(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]) < 0.4
    model = network("mlp")
    of = experiment(model, source(), SGD(model.parameters(), lr=0.1))
    pair = moments((GradientNoise(), GradientNoise()), of, 0)
    drawn = [torch.randn(5, generator=moment.generator()) for _, moment in pair]
    assert not torch.equal(*drawn)


class Spy(GradientTransform):
    """Notes the moments of all calls, and what their generators give."""

    def __init__(self):
        self.passes, self.draws = [], []

    def __call__(self, gradient, moment=None):
        self.passes.append(moment.passes)
        self.draws.append(torch.randn(4, generator=moment.generator()))
        return gradient


@pytest.mark.parametrize(("blocks_per_step", "steps"), [(1, 4), (2, 2), ("all", 1)])
def test_noise_is_annealed_by_passes_and_drawn_anew_by_steps(blocks_per_step, steps):
    model, spy = network("mlp"), Spy()
    of = experiment(
        model, source(blocks_per_step=blocks_per_step), SGD(model.parameters(), lr=0.1), transforms=(spy,), passes=3
    )
    train(of, Progress(), lambda row, progress: None)
    assert spy.passes == [step / steps for step in range(3 * steps)]
    assert not any(torch.equal(left, right) for left, right in itertools.combinations(spy.draws, 2))


@pytest.mark.parametrize("of", ["order", "augmentation", "transform", "keys"])
def test_the_blocks_of_a_run_all_differ(of):
    """Through the source of a run: no block of a pass and no pass sees what another one saw."""
    data = samples(24)
    shift = Shift(1, 4, True, torch.zeros(1)) if of == "augmentation" else None
    changes = BlockTransforms((InputNoise(),), CLASSES, 0) if of == "transform" else None
    kind = "with_replacement" if of == "order" else "fixed"
    blocks = BlockSource(TrainingSet(data, shift), BlockOrder(24, 6, 1, kind, 0), changes)
    seen = []
    for step in range(12):
        (stack,) = blocks.step(step).stacks(1)
        step_blocks = blocks.step(step)
        own = data.inputs[step_blocks.indices[0]]
        changed = {
            "order": step_blocks.indices[0],
            # Blocks hold different samples: what was done to them is looked at, at the same six.
            "augmentation": blocks.data.fetch(torch.arange(6)[None], step // 4, (step % 4,))[0],
            "transform": stack.inputs[0] - own,
            "keys": stack.keys,
        }
        if of == "augmentation":
            fetched = blocks.data.fetch(step_blocks.indices[0][None], step // 4, (step % 4,))[0]
            assert torch.equal(stack.inputs, fetched)
        seen.append(changed[of])
    assert not any(torch.equal(left, right) for left, right in itertools.combinations(seen, 2))
