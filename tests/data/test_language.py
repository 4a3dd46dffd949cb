"""Token windows, text files, the standard library, and a chain whose entropy is known."""

import builtins
import itertools
import math
import re
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fbgd.data import DataError, markov, python_source, text
from fbgd.data.markov import entropy_rate, loss_floor, random_chain, sample, stationary
from fbgd.data.python_source import library_folder, read_modules
from fbgd.data.text import held_out
from fbgd.data.windows import windows


@given(count=st.integers(2, 200), length=st.integers(1, 30))
def test_no_token_is_predicted_twice(count, length):
    if count <= length:
        with pytest.raises(ValueError, match=f"length = {length} is too long"):
            windows(torch.arange(count), length)
        return
    inputs, targets = windows(torch.arange(count), length)
    assert inputs.shape == targets.shape == ((count - 1) // length, length)
    # The tokens are their own places: every place but the first is predicted once, up to less than a window.
    assert targets.flatten().tolist() == list(range(1, targets.numel() + 1))
    assert torch.equal(inputs, targets - 1)
    assert 0 <= count - 1 - targets.numel() < length


def decoded(inputs, targets):
    """The text of all windows of bytes in a row."""
    return bytes([int(inputs[0, 0]), *targets.flatten().tolist()])


class TestMarkov:
    def test_two_states_in_closed_form(self):
        a, b = 0.3, 0.05
        chain = torch.tensor([[1 - a, a], [b, 1 - b]], dtype=torch.float64)

        def binary(p):
            return -p * math.log(p) - (1 - p) * math.log(1 - p)

        assert stationary(chain).tolist() == pytest.approx([b / (a + b), a / (a + b)], abs=1e-14)
        expected = (b * binary(a) + a * binary(b)) / (a + b)
        assert entropy_rate(chain) == pytest.approx(expected, abs=1e-14)
        assert loss_floor(chain, 1) == loss_floor(chain, 64) == pytest.approx(expected, abs=1e-14)

    def test_chance_alone_has_the_largest_entropy(self):
        facts = markov(symbols=5, order=2, spread=0, length=4, train=2, test=2).facts
        assert facts["entropy_rate"] == pytest.approx(math.log(5), abs=1e-14)
        assert facts["loss_floor"] == pytest.approx(math.log(5), abs=1e-14)

    @pytest.mark.parametrize("order", [1, 2, 3])
    def test_floor_of_a_window_is_the_entropy_of_all_sequences(self, order):
        """The windows' entropy given their first symbol, from the probability of every single sequence."""
        length, symbols = 4, 2
        chain = random_chain(symbols, order, 1.5, seed=3)
        # Power iteration from the middle, without the solver.
        contexts = list(itertools.product(range(symbols), repeat=order))
        weights = dict.fromkeys(contexts, 1 / len(contexts))
        for _ in range(2000):
            following = dict.fromkeys(contexts, 0.0)
            for row, context in enumerate(contexts):
                for symbol in range(symbols):
                    following[(*context, symbol)[1:]] += weights[context] * float(chain[row, symbol])
            weights = following
        together, first = 0.0, [0.0] * symbols
        for sequence in itertools.product(range(symbols), repeat=length + 1):
            probability = weights[sequence[:order]]
            for place in range(order, length + 1):
                row = contexts.index(sequence[place - order : place])
                probability *= float(chain[row, sequence[place]])
            together -= probability * math.log(probability)
            first[sequence[0]] += probability
        expected = (together + sum(p * math.log(p) for p in first)) / length
        assert loss_floor(chain, length) == pytest.approx(expected, abs=1e-12)
        assert entropy_rate(chain) <= loss_floor(chain, length) + 1e-12

    @pytest.mark.parametrize("order", [1, 2])
    def test_a_long_stream_has_the_chain_s_entropy_and_frequencies(self, order):
        symbols, count = 3, 100_000
        chain = random_chain(symbols, order, 1.0, seed=1)
        stream = sample(chain, count, seed=2)
        assert stream.shape == (count,)
        context = sum(stream[k : count - order + k] * symbols ** (order - 1 - k) for k in range(order))
        surprise = -chain[context, stream[order:]].log()
        # Five standard errors, were the symbols independent; they are nearly so.
        assert float(surprise.mean()) == pytest.approx(entropy_rate(chain), abs=5 * float(surprise.std()) / count**0.5)
        counts = torch.bincount(context * symbols + stream[order:], minlength=chain.numel()).view_as(chain)
        torch.testing.assert_close(counts / counts.sum(1, keepdim=True), chain.float(), rtol=0, atol=0.03)
        torch.testing.assert_close(counts.sum(1) / (count - order), stationary(chain).float(), rtol=0, atol=0.01)

    def test_windows_of_one_stream(self):
        arrays = markov(length=7, train=5, test=3)
        assert arrays.train_inputs.shape == arrays.train_targets.shape == (5, 7)
        assert arrays.test_inputs.shape == (3, 7)
        assert arrays.tokens
        assert arrays.classes == 8
        assert (arrays.facts["train_tokens"], arrays.facts["test_tokens"]) == (35, 21)
        assert torch.equal(arrays.train_targets, markov(length=7, train=5, test=3).train_targets)
        assert not torch.equal(arrays.train_targets, markov(length=7, train=5, test=3, seed=1).train_targets)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"symbols": 1}, "symbols = 1 must be"),
            ({"order": 0}, "order = 0 must be"),
            ({"order": 4}, "symbols = 8 and order = 4"),
            ({"spread": -1}, "spread = -1"),
            ({"order": 3, "length": 2}, "length = 2 must be a whole number of at least order = 3"),
            ({"length": 0}, "length = 0"),
            ({"train": 0}, "train = 0"),
            ({"test": 1.5}, "test = 1.5"),
        ],
    )
    def test_invalid_options_are_named(self, options, message):
        with pytest.raises(ValueError, match=message):
            markov(**options)


