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
