"""Data of the user's own: arrays, data sets of torch, folders of images, tables."""

import sys

import numpy as np
import pytest
import torch
from directories import Stopped, assert_same, numbers, stop_after
from own_tables import TABLE
from PIL import Image

from fbgd.config.compose import compose
from fbgd.config.data import load_data
from fbgd.data import DataError, array_file, image_folder, torch_dataset
from fbgd.data.assemble import assemble
from fbgd.errors import ConfigError
from fbgd.runs.attempt import execute


def arrays(train=24, test=8, shape=(1, 6), seed=0):
    """Random inputs and labels 0, 1, 2, 0, ... by their names."""
    draws = np.random.default_rng(seed)
    return {
        "train_x": draws.normal(size=(train, *shape)),
        "train_y": np.arange(train) % 3,
        "test_x": draws.normal(size=(test, *shape)),
        "test_y": np.arange(test) % 3,
    }


def write_arrays(folder, kind, **options):
    """Arrays in a file of one kind; its path."""
    held = arrays(**options)
    tensors = {name: torch.from_numpy(values) for name, values in held.items()}
    path = folder / f"data.{kind}"
    if kind == "npz":
        np.savez(path, **held)
    elif kind == "npy":
        path.mkdir()
        for name, values in held.items():
            np.save(path / f"{name}.npy", values)
    elif kind == "pt":
        torch.save(tensors, path)
    else:
        path = folder / "data.pth"
        torch.save(tuple(tensors.values()), path)
    return path


def write_images(folder, parts=("train", "test"), sizes=((5, 4),), mode="RGB"):
    """Ten images a class for cats and dogs, in turn of the given heights and widths; pixels by path."""
    pixels, draws = {}, np.random.default_rng(0)
    for part in parts:
        for kind in ("cat", "dog"):
            place = folder / part / kind
            place.mkdir(parents=True)
            for index in range(10):
                height, width = sizes[index % len(sizes)]
                values = draws.integers(0, 256, (height, width, *([3] if mode == "RGB" else [])), dtype=np.uint8)
                Image.fromarray(values).save(place / f"{index:02d}.png")
                pixels[part, kind, index] = values
    return pixels


class Items(torch.utils.data.Dataset):
    """Pairs of a signal and a label."""

    def __init__(self, count: int = 24, sizes=(6,), noisy: bool = False):
        self.count, self.sizes, self.noisy = count, sizes, noisy

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        signal = torch.full((1, self.sizes[index % len(self.sizes)]), float(index))
        return (signal + torch.rand(1) if self.noisy else signal), index % 3


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter([(np.full((1, 6), index), torch.tensor(index % 2)) for index in range(10)])


class Pictures(Items):
    def __getitem__(self, index):
        return Image.fromarray(np.full((4, 5, 3), index, np.uint8)), index % 3


class Singles(Items):
    def __getitem__(self, index):
        return torch.zeros(3)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_own_data", sys.modules[__name__])


def sources(folder):
    """The words of a run for every source, on files in ``folder``."""
    write_images(folder / "images")
    (folder / "table.csv").write_text(TABLE)
    return {
        "array_file": [f"data.source.path={write_arrays(folder, 'npz')}"],
        "torch_dataset": ["data.source.train._target_=test_own_data.Items"],
        "image_folder": [f"data.source.path={folder}/images"],
        "csv": [f"data.source.path={folder}/table.csv", "data.source.target=kind"],
    }


@pytest.mark.parametrize("regime", ["sgd", "full_batch"])
@pytest.mark.parametrize("choice", ["array_file", "torch_dataset", "image_folder", "csv"])
def test_every_source_trains_resumes_and_is_hashed(tmp_path, choice, regime):
    words = [f"data={choice}", *sources(tmp_path)[choice], f"regime={regime}", "regime.block_size=5", "model=mlp"]
    words += ["model.width=4", "budget.passes=3", "data.validation_size=3"]
    words += ["impl.checkpoint_seconds=0", "impl.threads=1"]
    summary = execute(compose(words), tmp_path / "run")
    assert summary["status"] == "done"
    with pytest.raises(Stopped):
        execute(compose(words), tmp_path / "cut", stop_after(2))
    assert not (tmp_path / "cut" / "summary.json").exists()
    assert execute(compose(words), tmp_path / "cut")["content_hash"] == summary["content_hash"]
    assert len(numbers(tmp_path / "cut")[0]) == 3
    assert_same(numbers(tmp_path / "cut"), numbers(tmp_path / "run"))
    dataset = load_data(compose(words))
    assert summary["content_hash"] == dataset.content_hash
    assert len(dataset.validation) == 3
    inputs = dataset.train.samples.inputs.double()
    axes = [0, *range(2, inputs.dim())]
    torch.testing.assert_close(inputs.mean(axes), torch.zeros(inputs.shape[1]).double(), rtol=0, atol=1e-6)
    assert dataset.train.samples.targets.unique().tolist() == list(range(dataset.classes))


