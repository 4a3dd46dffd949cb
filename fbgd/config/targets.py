"""Classes and functions named in the configuration by ``_target_``."""

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from fbgd.errors import ConfigError, nearest


def find_target(key: str, name: str) -> Callable:
    """The class or function with the dotted name ``name``.

    Raises:
        ConfigError: its module cannot be imported, or has no such name; with the nearest one that it has.
    """
    module_name, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"{key}._target_ = {name!r}: the module {module_name!r} cannot be imported ({error}); "
            "is its package installed?"
        ) from None
    if not hasattr(module, attribute):
        names = [entry for entry, value in vars(module).items() if callable(value) and not entry.startswith("_")]
        raise ConfigError(f"{key}._target_ = {name!r}: {module_name} has no {attribute!r}; {nearest(attribute, names)}")
    return getattr(module, attribute)


def declares(target: Any, name: str) -> bool:
    """Whether a class says ``name = True`` itself: what its subclasses do is for them to say."""
    return getattr(target, "__dict__", {}).get(name) is True


def check_target(key: str, node: dict[str, Any], given: tuple[str, ...] = ()) -> None:
    """Raise :class:`ConfigError` unless ``node`` names something callable with exactly the arguments it lists.

    Args:
        key: where the node stands, for messages.
        node: ``_target_`` and keyword arguments; an argument that is such a node itself is checked like it.
        given: names of arguments that the caller adds, here and in nodes inside.
    """
    if "_target_" not in node:
        group, _, name = key.partition(".")
        choose = f"choose {group}={name} as well, or " if name else ""
        raise ConfigError(f"{key}._target_ is missing: {choose}name the class, for example torch.optim.NAdam")
    for name, value in node.items():
        if is_target(value):
            check_target(f"{key}.{name}", value, (*given, "lr"))
    parameters = inspect.signature(find_target(key, node["_target_"])).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    settable = [name for name in parameters if name not in given]
    for name in node:
        where = f"{key}.{name}"
        if name in given and name in parameters:
            raise ConfigError(f"{where} cannot be set: {node['_target_']} is given it (a learning rate: optimizer.lr)")
        if name != "_target_" and name not in settable:
            raise ConfigError(f"{where}: {node['_target_']} takes no such argument; {nearest(name, settable)}")
    for name in settable:
        parameter = parameters[name]
        if (
            parameter.default is inspect.Parameter.empty
            and name not in node
            and parameter.kind not in (inspect.Parameter.VAR_POSITIONAL,)
        ):
            raise ConfigError(f"{key}.{name} is missing: {node['_target_']} needs it")


def is_target(value: Any) -> bool:
    """Whether an argument is itself a node that names a class or function."""
    return isinstance(value, dict) and "_target_" in value


def build_target(key: str, node: dict[str, Any], *args, **kwargs) -> Any:
    """Call what ``node`` names with its arguments and those given; a plain ``ValueError`` of it gains the key.

    An argument that is such a node itself arrives as a function that takes what its options leave open: an optimizer
    around another is given how to make it, ``params -> optimizer``.

    Raises:
        ConfigError: the class refused an argument.
    """
    target = find_target(key, node["_target_"])
    own = {name: value for name, value in node.items() if name != "_target_"}
    inner = {
        name: functools.partial(build_target, f"{key}.{name}", value) for name, value in own.items() if is_target(value)
    }
    try:
        return target(*args, **{**own, **inner}, **kwargs)
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in own.items())
        raise ConfigError(f"{key} ({node['_target_']}): {error} (given: {given or 'nothing'})") from error
