"""Packages that only some experiments need, and what to say where they are missing."""

from collections.abc import Iterator
from contextlib import contextmanager


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
