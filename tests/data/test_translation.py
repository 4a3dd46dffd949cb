"""Sentence pairs: catalogues, parallel text, vocabulary, and the split."""

import builtins
import gzip
import unicodedata

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fbgd.data import DataError, catalogues, parallel_text
from fbgd.data.catalogues import read_catalogue
from fbgd.data.dataset import IGNORED, PADDING
from fbgd.data.translation import clean, split_pairs, translation
from fbgd.data.vocabulary import BEGIN, END, SPECIAL, UNKNOWN, train_vocabulary
from fbgd.models import transformer

CATALOGUE = r"""
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=3; plural=(n != 1);\n"

# A comment.
msgid "Home"
msgstr "Start"

msgctxt "a building"
msgid "Home"
msgstr "Haus"

#, python-format
msgid ""
"Two  lines, %(count)s\n"
"  of \"text\""
msgstr "Zwei Zeilen,\n%(count)s\tvon „Text“"

#, fuzzy
msgid "Guess"
msgstr "Rat"

msgid "Untranslated"
msgstr ""

msgid "%d year"
msgid_plural "%d years"
msgstr[0] "%d Jahr"
msgstr[1] "%d Jahre"
msgstr[2] "%d Jahren"

msgid "Half"
msgid_plural "Halves"
msgstr[0] "Hälfte"
msgstr[1] ""
msgstr[2] ""

#~ msgid "Old"
#~ msgstr "Alt"
"""


def decoded(arrays, tokenizer, part, index):
    """Source and target sentence of a sample, the target once as the decoder sees it and once as it is predicted."""
    inputs, targets = getattr(arrays, f"{part}_inputs")[index].tolist(), getattr(arrays, f"{part}_targets")[index]
    predicted = [label for label in targets.tolist() if label != IGNORED]
    assert predicted[-1] == inputs[0][sum(token != PADDING for token in inputs[0]) - 1] == END
    assert inputs[1][: len(predicted)] == [BEGIN, *predicted[:-1]]
    assert set(inputs[1][len(predicted) :]) <= {PADDING}
    return tuple(
        tokenizer.decode([token for token in row if token not in (END, PADDING)]) for row in (inputs[0], predicted)
    )


def test_catalogues_are_read(tmp_path):
    path = tmp_path / "django.po"
    path.write_text(CATALOGUE)
    assert read_catalogue(path) == [
        ("Start", "Home"),
        ("Haus", "Home"),
        ("Zwei Zeilen, %(count)s von „Text“", 'Two lines, %(count)s of "text"'),
        ("%d Jahr", "%d year"),
        ("%d Jahre", "%d years"),
        ("%d Jahren", "%d years"),
        ("Hälfte", "Half"),
    ]


def test_german_catalogues():
    arrays = catalogues()
    assert arrays.train_inputs.shape[1:] == (2, 40)
    assert len(arrays.train_inputs) + len(arrays.test_inputs) > 700
    assert arrays.classes == arrays.facts["vocabulary"] == 1000
    assert arrays.facts["dropped_train_pairs"] > 0
    again = catalogues()
    for name in ("train_inputs", "train_targets", "test_inputs", "test_targets"):
        assert torch.equal(getattr(arrays, name), getattr(again, name))
    two = catalogues(["de", "fr"])
    assert len(two.train_inputs) > 1.8 * len(arrays.train_inputs)
    assert len(catalogues(seed=1).test_inputs) != len(arrays.test_inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "dee"}, "language = 'dee' is unknown; did you mean 'de'"),
        ({"language": "en"}, "language = 'en' is unknown"),
        ({"language": []}, "language = "),
        ({"test_share": 1.0}, "test_share = 1.0"),
        ({"test_share": 1e-9}, "test_share = 1e-09 leaves"),
        ({"vocabulary": 4}, "vocabulary = 4"),
        ({"max_tokens": 1}, "max_tokens = 1"),
    ],
)
def test_invalid_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        catalogues(**options)


@pytest.mark.parametrize("package", ["django", "polib", "tokenizers"])
def test_a_missing_package_is_said_with_its_remedy(package, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=rf"{package}.*pip install 'fbgd\[translation\]'"):
        catalogues()


@given(
    pairs=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, unique=True),
    seed=st.integers(0, 9),
)
def test_no_sentence_stands_on_both_sides(pairs, seed):
    pairs = [(f"s{source}", f"s{target}") for source, target in pairs]
    try:
        sides = split_pairs(pairs, 0.5, seed)
    except ValueError:
        return
    assert sorted(sides[0] + sides[1]) == sorted(pairs)
    left, right = ({sentence for pair in side for sentence in pair} for side in sides)
    assert not left & right


def test_the_split_has_its_share_and_does_not_depend_on_the_order():
    pairs = [(f"source {number}", f"target {number}") for number in range(4000)]
    _, held = split_pairs(pairs, 0.3, 0)
    # Five standard deviations of a binomial.
    assert abs(len(held) - 1200) < 5 * (4000 * 0.3 * 0.7) ** 0.5
    assert set(split_pairs(pairs[::-1], 0.3, 0)[1]) == set(held)
    assert set(split_pairs(pairs[:2000], 0.3, 0)[1]) == set(held) & set(pairs[:2000])
    assert set(split_pairs(pairs, 0.3, 1)[1]) != set(held)


