"""What kind of value an argument takes, by its annotation or its default, and whether a configured value is one."""

import collections.abc
import inspect
import os
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, Union


@dataclass(frozen=True)
class Kind:
    """A kind of value that YAML can hold.

    Args:
        name: how a message says it.
        holds: whether a value is one.
    """

    name: str
    holds: Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Whether ``value`` is a real number; ``True`` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


SCALARS = {
    int: Kind("a whole number", lambda value: is_number(value) and isinstance(value, int)),
    float: Kind("a number", is_number),
    Real: Kind("a number", is_number),
    bool: Kind("true or false", lambda value: isinstance(value, bool)),
    str: Kind("a text", lambda value: isinstance(value, str)),
    os.PathLike: Kind("a path", lambda value: isinstance(value, str)),
    type(None): Kind("null", lambda value: value is None),
}
LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
MAPPINGS = (dict, collections.abc.Mapping)


def kinds_of(annotation: Any) -> list[Kind] | None:
    """The kinds of value that an annotation allows; ``None``: it does not say, so that any value may be right.

    Classes that YAML cannot hold are left out of a union with others: a learning rate that is ``float | Tensor`` is a
    number here.

    >>> import torch
    >>> [kind.name for kind in kinds_of(float | torch.Tensor | None)]
    ['a number', 'null']
    >>> [kind.name for kind in kinds_of(tuple[float, float])]
    ['a list of 2: a number, a number']
    """
    if annotation is None:
        annotation = type(None)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        members = [kinds_of(argument) for argument in arguments]
        if any(member is None and unknowable(argument) for member, argument in zip(members, arguments, strict=True)):
            return None
        known = [kind for member in members if member is not None for kind in member]
        # Of a union of null and a class that YAML cannot hold nothing else is known either.
        return known if any(kind is not SCALARS[type(None)] for kind in known) else None
    if origin is typing.Annotated:
        return kinds_of(arguments[0])
    if origin is Literal:
        return [Kind(" or ".join(map(repr, arguments)), lambda value: value in arguments)]
    base = origin or annotation
    if base in LISTS:
        return [list_kind(base, arguments)]
    if base in MAPPINGS:
        return [Kind("keys and values", lambda value: isinstance(value, dict))]
    if isinstance(base, type) and base not in SCALARS and issubclass(base, os.PathLike):
        base = os.PathLike
    return [SCALARS[base]] if isinstance(base, type) and base in SCALARS else None


def unknowable(annotation: Any) -> bool:
    """Whether an annotation without known kinds allows what YAML can hold, as ``Any`` or a type variable do."""
    return annotation in (Any, object) or not isinstance(typing.get_origin(annotation) or annotation, type)


def list_kind(base: Any, arguments: tuple) -> Kind:
    """A list, of a fixed length where it is a tuple with a type for each entry."""
    each = [argument for argument in arguments if argument is not Ellipsis]
    inner = [kinds_of(argument) for argument in each]
    fixed = base is tuple and bool(arguments) and Ellipsis not in arguments
    names = [" or ".join(kind.name for kind in kinds) if kinds else "anything" for kinds in inner]

    def holds(value: Any) -> bool:
        if not isinstance(value, list | tuple) or (fixed and len(value) != len(inner)):
            return False
        wanted = inner if fixed else [inner[0] if inner else None] * len(value)
        return all(
            kinds is None or any(kind.holds(entry) for kind in kinds)
            for kinds, entry in zip(wanted, value, strict=True)
        )

    if fixed:
        return Kind(f"a list of {len(inner)}: {', '.join(names)}", holds)
    return Kind(f"a list, each entry {names[0]}" if inner and inner[0] else "a list", holds)


def kinds_of_default(default: Any) -> list[Kind] | None:
    """The kinds that a default without annotation suggests; whole numbers stand for numbers of any kind."""
    if isinstance(default, bool):
        return [SCALARS[bool]]
    if isinstance(default, int | float):
        return [SCALARS[float]]
    return [SCALARS[str]] if isinstance(default, str) else None


def argument_kinds(target: Any, parameter: inspect.Parameter) -> list[Kind] | None:
    """The kinds of value that an argument of ``target`` takes, its default's among them; ``None``: any."""
    default = parameter.default
    if parameter.annotation is inspect.Parameter.empty:
        return None if default is inspect.Parameter.empty else kinds_of_default(default)
    kinds = kinds_of(annotations(target).get(parameter.name, Any))
    if kinds is not None and default is None and SCALARS[type(None)] not in kinds:
        kinds = [*kinds, SCALARS[type(None)]]
    return kinds


def annotations(target: Any) -> dict[str, Any]:
    """The annotations of a function, or of how a class is made; none where they name what cannot be found."""
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except Exception:  # noqa: BLE001 - annotations may be any expression, and are a hint at most
        return {}


def misfit(target: Any, parameter: inspect.Parameter, value: Any) -> str | None:
    """What an argument takes, where ``value`` is nothing of that kind; ``None``: it is, or nobody knows.

    >>> def function(rate: float, betas: tuple[float, float] = (0.9, 0.99)): ...
    >>> misfit(function, inspect.signature(function).parameters["rate"], "fast")
    'a number'
    >>> misfit(function, inspect.signature(function).parameters["betas"], [0.5, 0.9]) is None
    True
    """
    kinds = argument_kinds(target, parameter)
    if kinds is None or value == parameter.default or any(kind.holds(value) for kind in kinds):
        return None
    return ", or ".join(dict.fromkeys(kind.name for kind in kinds))
