"""From pairs of sentences to token arrays."""

import hashlib
import unicodedata
from collections.abc import Iterable

import torch
from torch import Tensor

from fbgd.data.dataset import IGNORED, PADDING, Arrays
from fbgd.data.vocabulary import BEGIN, END, train_vocabulary

Pair = tuple[str, str]


def translation(train: list[Pair], test: list[Pair], vocabulary: int, max_tokens: int) -> Arrays:
    """Encode pairs (source sentence, target sentence) for an encoder-decoder model.

    Inputs are (N, 2, L): source tokens and end; begin and target tokens. Targets are (N, L): target tokens and end.
    All are filled up to L, the length of the longest, with padding, where targets are ignored.

    Args:
        train: the pairs to train on; the vocabulary is learned from them alone.
        test: the pairs to evaluate on.
        vocabulary: size of the joint sub-word vocabulary, see :func:`train_vocabulary`.
        max_tokens: the largest L; longer pairs are dropped and counted in ``facts``.

    Raises:
        ValueError: an argument is outside its range, or no pair is left.
    """
    if not isinstance(max_tokens, int) or max_tokens < 2:
        raise ValueError(f"max_tokens = {max_tokens!r} must be a whole number of at least 2")
    tokenizer = train_vocabulary((sentence for pair in train for sentence in pair), vocabulary)

    def encode(pairs: list[Pair]) -> list[tuple[list[int], list[int]]]:
        sources, targets = (
            [encoding.ids for encoding in tokenizer.encode_batch([pair[side] for pair in pairs])] for side in (0, 1)
        )
        longest = max_tokens - 1
        return [pair for pair in zip(sources, targets, strict=True) if max(map(len, pair)) <= longest]

    kept = {"train": encode(train), "test": encode(test)}
    for name, pairs in kept.items():
        if not pairs:
            raise ValueError(f"max_tokens = {max_tokens} leaves no {name} pairs: all are longer")
    length = 1 + max(len(tokens) for pairs in kept.values() for pair in pairs for tokens in pair)
    train_inputs, train_targets = padded(kept["train"], length)
    test_inputs, test_targets = padded(kept["test"], length)
    facts = {
        "vocabulary": tokenizer.get_vocab_size(),
        "dropped_train_pairs": len(train) - len(kept["train"]),
        "dropped_test_pairs": len(test) - len(kept["test"]),
    }
    classes = tokenizer.get_vocab_size()
    return Arrays(train_inputs, train_targets, test_inputs, test_targets, classes=classes, facts=facts)


def padded(pairs: list[tuple[list[int], list[int]]], length: int) -> tuple[Tensor, Tensor]:
    """Inputs (N, 2, length) and targets (N, length) of encoded pairs."""
    inputs = torch.full((len(pairs), 2, length), PADDING)
    targets = torch.full((len(pairs), length), IGNORED)
    for index, (source, target) in enumerate(pairs):
        inputs[index, 0, : len(source) + 1] = torch.tensor([*source, END])
        inputs[index, 1, : len(target) + 1] = torch.tensor([BEGIN, *target])
        targets[index, : len(target) + 1] = torch.tensor([*target, END])
    return inputs, targets


def clean(sentence: str) -> str:
    """The sentence with single spaces and composed characters (NFC), so that equal ones are equal."""
    return unicodedata.normalize("NFC", " ".join(sentence.split()))


def split_pairs(pairs: Iterable[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Split pairs into training and test pairs that have no sentence in common, on whichever side it stands.

    Pairs that share a sentence, directly or through others, stay together: where they go is decided by a hash of the
    seed and their first sentence in alphabetical order, so other pairs that come or go change little.

    Args:
        pairs: without duplicates.
        share: of the groups that are expected to be test data, in (0, 1).
        seed: of the hash.

    Raises:
        ValueError: ``share`` is outside (0, 1), or leaves nothing on one side.
    """
    if not 0 < share < 1:
        raise ValueError(f"test_share = {share!r} is outside the valid range (0, 1)")
    leader: dict[str, str] = {}

    def find(sentence: str) -> str:
        while leader.setdefault(sentence, sentence) != sentence:
            leader[sentence] = leader[leader[sentence]]
            sentence = leader[sentence]
        return sentence

    pairs = list(pairs)
    for source, target in pairs:
        # The smaller of two leaders leads, so that a group's is its smallest sentence.
        first, second = sorted((find(source), find(target)))
        leader[second] = first
    sides: tuple[list[Pair], list[Pair]] = ([], [])
    for pair in pairs:
        digest = hashlib.sha256(f"{seed}\n{find(pair[0])}".encode()).digest()
        sides[int.from_bytes(digest[:8]) < share * 2**64].append(pair)
    if not all(sides):
        raise ValueError(f"test_share = {share!r} leaves {len(sides[0])} training and {len(sides[1])} test pairs")
    return sides