class TestVocabulary:
    sentences = (
        "Datei %(name)s wurde nicht gefunden.",
        "File “%(name)s” was not found!",
        "Datei nicht gefunden, <s> und </s>",
        "not found: Größe, größer, Größen",
    )

    def test_round_trip(self):
        tokenizer = train_vocabulary(self.sentences, 80)
        for sentence in (*self.sentences, "Große Datei, file: gefundener. </s>"):
            tokens = tokenizer.encode(sentence).ids
            assert tokenizer.decode(tokens) == sentence
            assert min(tokens) > UNKNOWN

    def test_special_tokens_and_size(self):
        tokenizer = train_vocabulary(self.sentences, 60)
        assert tokenizer.get_vocab_size() == 60
        assert [tokenizer.token_to_id(token) for token in SPECIAL] == [PADDING, BEGIN, END, UNKNOWN] == [0, 1, 2, 3]
        assert UNKNOWN in tokenizer.encode("Ω").ids
        assert train_vocabulary(self.sentences, 10).get_vocab_size() == 10

    def test_repeatable_and_smaller_where_nothing_is_left_to_merge(self):
        one, two = (train_vocabulary(self.sentences, 10000) for _ in range(2))
        assert one.to_str() == two.to_str()
        assert one.get_vocab_size() < 200

    def test_is_learned_from_the_training_pairs_alone(self):
        pairs = [("ja ja", "yes yes"), ("nein nein", "no no")]
        arrays = translation(pairs, [("xyxy", "qq")], 100, 10)
        other = translation(pairs, [("ja", "no")], 100, 10)
        assert arrays.classes == other.classes
        assert torch.equal(
            arrays.train_targets[arrays.train_targets >= 0], other.train_targets[other.train_targets >= 0]
        )
        assert (arrays.test_inputs[0, 0, :4] == UNKNOWN).any()


def test_long_pairs_are_dropped_and_counted():
    pairs = [("a b", "c d"), ("a b c d e f", "c"), ("a", "c c c c c c"), ("a b c", "d c a")]
    arrays = translation(pairs, pairs[:2], 30, 4)
    assert (len(arrays.train_inputs), len(arrays.test_inputs)) == (2, 1)
    assert arrays.facts["dropped_train_pairs"] == 2
    assert arrays.facts["dropped_test_pairs"] == 1
    assert arrays.train_inputs.shape == (2, 2, 4)
    # No longer than the longest pair needs.
    everything = translation(pairs, pairs, 30, 99).train_inputs
    assert len(everything) == 4
    assert (everything[..., -1] != PADDING).any()
    with pytest.raises(ValueError, match="max_tokens = 2 leaves no train pairs"):
        translation(pairs[:1], pairs, 30, 2)


def write_parallel(folder, packed=(), **parts):
    """Files ``part.de`` and ``part.en`` of lists of pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, pairs in parts.items():
        for side, language in enumerate(("de", "en")):
            content = "".join(pair[side] + "\n" for pair in pairs).encode()
            if part in packed:
                (folder / f"{part}.{language}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / f"{part}.{language}").write_bytes(content)
    return folder


TALKS = [(f"das ist  Satz {word}", f"this is sentence {word}") for word in ("eins", "zwei", "drei", "vier")]


class TestParallelText:
    def load(self, folder, **options):
        options = {"vocabulary": 90, "max_tokens": 30} | options
        return parallel_text("iwslt14", "de", "en", folder=str(folder), **options)

    @pytest.mark.parametrize("packed", [(), ("train",)])
    def test_files_become_sentences_again(self, tmp_path, packed):
        folder = write_parallel(tmp_path, packed, train=[*TALKS, ("", "lonely")], test=TALKS[1:3], valid=TALKS[3:])
        arrays = self.load(folder)
        cleaned = [tuple(map(clean, pair)) for pair in TALKS]
        tokenizer = train_vocabulary((sentence for pair in cleaned for sentence in pair), 90)
        assert [decoded(arrays, tokenizer, "train", index) for index in range(4)] == cleaned
        assert [decoded(arrays, tokenizer, "test", index) for index in range(2)] == cleaned[1:3]
        assert len(arrays.train_inputs) == 4
        assert len(self.load(folder, test="valid").test_inputs) == 1
        assert len(self.load(folder, train_lines=2).train_inputs) == 2

    def test_missing_and_damaged_files_say_what_is_expected_where(self, tmp_path):
        with pytest.raises(DataError, match=r"iwslt14: no data files in .*train\.de, train\.en, test\.de, test\.en"):
            self.load(tmp_path)
        folder = write_parallel(tmp_path / "half", train=TALKS)
        with pytest.raises(DataError, match=r"test\.de .* is missing.*data\.source\.folder=DIR"):
            self.load(folder)
        write_parallel(folder, test=TALKS)
        (folder / "test.en").write_text("one line\n")
        with pytest.raises(DataError, match=r"test\.de has 4 lines, but test\.en has 1"):
            self.load(folder)
        (folder / "test.en").write_bytes(b"\xff\xfe\n" * 4)
        with pytest.raises(DataError, match=r"test\.en is damaged"):
            self.load(folder)

    @pytest.mark.parametrize(
        ("options", "message"), [({"test": "dev"}, "test = 'dev'"), ({"train_lines": 0}, "lines = 0")]
    )
    def test_invalid_options_are_named(self, tmp_path, options, message):
        with pytest.raises(ValueError, match=message):
            self.load(tmp_path, **options)


def test_clean_makes_equal_what_looks_equal():
    assert clean("  zwei\n\t Größen ") == clean(unicodedata.normalize("NFD", "zwei Größen")) == "zwei Größen"


def test_the_network_ignores_what_the_data_fills_up_with():
    """Models and data import nothing of each other, so each names the number itself."""
    assert transformer.PADDING == PADDING
