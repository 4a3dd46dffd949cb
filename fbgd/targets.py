"""Classes and functions named in the configuration by ``_target_``."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from fbgd.overrides import ConfigError, nearest


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
        names = [found for found, value in vars(module).items() if callable(value) and not found.startswith("_")]
        raise ConfigError(f"{key}._target_ = {name!r}: {module_name} has no {attribute!r}; {nearest(attribute, names)}")
    return getattr(module, attribute)


def check_target(key: str, node: dict[str, Any], given: tuple[str, ...] = ()) -> None:
    """Raise :class:`ConfigError` unless ``node`` names something callable with exactly the arguments it lists.

    Args:
        key: where the node stands, for messages.
        node: ``_target_`` and keyword arguments.
        given: names of arguments that the caller adds.
    """
    if "_target_" not in node:
        group, _, name = key.partition(".")
        choose = f"choose {group}={name} as well, or " if name else ""
        raise ConfigError(f"{key}._target_ is missing: {choose}name the class, for example torch.optim.NAdam")
    parameters = inspect.signature(find_target(key, node["_target_"])).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    settable = [name for name in parameters if name not in given]
    for name in node:
        if name != "_target_" and name not in settable:
            where = f"{key}.{name}"
            raise ConfigError(f"{where}: {node['_target_']} takes no such argument; {nearest(name, settable)}")
    for name in settable:
        parameter = parameters[name]
        if (
            parameter.default is inspect.Parameter.empty
            and name not in node
            and parameter.kind not in (inspect.Parameter.VAR_POSITIONAL,)
        ):
            raise ConfigError(f"{key}.{name} is missing: {node['_target_']} needs it")


def build_target(key: str, node: dict[str, Any], *args, **kwargs) -> Any:
    """Call what ``node`` names with its arguments and those given; a plain ``ValueError`` of it gains the key.

    Raises:
        ConfigError: the class refused an argument.
    """
    target = find_target(key, node["_target_"])
    own = {name: value for name, value in node.items() if name != "_target_"}
    try:
        return target(*args, **own, **kwargs)
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in own.items())
        raise ConfigError(f"{key} ({node['_target_']}): {error} (given: {given or 'nothing'})") from error