class TestPythonSource:
    def test_files_of_the_library_none_on_both_sides(self):
        arrays = python_source(length=16, train_bytes=300_000, test_bytes=40_000)
        assert arrays.train_inputs.shape == (299_999 // 16, 16)
        assert arrays.test_inputs.shape == (39_999 // 16, 16)
        files = read_modules(library_folder())
        sides = [
            decoded(arrays.train_inputs, arrays.train_targets).split(b"\0"),
            decoded(arrays.test_inputs, arrays.test_targets).split(b"\0"),
        ]
        contents = set(files.values())
        for side in sides:
            assert len(side) > 1
            assert set(side[:-1]) <= contents
            assert any(content.startswith(side[-1]) for content in contents)
        # Empty modules are alike, and the last file of either side is cut off.
        assert not (set(sides[0]) & set(sides[1])) - {b""}
        assert arrays.facts["python_library"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")

    def test_tests_and_installed_packages_are_left_out(self, tmp_path):
        places = ["b.py", "a.py", "json/decoder.py", "test/a.py", "json/tests/a.py", "idlelib/run.py", "readme.txt"]
        for place in [*places, "site-packages/numpy/a.py", "__pycache__/a.py"]:
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_text(place)
        assert list(read_modules(tmp_path).items()) == [
            ("a.py", b"a.py"),
            ("b.py", b"b.py"),
            ("json/decoder.py", b"json/decoder.py"),
        ]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"train_bytes": 0}, "train_bytes = 0"),
            ({"test_bytes": 0}, "test_bytes = 0"),
            ({"train_bytes": 10**10}, "train_bytes = 10000000000 is more than there is"),
            ({"test_bytes": 10**10}, "test_bytes = 10000000000 is more than there is"),
            ({"train_bytes": 50}, "length = 128 is too long: a window needs 129 tokens, and the training text has 50"),
        ],
    )
    def test_invalid_options_are_named(self, options, message):
        with pytest.raises(ValueError, match=message):
            python_source(**options)


POEM = "Zwei Trichter wandeln durch die Nacht.\nDurch ihres Rumpfs verengten Schacht\n"


