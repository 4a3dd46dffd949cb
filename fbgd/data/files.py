"""Finding, checking and downloading data files; every failure names the file and the command that mends it."""

import gzip
import hashlib
import re
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pooch

# More than any data set that is read whole: a file that unpacks into it is no such data set.
LARGEST = 2**30


class DataError(ValueError):
    """A data file is missing or damaged."""


def reason(error: Exception) -> str:
    """Why a file cannot be read, in a line: libraries' own reasons are long, and name objects in memory.

    >>> reason(SyntaxError("unmatched '}' in <ast.Name object at 0x7f3a>\\nmore"))
    "unmatched '}' in an object"
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "an object", lines[0])[:200]


def cache_folder(name: str) -> Path:
    """Where downloads of the data set ``name`` are kept: the user's cache folder for this project."""
    return Path(pooch.os_cache("fbgd")) / name


def find_folder(name: str, folder: str | None, standard: list[Path], probe: Callable[[Path], bool], advice: str):
    """The first of ``folder`` (or, without it, of the standard places) that ``probe`` accepts.

    Raises:
        DataError: there is none; the message lists the places that were looked at and ``advice``.
    """
    places = [Path(folder).expanduser()] if folder else [*standard, cache_folder(name)]
    for place in places:
        if place.is_dir() and probe(place):
            return place
    looked = ", ".join(map(str, places))
    raise DataError(f"{name}: no data files in {looked}. To mend it: {advice}")


def bounded(content: bytes) -> bytes:
    """What was unpacked, if it is not more than :data:`LARGEST`."""
    if len(content) > LARGEST:
        raise OSError(f"it unpacks into more than {LARGEST:,} bytes")
    return content


def read_plain_or_gzip(path: Path, advice: str) -> bytes:
    """The content of ``path`` or, where only that exists, of ``path.gz``.

    Raises:
        DataError: neither is there, or it is damaged; the message ends in ``advice``.
    """
    packed = path.with_name(path.name + ".gz")
    try:
        if path.exists():
            return path.read_bytes()
        with gzip.open(packed) as file:
            return bounded(file.read(LARGEST + 1))
    except FileNotFoundError:
        raise DataError(f"{path} (or {packed.name} beside it) is missing. To mend it: {advice}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{packed} is damaged ({error}). To mend it, delete it, then {advice}") from None


def read_member(folder: Path, archive: str, member: str, advice: str) -> bytes:
    """The content of ``member`` from the unpacked archive in ``folder``, or from the .tar.gz file itself.

    Raises:
        DataError: neither is there, or the archive is damaged; the message ends in ``advice``.
    """
    unpacked = folder / member
    if unpacked.is_file():
        return unpacked.read_bytes()
    packed = folder / archive
    try:
        with tarfile.open(packed) as tar:
            content = tar.extractfile(member)
            if content is None:
                raise KeyError(f"{member} is no file in it")
            return bounded(content.read(LARGEST + 1))
    except FileNotFoundError:
        raise DataError(f"{unpacked} is missing, and so is {packed}. To mend it: {advice}") from None
    except (OSError, EOFError, KeyError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{packed} is damaged ({error}). To mend it, delete it, then {advice}") from None


def check_sha256(path: Path, content: bytes, expected: str) -> None:
    """Raise :class:`DataError` unless the content has the expected SHA-256."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} is damaged or another data set: SHA-256 {found[:12]}..., expected {expected[:12]}.... "
            "Delete it and fetch it again, or load it as it is with data.source.verify=false"
        )


def fetch(
    name: str,
    file: str,
    mirrors: tuple[str, ...],
    known_hash: str | None,
    check: Callable[[Path], None] = lambda path: None,
) -> Path:
    """Fetch ``file`` into the cache from the first mirror that has it intact.

    Args:
        name: data set, the folder in the cache.
        file: file name.
        mirrors: full addresses, tried in order.
        known_hash: ``"md5:..."`` or ``"sha256:..."`` of the file, or ``None`` when ``check`` looks at what is in it.
        check: raises when the file is not what it should be; the file is then removed and the next mirror asked.

    Raises:
        DataError: no mirror gave the file; the message says why, mirror by mirror.
    """
    failures = []
    target = cache_folder(name) / file
    for address in mirrors:
        try:
            pooch.retrieve(address, known_hash, fname=file, path=target.parent, progressbar=False)
            check(target)
            return target
        except Exception as error:  # noqa: BLE001 - whatever a mirror does wrong, the next one is asked
            failures.append(f"{address}: {error}")
            target.unlink(missing_ok=True)
    raise DataError(f"{name}: {file} could not be downloaded. " + "; ".join(failures))
