"""What is done to a block before the network sees it: mixing, smoothing, input noise."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from problems import CLASSES, network, objective, parameters, samples
from reference import gradient
from scipy import stats

from fbgd.data import TrainingSet
from fbgd.engine.blocks import BlockOrder, BlockSource, BlockTransforms
from fbgd.engine.gradient import MeanGradient
from regularizers import CutMix, InputNoise, LabelSmoothing, Mixup
from regularizers.mixing import beta


def draw(seed):
    return torch.Generator().manual_seed(seed)


def labelled(count, shape):
    """Sample i holds the number 10^i everywhere, or 2^i, and class i: mixtures can be read off."""
    values = 2.0 ** torch.arange(count, dtype=torch.float64)
    return values.view(-1, *[1] * len(shape)).expand(count, *shape).clone(), torch.eye(count, dtype=torch.float64)


@given(seed=st.integers(0, 10**6), alpha=st.sampled_from([0.1, 0.2, 1.0, 4.0]))
def test_mixup_mixes_labels_as_it_mixes_inputs(seed, alpha):
    inputs, targets = labelled(7, (1, 4))
    mixed, probabilities = Mixup(alpha)(inputs, targets, draw(seed))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(7).double(), rtol=0, atol=1e-12)
    # Every label says which two samples were mixed, and in which shares; the inputs must agree.
    torch.testing.assert_close(mixed[:, 0, 0], probabilities @ inputs[:, 0, 0], rtol=1e-12, atol=0)
    assert torch.equal(mixed, mixed[:, :, :1].expand_as(mixed))
    # The pairing is a permutation: every sample is used once in either place.
    torch.testing.assert_close(probabilities.sum(0), torch.ones(7).double(), rtol=0, atol=1e-12)


def test_mixup_shares_are_beta():
    for alpha in (0.2, 1.0):
        drawn = [beta(alpha, draw(seed)) for seed in range(2000)]
        assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 0.01


@given(seed=st.integers(0, 10**6), shape=st.sampled_from([(1, 12), (2, 5, 9)]))
def test_cutmix_labels_are_the_volume_of_one_box(seed, shape):
    inputs, targets = labelled(6, shape)
    mixed, probabilities = CutMix()(inputs, targets, draw(seed))
    for index in range(6):
        other = mixed[index] != inputs[index]
        if not other.any():
            continue
        partner = int(torch.log2(mixed[index][other][0]))
        assert torch.equal(mixed[index][other], torch.full_like(mixed[index][other], 2.0**partner))
        assert probabilities[index, partner] == pytest.approx(other.double().mean().item(), abs=1e-12)
        # The cut is the same in every channel, and its bounding box holds nothing else.
        assert torch.equal(other, other[:1].expand_as(other))
        corners = [torch.nonzero(other[0]).min(0).values, torch.nonzero(other[0]).max(0).values]
        assert int((corners[1] - corners[0] + 1).prod()) == int(other[0].sum())
    torch.testing.assert_close(probabilities.sum(1), torch.ones(6).double(), rtol=0, atol=1e-12)


def test_cutmix_takes_the_share_it_says():
    """A box takes the share 1 - Beta of a sequence, less what the borders cut off."""
    inputs, targets = labelled(2, (1, 1000))
    shares = []
    for seed in range(600):
        mixed, _ = CutMix()(inputs, targets, draw(seed))
        shares.append((mixed[0] != inputs[0]).double().mean().item())
    # A centre u and a length s, both uniform: E[min(u + s/2, 1) - max(u - s/2, 0)] = E[s] - E[s^2] / 4 = 5/12. Half
    # of the pairings leave a sample of two with itself.
    assert sum(shares) / len(shares) == pytest.approx(5 / 24, abs=0.03)


@given(smoothing=st.floats(0, 1))
def test_label_smoothing_is_torch_s(smoothing):
    logits, labels = torch.randn(9, CLASSES, dtype=torch.float64), torch.randint(CLASSES, (9,))
    _, smoothed = LabelSmoothing(smoothing)(logits, F.one_hot(labels, CLASSES).double(), draw(0))
    expected = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(F.cross_entropy(logits, smoothed), expected, rtol=0, atol=1e-12)


def test_input_noise_has_its_deviation():
    inputs = torch.zeros(50, 3, 40, dtype=torch.float64)
    noisy, targets = InputNoise(0.3)(inputs, torch.ones(50, 2), draw(0))
    assert stats.kstest(noisy.flatten().numpy(), stats.norm(0, 0.3).cdf).pvalue > 0.01
    assert torch.equal(targets, torch.ones(50, 2))


TRANSFORMS = {
    "mixup": Mixup(1.0),
    "cutmix": CutMix(),
    "label_smoothing": LabelSmoothing(),
    "input_noise": InputNoise(),
}


def transforming_source(transforms, **options):
    order = {"samples": 23, "block_size": 6, "blocks_per_step": "all", "order": "fixed", "seed": 0} | options
    changes = BlockTransforms(tuple(transforms), CLASSES, order["seed"])
    return BlockSource(TrainingSet(samples(23)), BlockOrder(**order), changes)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_draws_depend_on_seed_pass_and_block_alone(name):
    def fetched(per_call=1, step=0, **options):
        stacks = transforming_source([TRANSFORMS[name]], **options).step(step).stacks(per_call)
        return [torch.cat([part.flatten() for part in parts]) for parts in zip(*[s[:2] for s in stacks], strict=True)]

    for per_call in (2, 100):
        assert all(torch.equal(left, right) for left, right in zip(fetched(1), fetched(per_call), strict=True))
    # A step of one block gets what the whole step's first block gets.
    alone = fetched(blocks_per_step=1)
    assert all(torch.equal(left, right[: len(left)]) for left, right in zip(alone, fetched(), strict=True))
    if name != "label_smoothing":
        assert not torch.equal(fetched()[0], fetched(step=1)[0])
        assert not torch.equal(fetched()[0], fetched(seed=1)[0])


@pytest.mark.parametrize("per_call", [1, 3])
def test_the_engine_trains_on_what_the_transforms_make(per_call):
    """All of them at once: the mean gradient is that of the transformed samples in one batch."""
    model, source = network("mlp"), transforming_source(TRANSFORMS.values())
    stacks = list(source.step(0).stacks(1))
    inputs, targets = (torch.cat([stack[index][0] for stack in stacks]) for index in (0, 1))
    assert targets.shape == (23, CLASSES)
    loss, expected = gradient(model, inputs, targets)
    result = MeanGradient(objective(model), (), per_call)(parameters(model), source.step(0), 0.1)
    torch.testing.assert_close(list(result.gradient), list(expected), rtol=0, atol=1e-12)
    assert float(result.loss) == pytest.approx(float(loss.detach()), abs=1e-12)
    right = (model(inputs).argmax(1) == targets.argmax(1)).double().mean()
    assert float(result.accuracy) == pytest.approx(float(right), abs=1e-12)


def test_evaluation_sees_the_samples_as_they_are():
    source = transforming_source(TRANSFORMS.values())
    seen = torch.cat([stack.inputs[0] for stack in source.whole_pass(0).stacks(1)])
    order = torch.cat(source.order.blocks(0))
    assert torch.equal(seen, samples(23).inputs[order])
