"""What is said when something is asked for that is not there: a name, a value, a package."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class ConfigError(ValueError):
    """The configuration asks for something that does not exist or is out of range."""


def nearest(word: str, names: Iterable[str]) -> str:
    """A hint for a misspelt word: the nearest valid name, and all of them."""
    names = sorted(set(names))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f"{guess}valid: {', '.join(names)}"


# What a command line, its files and the machine may be to blame for; anything else is a mistake in the program.
EXPECTED = (ValueError, OSError, MemoryError)


def one_line(error: BaseException) -> str:
    """An error in one line: the file first, where there is one.

    >>> one_line(FileExistsError(17, "File exists", "results/mine"))
    'results/mine: File exists'
    """
    if isinstance(error, MemoryError):
        return f"not enough memory: {' '.join(str(error).split()) or 'choose a smaller model, batch or data set'}"
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        return (
            f"{name.decode(errors='replace') if isinstance(name, bytes) else name}: {error.strerror}"
            if name
            else error.strerror
        )
    return str(error).strip() or type(error).__name__


class MissingPackageError(ValueError):
    """A package of an extra is not installed."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around imports of the packages of ``extra``.

    Raises:
        MissingPackageError: one is not installed; the message says the command that installs them all.
    """
    try:
        yield
    except ImportError as error:
        raise MissingPackageError(f"{error}: pip install 'fbgd[{extra}]'") from None
