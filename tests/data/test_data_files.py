"""Data files: every source, and what is said when files are missing or damaged."""

import gzip
import pickle
import random
import shutil
import sys
from hashlib import sha256

import numpy as np
import pytest
from files import PER_FILE, cifar_members, idx, images, write_cifar, write_fashion_mnist

from fbgd.data import DataError, cifar10, cifar100, digits, fashion_mnist, files, mnist1d
from fbgd.data.pickles import load_arrays

# The package exports the function under the module's own name.
module = sys.modules["fbgd.data.fashion_mnist"]


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

    @pytest.mark.skipif(not module.DEBIAN_FOLDER.exists(), reason="needs the Debian package dataset-fashion-mnist")
    def test_fashion_mnist_of_the_debian_package_has_the_published_sums(self):
        loaded = fashion_mnist()
        assert loaded.train_inputs.shape == (60000, 1, 28, 28)
        assert loaded.test_targets.bincount().tolist() == [1000] * 10

    @pytest.mark.parametrize("layout", ["binary", "python"])
    @pytest.mark.parametrize("packed", [True, False])
    @pytest.mark.parametrize(("name", "load"), [("cifar10", cifar10), ("cifar100", cifar100)])
    def test_cifar_in_both_layouts(self, tmp_path, layout, packed, name, load):
        loaded = load(str(write_cifar(tmp_path, name, layout, packed)), verify=False)
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
            cifar10(str(tmp_path), verify=False)
        (tmp_path / name).unlink()
        with pytest.raises(DataError, match=r"data_batch_3.* is missing.*data\.source\.download=true"):
            cifar10(str(tmp_path), verify=False)

    def test_damaged_archive_and_labels(self, tmp_path):
        write_cifar(tmp_path, "cifar10", "binary", packed=True)
        archive = tmp_path / "cifar-10-binary.tar.gz"
        archive.write_bytes(archive.read_bytes()[:1000])
        with pytest.raises(DataError, match=r"MD5 is not c32a1d4.*Delete it"):
            cifar10(str(tmp_path))
        with pytest.raises(DataError, match="is damaged"):
            cifar10(str(tmp_path), verify=False)
        other = write_cifar(tmp_path / "other", "cifar10", "binary")
        (other / "cifar-10-batches-bin/test_batch.bin").write_bytes(bytes([11]) + bytes(3072))
        with pytest.raises(DataError, match="label lies outside"):
            cifar10(str(other), verify=False)

    @pytest.mark.parametrize("layout", ["binary", "python"])
    def test_files_with_too_few_images_are_refused(self, tmp_path, layout):
        """Cut between two records, a file is still well-formed."""
        with pytest.raises(DataError, match="20 images instead of 10000"):
            cifar10(str(write_cifar(tmp_path, "cifar10", layout)))

    @pytest.mark.parametrize("load", [cifar10, cifar100, fashion_mnist])
    def test_download_into_a_folder_is_refused(self, tmp_path, load):
        with pytest.raises(ValueError, match=r"leave data\.source\.folder out"):
            load(str(tmp_path), download=True)

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

    def test_a_mirror_with_the_wrong_content_is_left_for_the_next(self, tmp_path, monkeypatch):
        """Fashion-MNIST's sums are of the unpacked files, so the first mirror's page must not stay in the cache."""
        cache = tmp_path / "cache"
        monkeypatch.setattr(files, "cache_folder", lambda name: cache)
        monkeypatch.setattr(module, "DEBIAN_FOLDER", tmp_path / "nowhere")
        good = write_fashion_mnist(tmp_path / "good")
        sums = {name: sha256(gzip.decompress((good / f"{name}.gz").read_bytes())).hexdigest() for name in module.SHA256}
        monkeypatch.setattr(module, "SHA256", sums)
        asked = []

        def retrieve(url, known_hash, fname, path, progressbar):
            asked.append(url)
            path.mkdir(exist_ok=True)
            content = b"<html>moved</html>" if url.startswith(module.MIRRORS[0]) else (good / fname).read_bytes()
            (path / fname).write_bytes(content)

        monkeypatch.setattr(files.pooch, "retrieve", retrieve)
        assert len(fashion_mnist(download=True).train_targets) == 40
        assert len(asked) == 8