class TestText:
    def folder(self, path, count=6, suffix="txt"):
        for index in range(count):
            place = path / ("deep" if index % 2 else ".") / f"{index}.{suffix}"
            place.parent.mkdir(exist_ok=True)
            place.write_text(f"{index}: {POEM}")
        return str(path)

    def test_the_end_of_a_file_is_held_out(self, tmp_path):
        path = tmp_path / "poem"
        path.write_text(POEM, encoding="utf-8")
        arrays = text(str(path), length=4, test_share=0.25)
        train = decoded(arrays.train_inputs, arrays.train_targets)
        cut = round(0.75 * len(POEM))
        assert POEM.encode()[:cut].startswith(train)
        assert cut - len(train) < 4
        assert POEM.encode()[cut:].startswith(decoded(arrays.test_inputs, arrays.test_targets))
        assert arrays.classes == arrays.facts["vocabulary"] == 256

    def test_of_a_folder_whole_files_are_held_out(self, tmp_path):
        arrays = text(self.folder(tmp_path), length=1, test_share=0.3)
        sides = [
            decoded(arrays.train_inputs, arrays.train_targets),
            decoded(arrays.test_inputs, arrays.test_targets),
        ]
        pieces = [piece.decode() for side in sides for piece in side.split(b"\0") if piece]
        assert sorted(pieces) == [f"{index}: {POEM}" for index in range(6)]
        assert (arrays.facts["train_files"], arrays.facts["test_files"]) == (4, 2)
        other = text(str(tmp_path), length=1, test_share=0.3, seed=1)
        assert not torch.equal(other.train_inputs, arrays.train_inputs)
        assert torch.equal(text(str(tmp_path), length=1, test_share=0.3).train_inputs, arrays.train_inputs)

    def test_one_file_is_always_left(self):
        assert [len(side) for side in held_out({"a": 1, "b": 1, "c": 1}, 99, seed=0)] == [1, 2]

    def tokenizer(self, path):
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        special = ["<|endoftext|>"]
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=280, initial_alphabet=alphabet, special_tokens=special, show_progress=False
        )
        made.train_from_iterator([POEM], trainer)
        made.save(str(path))
        return made

    def test_tokens_of_a_tokenizer(self, tmp_path):
        made = self.tokenizer(tmp_path / "tokenizer.json")
        folder = self.folder(tmp_path, suffix="md")
        arrays = text(folder, length=1, pattern="*.md", tokenizer=str(tmp_path / "tokenizer.json"))
        assert arrays.classes == made.get_vocab_size() == 280
        end = made.token_to_id("<|endoftext|>")
        tokens = [int(arrays.train_inputs[0, 0]), *arrays.train_targets.flatten().tolist()]
        assert tokens.count(end) == arrays.facts["train_files"] == 5
        assert tokens[-1] == end
        pieces = made.decode(tokens, skip_special_tokens=False).split("<|endoftext|>")[:-1]
        assert set(pieces) < {f"{index}: {POEM}" for index in range(6)}
        assert len(tokens) < 0.9 * sum(map(len, pieces))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"path": None}, "data.source.path is missing: name a text file"),
            ({"path": "nowhere"}, "data.source.path = 'nowhere' does not exist"),
            ({"pattern": "*.rst"}, r"has no files '\*.rst': set data.source.pattern"),
            ({"tokenizer": "nowhere.json"}, "data.source.tokenizer = 'nowhere.json' does not exist"),
            ({"tokenizer": "0.txt"}, "is damaged or no tokenizer.json"),
        ],
    )
    def test_what_is_missing_is_named_with_its_remedy(self, tmp_path, monkeypatch, options, message):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match=message):
            text(**{"path": self.folder(tmp_path), **options})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"test_share": 1.0}, "test_share = 1.0"),
            ({"length": 0}, "length = 0"),
            ({"length": 5000}, "length = 5000 is too long: a window needs 5001 tokens, and the training text has"),
            ({"length": 100}, "and the test text has"),
        ],
    )
    def test_invalid_options_are_named(self, tmp_path, options, message):
        with pytest.raises(ValueError, match=message):
            text(self.folder(tmp_path), **options)

    def test_only_a_tokenizer_needs_valid_unicode(self, tmp_path):
        self.tokenizer(tmp_path / "tokenizer.json")
        path = tmp_path / "bytes"
        path.write_bytes(bytes(range(256)))
        assert text(str(path), length=2).classes == 256
        with pytest.raises(DataError, match=re.escape(f"{path} is not UTF-8")):
            text(str(path), length=2, tokenizer=str(tmp_path / "tokenizer.json"))

    def test_a_missing_package_is_said_with_its_remedy(self, tmp_path, monkeypatch):
        real = builtins.__import__

        def without(name, *arguments):
            if name.split(".")[0] == "tokenizers":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return real(name, *arguments)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(ValueError, match=r"tokenizers.*pip install 'fbgd\[translation\]'"):
            text(self.folder(tmp_path), tokenizer="tokenizer.json")
        assert text(str(tmp_path), length=2).classes == 256
