"""Parallel text in plain files, one sentence a line, as IWSLT and WMT data lies after it was unpacked."""

import gzip
from itertools import islice
from pathlib import Path

from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError, find_folder
from fbgd.data.translation import Pair, clean, translation


def parallel_text(
    name: str,
    source: str,
    target: str,
    folder: str | None = None,
    test: str = "test",
    train_lines: int | None = None,
    vocabulary: int = 10000,
    max_tokens: int = 60,
) -> Arrays:
    """Load the pairs of ``train.SOURCE``, ``train.TARGET``, ``test.SOURCE`` and ``test.TARGET``, plain or gzipped.

    Pairs of which either sentence is empty are left out; nothing else about the published split is changed.

    Args:
        name: of the data set, a folder of the cache.
        source: ending of the files to translate from, as ``"de"``.
        target: ending of the files to translate into.
        folder: where the files lie; ``None``: in the cache.
        test: beginning of the files to evaluate on, ``"test"`` or ``"valid"``.
        train_lines: read no more of the training files than so many lines; ``None``: all of them.
        vocabulary: size of the joint sub-word vocabulary, learned from the training pairs.
        max_tokens: longer pairs are dropped.

    Raises:
        DataError: files are missing or damaged, or do not belong together.
        ValueError: an argument is outside its range.
    """
    if test not in ("test", "valid"):
        raise ValueError(f"test = {test!r} is not one of 'test', 'valid'")
    if train_lines is not None and train_lines < 1:
        raise ValueError(f"train_lines = {train_lines!r} must be at least 1, or null")
    files = [f"{part}.{language}" for part in ("train", test) for language in (source, target)]
    advice = (
        f"put {', '.join(files)} (UTF-8, plain or .gz, one sentence a line, the same number of lines in both "
        "languages) into one folder, and name it: data.source.folder=DIR"
    )

    def present(place: Path) -> bool:
        return any((place / (file + ending)).exists() for file in files for ending in ("", ".gz"))

    place = find_folder(name, folder, [], present, advice)
    train, held = (
        read_pairs(place / files[first], place / files[first + 1], limit, advice)
        for first, limit in ((0, train_lines), (2, None))
    )
    return translation(train, held, vocabulary, max_tokens)


def read_pairs(source: Path, target: Path, limit: int | None, advice: str) -> list[Pair]:
    """The pairs of two files without those of which a sentence is empty.

    Raises:
        DataError: a file is missing or damaged, or one has more lines than the other.
    """
    left, right = (read_lines(path, limit, advice) for path in (source, target))
    if len(left) != len(right):
        raise DataError(f"{source} has {len(left)} lines, but {target.name} has {len(right)}. To mend it: {advice}")
    return [pair for pair in zip(left, right, strict=True) if all(pair)]


def read_lines(path: Path, limit: int | None, advice: str) -> list[str]:
    """At most ``limit`` lines of a file, or of the gzipped one beside it, cleaned."""
    packed = path.with_name(path.name + ".gz")
    try:
        with open(path, encoding="utf-8") if path.exists() else gzip.open(packed, "rt", encoding="utf-8") as file:
            return [clean(line) for line in islice(file, limit)]
    except FileNotFoundError:
        raise DataError(f"{path} (or {packed.name} beside it) is missing. To mend it: {advice}") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged ({error}). To mend it: {advice}") from None