class TestArrayFile:
    @pytest.mark.parametrize("kind", ["npz", "npy", "pt", "tuple"])
    def test_every_kind_of_file_holds_the_same(self, tmp_path, kind):
        loaded, held = array_file(str(write_arrays(tmp_path, kind))), arrays()
        assert (loaded.classes, loaded.train_inputs.dtype) == (3, torch.float32)
        np.testing.assert_array_equal(loaded.train_inputs, held["train_x"].astype(np.float32))
        np.testing.assert_array_equal(loaded.test_targets, held["test_y"])

    @pytest.mark.parametrize(
        ("name", "target"), [("X", "y"), ("x_train", "Y_train"), ("train_inputs", "train_targets")]
    )
    def test_other_names_and_a_share_held_out(self, tmp_path, name, target):
        held = arrays(30)
        np.savez(tmp_path / "data.npz", **{name: held["train_x"], target: held["train_y"]})
        loaded = array_file(str(tmp_path / "data.npz"), test_share=0.2, seed=3)
        assert (len(loaded.train_inputs), len(loaded.test_inputs)) == (24, 6)
        # Labels in proportion, and every sample in one of the two.
        assert loaded.test_targets.bincount().tolist() == [2, 2, 2]
        together = torch.cat([loaded.train_inputs, loaded.test_inputs]).flatten(1)
        expected = torch.from_numpy(held["train_x"]).float().flatten(1)
        assert torch.equal(together[together[:, 0].argsort()], expected[expected[:, 0].argsort()])

    @pytest.mark.parametrize(("channels", "shape"), [("first", (4, 5, 2)), ("last", (2, 4, 5)), ("none", (1, 4, 5, 2))])
    def test_channels(self, tmp_path, channels, shape):
        loaded = array_file(str(write_arrays(tmp_path, "npz", shape=(4, 5, 2))), channels=channels)
        assert loaded.train_inputs.shape == (24, *shape)
        original = arrays(shape=(4, 5, 2))["train_x"].astype(np.float32)
        moved = {"first": original, "last": np.moveaxis(original, -1, 1), "none": original[:, None]}[channels]
        np.testing.assert_array_equal(loaded.train_inputs, moved)

    def test_labels_of_any_kind_are_numbered_in_their_order(self):
        inputs = np.zeros((4, 3))
        for labels, expected, names in (
            (["b", "a", "b", "c"], [1, 0, 1, 2], ["a", "b", "c"]),
            ([7, 3, 7, 9], [1, 0, 1, 2], [3, 7, 9]),
            ([1.0, 0.0, 1.0, 0.0], [1, 0, 1, 0], None),
            ([True, False, True, True], [1, 0, 1, 1], None),
            (np.array([["x"], ["y"], ["x"], ["y"]], object), [0, 1, 0, 1], ["x", "y"]),
        ):
            made = assemble("data", (inputs, labels), (inputs, labels))
            assert made.train_targets.tolist() == made.test_targets.tolist() == expected
            assert made.facts.get("class_names") == names

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"train_x": None}, "has no array train_x; "),
            ({"test_y": None}, "has no array test_y; "),
            ({"train_y": np.arange(23) % 3}, "24 training inputs, and 23 targets"),
            ({"test_x": np.zeros((8, 1, 7))}, "have the shapes (1, 6) and (1, 7)"),
            ({"test_y": np.arange(8)}, "the label 3 of the test data is none of the training data"),
            ({"train_y": np.arange(24) / 2}, "set data.source.regression=true"),
            ({"train_y": np.eye(24)}, "targets have the shape (24, 24): one label a sample is wanted"),
            ({"train_y": np.zeros(24)}, "all training labels are 0; two classes are needed"),
            ({"train_x": np.full((24, 1, 6), np.nan)}, "training inputs hold numbers that are not finite"),
            ({"train_x": np.zeros(24)}, "have the shape (24,): an array of samples is wanted"),
        ],
    )
    def test_what_does_not_fit_is_said(self, tmp_path, change, message):
        held = {name: values for name, values in (arrays() | change).items() if values is not None}
        np.savez(tmp_path / "data.npz", **held)
        with pytest.raises(DataError) as error:
            array_file(str(tmp_path / "data.npz"))
        assert message in str(error.value)
        assert "data.npz" in str(error.value)

    @pytest.mark.parametrize("name", ["data.npz", "data.pt", "data.txt", "nothing.npz"])
    def test_damaged_and_missing_files(self, tmp_path, name):
        if name != "nothing.npz":
            (tmp_path / name).write_bytes(b"no such thing")
        with pytest.raises(DataError, match=name):
            array_file(str(tmp_path / name))

    def test_pickles_are_not_opened(self, tmp_path):
        np.savez(tmp_path / "data.npz", train_x=np.array([{}], dtype=object), train_y=np.zeros(1))
        torch.save({"train_x": Items()}, tmp_path / "data.pt")
        for name in ("data.npz", "data.pt"):
            with pytest.raises(DataError, match="cannot be read"):
                array_file(str(tmp_path / name))


