"""Data: sources, splits, noise, augmentation, normalisation, and what is said when files are wrong."""

import gzip
import pickle
import random
import shutil

import numpy as np
import pytest
import torch
from files import PER_FILE, cifar_members, idx, images, write_cifar, write_fashion_mnist
from hypothesis import given
from hypothesis import strategies as st

from fbgd.data import Arrays, DataError, cifar10, cifar100, digits, fashion_mnist, files, mnist1d, prepare
from fbgd.data.augment import Shift, apply_draws
from fbgd.data.fashion_mnist import DEBIAN_FOLDER
from fbgd.data.label_noise import with_label_noise
from fbgd.data.pickles import load_arrays
from fbgd.data.splits import split_indices, stratified_order


def arrays(train=60, test=20, classes=4, shape=(3, 8, 8)):
    """Random images with every class equally often."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (train + test, *shape), generator=generator, dtype=torch.uint8)
    targets = torch.arange(train + test) % classes
    return Arrays(inputs[:train], targets[:train], inputs[train:], targets[train:], classes, shift=2, flip=True)


class TestSources:
    def test_mnist1d_is_the_package_s_own_data_and_disturbs_no_generator(self):
        from mnist1d.data import get_dataset_args, make_dataset

        random.seed(5)
        np.random.seed(5)
        made = mnist1d(train=40, test=10)
        after = random.random(), np.random.rand()
        random.seed(5)
        np.random.seed(5)
        assert after == (random.random(), np.random.rand())
        args = get_dataset_args()
        args.num_samples = 50
        theirs = make_dataset(args)
        np.testing.assert_array_equal(made.train_inputs[:, 0].numpy(), theirs["x"].astype(np.float32))
        np.testing.assert_array_equal(made.test_targets.numpy(), theirs["y_test"])
        assert made.train_inputs.shape == (40, 1, 40)

    @pytest.mark.parametrize("sizes", [{"train": 0}, {"test": 0}, {"train": 41, "test": 10}])
    def test_mnist1d_sizes(self, sizes):
        with pytest.raises(ValueError, match="multiple of 10"):
            mnist1d(**sizes)

    def test_digits(self):
        loaded = digits()
        assert loaded.train_inputs.shape == (1437, 1, 8, 8)
        assert len(loaded.test_targets) == 360
        # Stratified: every class holds a tenth of the test set, within the classes' own imbalance.
        assert loaded.test_targets.bincount().min() >= 34
        with pytest.raises(ValueError, match="test = 0"):
            digits(test=0)

    @pytest.mark.parametrize("packed", [True, False])
    def test_fashion_mnist_from_a_folder(self, tmp_path, packed):
        loaded = fashion_mnist(str(write_fashion_mnist(tmp_path, packed=packed)), verify=False)
        assert loaded.train_inputs.shape == (40, 1, 28, 28)
        assert loaded.train_targets.tolist()[:11] == [*range(10), 0]
        generator = np.random.default_rng(0)
        expected = generator.integers(0, 256, (40, 28, 28), dtype=np.uint8)
        np.testing.assert_array_equal(loaded.train_inputs[:, 0].numpy(), expected)

    @pytest.mark.skipif(not DEBIAN_FOLDER.exists(), reason="needs the Debian package dataset-fashion-mnist")
    def test_fashion_mnist_of_the_debian_package_has_the_published_sums(self):
        loaded = fashion_mnist()
        assert loaded.train_inputs.shape == (60000, 1, 28, 28)
        assert loaded.test_targets.bincount().tolist() == [1000] * 10

    @pytest.mark.parametrize("layout", ["binary", "python"])
    @pytest.mark.parametrize("packed", [True, False])
    @pytest.mark.parametrize(("name", "load"), [("cifar10", cifar10), ("cifar100", cifar100)])
    def test_cifar_in_both_layouts(self, tmp_path, layout, packed, name, load):
        loaded = load(str(write_cifar(tmp_path, name, layout, packed)))
        parts = 5 if name == "cifar10" else 1
        classes = 10 if name == "cifar10" else 100
        pixels, labels = zip(*(images(PER_FILE, classes, index) for index in range(parts + 1)), strict=True)
        expected = np.concatenate(pixels[:parts]).reshape(-1, 3, 32, 32)
        np.testing.assert_array_equal(loaded.train_inputs.numpy(), expected)
        np.testing.assert_array_equal(loaded.train_targets.numpy(), np.concatenate(labels[:parts]))
        np.testing.assert_array_equal(loaded.test_targets.numpy(), labels[parts])
        assert loaded.classes == classes


class TestBadFiles:
    def test_missing_files_name_the_remedy(self, tmp_path):
        for load, remedy in ((fashion_mnist, "apt-get install"), (cifar10, "cifar-10-binary.tar.gz")):
            with pytest.raises(DataError, match=remedy) as error:
                load(str(tmp_path))
            assert str(tmp_path) in str(error.value)
            assert "\n" not in str(error.value)

    def test_fashion_mnist_checksum(self, tmp_path):
        with pytest.raises(DataError, match=r"SHA-256 .* data\.source\.verify=false"):
            fashion_mnist(str(write_fashion_mnist(tmp_path)))

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda path: path.unlink(), "is missing"),
            (lambda path: path.write_bytes(path.read_bytes()[:50]), "is damaged"),
            (lambda path: path.write_bytes(gzip.compress(b"no IDX file")), "is not an IDX file"),
            (lambda path: path.write_bytes(gzip.compress(b"\x00\x00\x08\x03\x00")), "ends inside its header"),
            (
                lambda path: path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1])),
                "bytes instead of",
            ),
            (
                lambda path: path.write_bytes(gzip.compress(idx(np.zeros((39, 28, 28), np.uint8)))),
                "39 images but 40 labels",
            ),
        ],
    )
    def test_damaged_idx_files(self, tmp_path, damage, message):
        write_fashion_mnist(tmp_path)
        damage(tmp_path / "train-images-idx3-ubyte.gz")
        with pytest.raises(DataError, match=message):
            fashion_mnist(str(tmp_path), verify=False)

    @pytest.mark.parametrize("layout", ["binary", "python"])
    def test_damaged_cifar_files(self, tmp_path, layout):
        members = cifar_members("cifar10", layout)
        name = next(member for member in members if "data_batch_3" in member)
        write_cifar(tmp_path, "cifar10", layout)
        (tmp_path / name).write_bytes(members[name][:-7])
        with pytest.raises(DataError, match=r"data_batch_3.* is damaged"):
            cifar10(str(tmp_path))
        (tmp_path / name).unlink()
        with pytest.raises(DataError, match=r"data_batch_3.* is missing"):
            cifar10(str(tmp_path))

    def test_damaged_archive_and_labels(self, tmp_path):
        write_cifar(tmp_path, "cifar10", "binary", packed=True)
        archive = tmp_path / "cifar-10-binary.tar.gz"
        archive.write_bytes(archive.read_bytes()[:1000])
        with pytest.raises(DataError, match="delete it and fetch it again"):
            cifar10(str(tmp_path))
        other = write_cifar(tmp_path / "other", "cifar10", "binary")
        (other / "cifar-10-batches-bin/test_batch.bin").write_bytes(bytes([11]) + bytes(3072))
        with pytest.raises(DataError, match="label lies outside"):
            cifar10(str(other))

    @pytest.mark.parametrize("payload", ["os.system", "builtins.eval", "numpy.f2py"])
    def test_pickles_run_nothing(self, payload):
        class Evil:
            def __reduce__(self):
                module, _, name = payload.rpartition(".")
                return getattr(__import__(module, fromlist=[name]), name), ("echo run",)

        content = pickle.dumps({b"data": Evil()}, protocol=2) if payload != "numpy.f2py" else b"cnumpy.f2py\nf2py2e\n."
        with pytest.raises(pickle.UnpicklingError, match="does not need"):
            load_arrays(content)

    @pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps([1, 2])])
    def test_no_dictionary(self, content):
        with pytest.raises(pickle.UnpicklingError):
            load_arrays(content)


class TestDownload:
    def test_mirrors_are_tried_in_turn_and_checked(self, tmp_path, monkeypatch):
        """The first mirror does not exist, the second has a wrong file, the third is right."""
        monkeypatch.setattr(files, "cache_folder", lambda name: tmp_path / "cache" / name)
        write_cifar(tmp_path / "good", "cifar10", "binary", packed=True)
        good = tmp_path / "good" / "cifar-10-binary.tar.gz"
        (tmp_path / "bad").mkdir()
        shutil.copy(__file__, tmp_path / "bad" / good.name)
        import pooch

        known = "md5:" + pooch.file_hash(str(good), alg="md5")

        def retrieve(url, known_hash, fname, path, progressbar):
            source = url.removeprefix("file:")
            target = path / fname
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
            if "md5:" + pooch.file_hash(str(target), alg="md5") != known_hash:
                target.unlink()
                raise ValueError("hash does not match")
            return str(target)

        monkeypatch.setattr(files.pooch, "retrieve", retrieve)
        mirrors = tuple(f"file:{tmp_path / place / good.name}" for place in ("nowhere", "bad", "good"))
        path = files.fetch("cifar10", good.name, mirrors, known)
        assert path.read_bytes() == good.read_bytes()
        with pytest.raises(DataError, match=r"nowhere.*; .*hash does not match"):
            files.fetch("cifar10", good.name, mirrors[:2], known)


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
