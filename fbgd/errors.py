"""What is said when something is asked for that is not there: a name, a value, a package."""

import difflib
import importlib.util
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Code that is not the user's: this package with its neighbours, Python's own, what is installed.
FOREIGN = tuple(
    f"{folder}/"
    for folder in (
        *(Path(__file__).resolve().parents[1] / name for name in ("fbgd", "optimizers", "regularizers", "scripts")),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)


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
        name = name.decode(errors="replace") if isinstance(name, bytes) else name
        return f"{name}: {error.strerror}" if name else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


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


def said(error: BaseException) -> str:
    """An error in one line: its kind, the first line of what it says, and where in the user's own code it arose.

    >>> said(KeyError("width"))
    "KeyError: 'width'"
    """
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    place = own_place(error)
    return f"{text} ({place})" if place else text


def own_place(error: BaseException) -> str:
    """The innermost line of the user's own code that an error passed, ``file, line 3``; empty: it passed none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*FOREIGN, "<")):
            return f"{frame.filename}, line {frame.lineno}"
    return ""


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