class TestTorchDataset:
    def test_items_are_read_in_their_order(self):
        loaded = torch_dataset(Items, lambda: Items(6))
        assert loaded.train_inputs[:, 0, 0].tolist() == list(range(24))
        assert loaded.test_targets.tolist() == [0, 1, 2, 0, 1, 2]

    def test_streams_and_pictures(self):
        assert torch_dataset(Stream, Stream).train_inputs.shape == (10, 1, 6)
        loaded = torch_dataset(Pictures, Pictures)
        assert (loaded.train_inputs.shape, loaded.train_inputs.dtype) == ((24, 3, 4, 5), torch.uint8)

    def test_random_transforms_are_drawn_once_from_the_seed(self):
        first, again, other = (torch_dataset(lambda: Items(noisy=True), seed=seed).train_inputs for seed in (0, 0, 1))
        assert torch.equal(first, again)
        state = torch.get_rng_state()
        assert not torch.equal(first.sort(0).values, other.sort(0).values)
        torch_dataset(lambda: Items(noisy=True))
        assert torch.equal(state, torch.get_rng_state())

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: Items(sizes=(6, 7)), "item 1 has the shape (1, 7), and item 0 has (1, 6): all must have one size"),
            (Singles, "item 0 is no pair"),
            (lambda: Items(0), "data.source.train is empty"),
            (lambda: 3, "gives a int, which is no data set"),
            (lambda: [("text", 1)], "item 0 has inputs of type str"),
        ],
    )
    def test_what_does_not_fit_is_said(self, make, message):
        with pytest.raises(DataError) as error:
            torch_dataset(make)
        assert message in str(error.value)

    def test_arguments_are_checked_with_their_keys(self):
        words = ["data=torch_dataset", "data.source.train._target_=test_own_data.Items"]
        with pytest.raises(ConfigError, match=r"data\.source\.train\.cont: .*did you mean 'count'"):
            compose([*words, "data.source.train.cont=3"])
        with pytest.raises(ConfigError, match=r"set data\.source\.train\._target_"):
            load_data(compose(words[:1]))
        assert len(load_data(compose([*words, "data.source.train.count=30"])).test) == 6


class TestImageFolder:
    def test_pixels_and_classes(self, tmp_path):
        pixels = write_images(tmp_path)
        loaded = image_folder(str(tmp_path))
        assert (loaded.train_inputs.shape, loaded.train_inputs.dtype) == ((20, 3, 5, 4), torch.uint8)
        assert loaded.train_targets.tolist() == [0] * 10 + [1] * 10
        assert loaded.facts["class_names"] == ["cat", "dog"]
        np.testing.assert_array_equal(loaded.test_inputs[13].movedim(0, -1), pixels["test", "dog", 3])

    def test_one_folder_is_split(self, tmp_path):
        write_images(tmp_path, ("",), mode="L")
        loaded = image_folder(str(tmp_path), colours="grey", test_share=0.3)
        assert loaded.test_targets.bincount().tolist() == [3, 3]
        assert loaded.train_inputs.shape == (14, 1, 5, 4)

    def test_sizes(self, tmp_path):
        write_images(tmp_path, sizes=((5, 4), (6, 4)))
        with pytest.raises(DataError, match=r"01\.png and .*00\.png have different sizes, 6 x 4 and 5 x 4: set data"):
            image_folder(str(tmp_path))
        assert image_folder(str(tmp_path), size=8).train_inputs.shape == (20, 3, 8, 8)
        assert image_folder(str(tmp_path), size=[8, 6]).train_inputs.shape == (20, 3, 8, 6)

    def test_what_is_missing_or_damaged(self, tmp_path, monkeypatch):
        with pytest.raises(DataError, match="has no images in folders"):
            image_folder(str(tmp_path))
        with pytest.raises(DataError, match="is no folder"):
            image_folder(str(tmp_path / "nowhere"))
        write_images(tmp_path)
        (tmp_path / "train" / "cat" / "03.png").write_bytes(b"no image")
        with pytest.raises(DataError, match=r"03\.png is no image"):
            image_folder(str(tmp_path))
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(ValueError, match=r"pip install 'fbgd\[images\]'"):
            image_folder(str(tmp_path))


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, 0.001, True])
def test_shares_are_checked(share):
    with pytest.raises(ValueError, match="test_share"):
        assemble("data", (np.zeros((10, 2)), np.arange(10) % 2), None, test_share=share)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        # What Python's own parser, the unpickler and the archive make of them.
        ("data.npz", b"\x93NUMPY\x01\x00\x0a\x00{'descr' }\n"),
        ("data.npz", b"\x93NUMPY\x01\x00\x0e\x00{'descr': a }\n"),
        ("data.npz", b"PK\x03\x04"),
        ("data.pt", b""),
        ("data.pt", b"R"),
        ("data.pt", b"\x80\x03}q\x00."),
        ("data.pt", b"\x80\x02K\x01."),
    ],
)
def test_damaged_arrays_are_named_in_one_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read: ") as caught:
        array_file(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert " at 0x" not in str(caught.value)


def test_names_of_arrays_may_be_numbers(tmp_path):
    torch.save({1: torch.zeros(2), "x": torch.zeros(2, 3)}, tmp_path / "data.pt")
    with pytest.raises(DataError, match="has no array train_y"):
        array_file(str(tmp_path / "data.pt"))
