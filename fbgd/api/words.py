"""What the functions take in the place of a command line."""

import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from fbgd.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")
Words = str | Iterable[str]
Folder = str | os.PathLike[str]


def split(words: Words) -> list[str]:
    """Words as a list; a text is split as a shell does it.

    >>> split("model=mlp 'regularizer=[l2, mixup]'")
    ['model=mlp', 'regularizer=[l2, mixup]']
    """
    return shlex.split(words) if isinstance(words, str) else list(words)


def several(names: Words) -> list[str]:
    """Names as a list; a text is one of them."""
    return [names] if isinstance(names, str) else list(names)


def arguments(parser: ArgumentParser, **given: Any) -> Namespace:
    """What a command line gives that says these things, in place of their defaults."""
    return Namespace(**vars(parser.parse_intermixed_args([])) | given)


def with_one_error(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose mistakes, each a ``ValueError`` that a command shows as one line, are :class:`ConfigError`."""

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from error

    return checked
