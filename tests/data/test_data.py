"""Data: splits, noise, augmentation, normalisation."""

import itertools
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fbgd.data import Arrays, prepare
from fbgd.data.augment import Shift, apply_draws
from fbgd.data.label_noise import with_label_noise
from fbgd.data.splits import split_indices, stratified_order

# The package exports the function under the module's own name.
module = sys.modules["fbgd.data.fashion_mnist"]


def arrays(train=60, test=20, classes=4, shape=(3, 8, 8)):
    """Random images with every class equally often."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (train + test, *shape), generator=generator, dtype=torch.uint8)
    targets = torch.arange(train + test) % classes
    return Arrays(inputs[:train], targets[:train], inputs[train:], targets[train:], classes, shift=2, flip=True)


class TestSplits:
    @given(size=st.integers(1, 50), held=st.integers(0, 10))
    def test_stratified_disjoint_and_nested(self, size, held):
        targets = torch.arange(60) % 4
        train, validation = split_indices(targets, size, held, seed=1)
        assert len(train) == size
        assert len(validation) == held
        assert not set(train.tolist()) & set(validation.tolist())
        counts = targets[train].bincount(minlength=4)
        assert counts.max() - counts.min() <= 2
        larger, same = split_indices(targets, 50, held, seed=1)
        assert torch.equal(larger[:size], train)
        assert torch.equal(same, validation)

    def test_prefixes_hold_classes_in_proportion(self):
        targets = torch.cat([torch.zeros(90), torch.ones(10)]).long()
        order = stratified_order(targets, seed=0)
        assert sorted(order.tolist()) == list(range(100))
        for size in range(1, 101):
            assert abs(targets[order[:size]].sum() - size * 0.1) <= 1

    def test_seeds_differ(self):
        targets = torch.arange(60) % 4
        assert not torch.equal(stratified_order(targets, 0), stratified_order(targets, 1))

    def test_parts_have_nothing_in_common_and_hold_the_classes(self):
        targets = torch.arange(60) % 4
        parts, held = zip(*(split_indices(targets, 16, 10, seed=1, part=part) for part in range(3)), strict=True)
        assert all(torch.equal(own, held[0]) for own in held)
        together = torch.cat([*parts, held[0]]).tolist()
        assert len(set(together)) == len(together) == 58
        assert all((targets[part].bincount(minlength=4) - 4).abs().max() <= 1 for part in parts)
        assert torch.equal(parts[0], split_indices(targets, 16, 10, seed=1)[0])

    @pytest.mark.parametrize(("size", "part"), [(16, 3), (16, -1), (None, 1)])
    def test_a_part_beyond_the_samples(self, size, part):
        with pytest.raises(ValueError, match=rf"data\.part = {part} is outside the valid range \[0, "):
            split_indices(torch.arange(60) % 4, size, 10, 0, part)

    @pytest.mark.parametrize(("size", "held"), [(0, 0), (61, 0), (55, 10), (None, 60), (None, -1)])
    def test_sizes_that_do_not_fit(self, size, held):
        with pytest.raises(ValueError, match=r"data\.(train|validation)_size"):
            split_indices(torch.arange(60) % 4, size, held, 0)


class TestLabelNoise:
    def test_rate_and_uniformity_over_other_classes(self):
        """20000 draws at p = 0.3: counts within five standard deviations."""
        clean = torch.full((20000,), 2)
        noisy = with_label_noise(clean, 0.3, 5, seed=0)
        wrong = noisy[noisy != 2]
        assert abs(len(wrong) - 6000) < 5 * (20000 * 0.3 * 0.7) ** 0.5
        counts = wrong.bincount(minlength=5)
        assert counts[2] == 0
        assert all(
            abs(int(counts[label]) - len(wrong) / 4) < 5 * (len(wrong) * 3 / 16) ** 0.5 for label in (0, 1, 3, 4)
        )

    def test_extremes_seed_and_nesting(self):
        clean = torch.arange(1000) % 10
        assert torch.equal(with_label_noise(clean, 0.0, 10, 0), clean)
        assert (with_label_noise(clean, 1.0, 10, 0) != clean).all()
        some, more = with_label_noise(clean, 0.1, 10, 0), with_label_noise(clean, 0.2, 10, 0)
        assert torch.equal(some, with_label_noise(clean, 0.1, 10, 0))
        assert not torch.equal(some, with_label_noise(clean, 0.1, 10, 1))
        assert torch.equal(some[some != clean], more[some != clean])

    def test_over_all_classes_some_drawn_labels_are_the_true_ones(self):
        clean = torch.full((20000,), 2)
        counts = with_label_noise(clean, 0.5, 5, seed=0, over="all").bincount(minlength=5)
        # A tenth of all samples for each of the five classes, the true one among them: five standard deviations.
        assert all(abs(int(counts[label]) - 2000) < 5 * (20000 * 0.1 * 0.9) ** 0.5 for label in (0, 1, 3, 4))
        assert abs(int(counts.sum() - counts[2]) - 8000) < 5 * (20000 * 0.4 * 0.6) ** 0.5
        with pytest.raises(ValueError, match="label_noise_over = 'both'"):
            with_label_noise(clean, 0.5, 5, seed=0, over="both")

    @pytest.mark.parametrize("over", ["others", "all"])
    def test_a_sample_has_the_same_label_in_every_subset(self, over):
        sizes = (8, 20, 60)
        sets = [prepare(arrays(), train_size=size, label_noise=0.5, label_noise_over=over).train for size in sizes]
        for small, large in itertools.pairwise(sets):
            assert torch.equal(small.samples.targets, large.samples.targets[: len(small)])

    @pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
    def test_invalid(self, probability):
        with pytest.raises(ValueError, match="label_noise"):
            with_label_noise(torch.zeros(3).long(), probability, 10, 0)


class TestAugmentation:
    @given(axes=st.sampled_from([1, 2]), data=st.data())
    def test_shift_and_flip_against_plain_indexing(self, axes, data):
        shift, flips = 2, data.draw(st.booleans())
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
        inputs = torch.randn(4, 2, *[6, 5][:axes], generator=generator)
        fill = torch.tensor([3.0, -1.0])
        augmentation = Shift(axes, shift, flips, fill)
        draws = augmentation.draw(4, generator)
        assert draws[:, :axes].abs().max() <= shift
        result = apply_draws(inputs, draws, fill)
        last = inputs.shape[-1]
        for n, channel in np.ndindex(4, 2):
            for position in np.ndindex(*inputs.shape[2:]):
                source = list(position)
                if draws[n, -1]:
                    source[-1] = last - 1 - source[-1]
                source = [int(s + d) for s, d in zip(source, draws[n, :axes], strict=True)]
                inside = all(0 <= s < size for s, size in zip(source, inputs.shape[2:], strict=True))
                expected = inputs[(n, channel, *source)] if inside else fill[channel]
                assert result[(n, channel, *position)] == pytest.approx(float(expected), abs=1e-6)

    def test_fixed_set_is_larger_and_deterministic(self):
        one, two = (prepare(arrays(), augment="3x", seed=4) for _ in range(2))
        assert len(one.train) == 180
        indices = torch.tensor([[0, 60, 120, 179]])
        first, targets = one.train.fetch(indices, 0, (0,))
        again, _ = two.train.fetch(indices, 7, (5,))
        assert torch.equal(first, again)
        assert targets[0, 0] == targets[0, 1] == targets[0, 2]
        other = prepare(arrays(), augment="3x", seed=5)
        assert not torch.equal(other.train.fetch(indices, 0, (0,))[0], first)

    def test_black_is_shifted_in(self):
        """What comes in from outside is raw zero, whatever normalisation made of it."""
        dataset = prepare(arrays(), augment="random")
        fill = dataset.train.augmentation.fill
        black = prepare(
            Arrays(
                torch.zeros(60, 3, 8, 8),
                *[getattr(arrays(), key) for key in ("train_targets", "test_inputs", "test_targets")],
                4,
                2,
                True,
            )
        )
        assert torch.equal(black.train.samples.inputs, torch.zeros(60, 3, 8, 8))
        raw = arrays().train_inputs.double()
        expected = -raw.mean((0, 2, 3)) / raw.std((0, 2, 3), correction=0)
        torch.testing.assert_close(fill, expected.float())


class TestPrepare:
    def test_normalisation_is_of_the_training_subset(self):
        dataset = prepare(arrays(), train_size=30, validation_size=10)
        values = dataset.train.samples.inputs.double()
        torch.testing.assert_close(values.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-6)
        torch.testing.assert_close(values.std((0, 2, 3), correction=0), torch.ones(3).double(), rtol=0, atol=1e-6)
        assert abs(float(dataset.test.inputs.mean())) > 1e-4
        assert len(dataset.validation) == 10
        assert dataset.input_shape == (3, 8, 8)

    def test_noise_is_in_training_labels_only(self):
        clean, noisy = (prepare(arrays(), validation_size=12, label_noise=p, train_size=40) for p in (0.0, 0.5))
        assert (clean.train.samples.targets != noisy.train.samples.targets).any()
        assert torch.equal(clean.validation.targets, noisy.validation.targets)
        assert torch.equal(clean.test.targets, noisy.test.targets)

    def test_content_hash_sees_data_and_nothing_else(self):
        base = prepare(arrays()).content_hash
        assert base == prepare(arrays(), augment_seed=3, augment="random").content_hash
        assert (
            len(
                {
                    base,
                    *(
                        prepare(arrays(), **o).content_hash
                        for o in ({"label_noise": 0.5}, {"train_size": 59}, {"seed": 1})
                    ),
                }
            )
            == 4
        )

    @pytest.mark.parametrize("augment", ["flip", "0x", "x", "-1x", "10"])
    def test_invalid_augmentation(self, augment):
        with pytest.raises(ValueError, match=r"data\.augment"):
            prepare(arrays(), augment=augment)
