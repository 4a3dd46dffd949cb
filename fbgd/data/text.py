"""Text files of one's own, as bytes or as the tokens of a tokenizer."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError
from fbgd.data.windows import from_bytes, next_tokens
from fbgd.errors import needs

# The token that ends a document in GPT-2's vocabulary.
END_OF_TEXT = "<|endoftext|>"


def text(
    path: str | None = None,
    length: int = 128,
    test_share: float = 0.1,
    pattern: str = "*.txt",
    tokenizer: str | None = None,
    seed: int = 0,
) -> Arrays:
    """Load a text file, whose end is held out for testing, or a folder of them, of which whole files are.

    Several files follow one another in an order of their own for every seed, each ended by a zero byte or, with a
    tokenizer that has it, by its token ``<|endoftext|>``.

    Args:
        path: a file, or a folder in which files are looked for at any depth.
        length: of a window, in tokens.
        test_share: share of the tokens that is held out, in (0, 1); of several files, so many that they have at least
            this share together, with one left to train on.
        pattern: which files of a folder.
        tokenizer: a file ``tokenizer.json`` of the package ``tokenizers``, as GPT-2's; ``None``: every byte is a token.
        seed: of the files' order.

    Raises:
        DataError: a file is missing, or is no text or no tokenizer.
        MissingPackageError: the tokenizer's package is not installed.
        ValueError: an argument is outside its range, or there is too little text for a window.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share = {test_share!r} is outside the valid range (0, 1)")
    coding = BYTES if tokenizer is None else read_tokenizer(tokenizer)
    files = {name: coding.encode(file) for name, file in find_files(path, pattern).items()}
    if len(files) == 1:
        (stream,) = files.values()
        cut = round((1 - test_share) * len(stream))
        train, test = stream[:cut], stream[cut:]
        facts: dict[str, object] = {}
    else:
        sizes = {name: len(tokens) for name, tokens in files.items()}
        sides = held_out(sizes, test_share * sum(sizes.values()), seed)
        train, test = (joined([files[name] for name in names], coding.end) for names in sides)
        facts = {"train_files": len(sides[0]), "test_files": len(sides[1])}
    return next_tokens(train, test, length, coding.classes, facts)


def find_files(path: str | None, pattern: str) -> dict[str, Path]:
    """The files that ``path`` names, by their names within it, sorted.

    Raises:
        DataError: there are none.
    """
    advice = "name a text file, or a folder of them: data.source.path=FILE"
    if path is None:
        raise DataError(f"data.source.path is missing: {advice}")
    place = Path(path).expanduser()
    if place.is_file():
        return {place.name: place}
    if not place.is_dir():
        raise DataError(f"data.source.path = {path!r} does not exist: {advice}")
    found = {file.relative_to(place).as_posix(): file for file in place.rglob(pattern) if file.is_file()}
    if not found:
        raise DataError(
            f"data.source.path = {path!r} has no files {pattern!r}: set data.source.pattern, for example to '*.md'"
        )
    return dict(sorted(found.items()))


class Coding(NamedTuple):
    """How files become tokens: the tokens of a file, how many different ones there are, and which one ends a file."""

    encode: Callable[[Path], Tensor]
    classes: int
    end: int | None


BYTES = Coding(lambda path: from_bytes(path.read_bytes()), classes=256, end=0)


def read_tokenizer(file: str) -> Coding:
    """The coding of a ``tokenizer.json``.

    Raises:
        DataError: it is missing or damaged.
        MissingPackageError: the package ``tokenizers`` is not installed.
    """
    with needs("translation"):
        from tokenizers import Tokenizer
    path = Path(file).expanduser()
    if not path.is_file():
        raise DataError(f"data.source.tokenizer = {file!r} does not exist: name a tokenizer.json, or null for bytes")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the package raises no narrower type
        raise DataError(f"data.source.tokenizer = {file!r} is damaged or no tokenizer.json ({error})") from None

    def encode(path: Path) -> Tensor:
        try:
            content = path.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not UTF-8 ({error}): convert it, or read bytes with data.source.tokenizer=null"
            ) from None
        return torch.tensor(tokenizer.encode(content, add_special_tokens=False).ids, dtype=torch.int64)

    return Coding(encode, tokenizer.get_vocab_size(), tokenizer.token_to_id(END_OF_TEXT))


def held_out(sizes: dict[str, int], wanted: float, seed: int) -> tuple[list[str], list[str]]:
    """Split files into those to train on and those to test on, which come to at least ``wanted`` together.

    Both are in the order of a hash of the seed and the name, so other files that come or go change little.

    Args:
        sizes: of at least two files, by name.
        wanted: size of the test files together; one file is always left to train on.
        seed: of the hash.
    """
    order = sorted(sizes, key=lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).digest())
    count, held = 0, 0.0
    while held < wanted and count < len(order) - 1:
        held += sizes[order[count]]
        count += 1
    return order[count:], order[:count]


def joined(files: list[Tensor], end: int | None) -> Tensor:
    """The tokens of all files in a row, each followed by ``end``, if there is one."""
    stop = torch.tensor([] if end is None else [end], dtype=torch.int64)
    return torch.cat([part for file in files for part in (file, stop)])
