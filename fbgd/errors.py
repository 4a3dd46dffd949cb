"""What is said when something is asked for that is not there: a name, a value, a package."""

import difflib
import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


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


def check_packages(names: Iterable[str] = ("optimizers", "regularizers")) -> None:
    """Raise :class:`ConfigError` where an import of a package of this distribution finds another one first.

    Their names are common ones: a folder of the user's may be called so, and where the current folder is searched, as
    in a notebook, it comes first.
    """
    home = Path(__file__).resolve().parent.parent
    for name in names:
        spec = importlib.util.find_spec(name)
        place = None if spec is None or spec.origin is None else Path(spec.origin).resolve()
        if place != home / name / "__init__.py":
            found = place or "nothing"
            raise ConfigError(f"import {name} finds {found}, not {home / name}: rename it, or work in another folder")
