"""Classes and functions named in the configuration by ``_target_``."""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fbgd.config.kinds import misfit
from fbgd.errors import ConfigError, nearest, own_place, said


def import_from(folders: Iterable[str]) -> None:
    """Let ``_target_`` name what is defined in modules of these folders, after all that can be imported already.

    Raises:
        ConfigError: one is no folder.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise ConfigError(f"impl.module_path (--module-path): {folder} is no folder")
        if folder not in sys.path:
            sys.path.append(folder)


def find_target(key: str, name: str) -> Callable:
    """The class or function with the dotted name ``name``.

    Raises:
        ConfigError: its module cannot be imported, or has no such name; with the nearest one that it has.
    """
    module_name, _, attribute = str(name).rpartition(".")
    if not module_name:
        raise ConfigError(f"{key}._target_ = {name!r} is no dotted name, such as torch.optim.NAdam or my_module.Net")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"{key}._target_ = {name!r}: the module {module_name!r} cannot be imported ({error}); is its package "
            "installed? A module of your own is found beside the YAML file that names it, or with --module-path DIR"
        ) from None
    except Exception as error:
        raise ConfigError(f"{key}._target_ = {name!r}: importing {module_name!r} failed: {said(error)}") from error
    if not hasattr(module, attribute):
        names = [entry for entry, value in vars(module).items() if callable(value) and not entry.startswith("_")]
        where = f"{module_name} ({module.__file__})" if getattr(module, "__file__", None) else module_name
        raise ConfigError(f"{key}._target_ = {name!r}: {where} has no {attribute!r}; {nearest(attribute, names)}")
    return getattr(module, attribute)


def declares(target: Any, name: str) -> bool:
    """Whether a class says ``name = True`` itself: what its subclasses do is for them to say."""
    return getattr(target, "__dict__", {}).get(name) is True


def check_target(key: str, node: dict[str, Any], given: tuple[str, ...] = (), called_with: int = 0) -> None:
    """Raise :class:`ConfigError` unless ``node`` names something callable with exactly the arguments it lists.

    Args:
        key: where the node stands, for messages.
        node: ``_target_`` and keyword arguments; an argument that is such a node itself is checked like it.
        given: names of arguments that the caller adds, here and in nodes inside.
        called_with: how many arguments the function that is wanted takes; ``node`` may name it, or what makes it.
    """
    if "_target_" not in node:
        group, _, name = key.partition(".")
        choose = f"choose {group}={name} as well, or " if name else ""
        raise ConfigError(f"{key}._target_ is missing: {choose}name the class, for example torch.optim.NAdam")
    for name, value in node.items():
        if is_target(value):
            check_target(f"{key}.{name}", value, (*given, "lr"))
    target = find_target(key, node["_target_"])
    parameters = parameters_of(key, node["_target_"], target)
    check_kinds(key, node, target, parameters)
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    settable = [name for name in parameters if name not in given]
    for name in node:
        where = f"{key}.{name}"
        if name in given and name in parameters:
            raise ConfigError(f"{where} cannot be set: {node['_target_']} is given it (a learning rate: optimizer.lr)")
        if name != "_target_" and name not in settable:
            raise ConfigError(f"{where}: {node['_target_']} takes no such argument; {nearest(name, settable)}")
    absent = [name for name in missing(parameters, node) if name not in given]
    if absent and not is_function_itself(target, parameters, node, called_with):
        if called_with and inspect.isroutine(target) and len(absent) > called_with:
            raise ConfigError(
                f"{key}.{absent[called_with]} is missing: {node['_target_']} is called with {called_with} arguments "
                f"({', '.join(absent[:called_with])}), and takes it as well"
            )
        raise ConfigError(f"{key}.{absent[0]} is missing: {node['_target_']} needs it")


def check_kinds(key: str, node: dict[str, Any], target: Any, parameters: Mapping[str, inspect.Parameter]) -> None:
    """Raise :class:`ConfigError` for an argument of another kind than the signature of ``target`` says."""
    for name, value in node.items():
        if name not in parameters or is_target(value):
            continue
        kind = misfit(target, parameters[name], value)
        if kind is not None:
            raise ConfigError(f"{key}.{name} = {value!r} is not what {node['_target_']} takes there: {kind}")


def parameters_of(key: str, name: str, target: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of what is called ``name``.

    Raises:
        ConfigError: it cannot be called.
    """
    try:
        return inspect.signature(target).parameters
    except TypeError:
        raise ConfigError(f"{key}._target_ = {name!r} is a {type(target).__name__}, no class or function") from None
    except ValueError:
        # Some of those written in C do not say what they take.
        return inspect.signature(lambda **options: None).parameters


def missing(parameters: Mapping[str, inspect.Parameter], node: dict[str, Any]) -> list[str]:
    """The arguments without a default that ``node`` does not give."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        name
        for name, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and name not in node and parameter.kind not in several
    ]


def is_function_itself(
    target: Any, parameters: Mapping[str, inspect.Parameter], node: dict[str, Any], called_with: int
) -> bool:
    """Whether ``target`` is the function that is wanted, which takes ``called_with`` arguments, and makes none."""
    return called_with > 0 and inspect.isroutine(target) and len(missing(parameters, node)) == called_with


def build_function(key: str, node: dict[str, Any], called_with: int) -> Any:
    """What ``node`` makes, or, where it names the function that is wanted itself, that function with its options.

    Args:
        key: where the node stands, for messages.
        node: ``_target_`` and keyword arguments.
        called_with: how many arguments the function takes beside them.
    """
    target = find_target(key, node["_target_"])
    if is_function_itself(target, parameters_of(key, node["_target_"], target), node, called_with):
        return functools.partial(target, **{name: value for name, value in node.items() if name != "_target_"})
    return build_target(key, node)


def is_target(value: Any) -> bool:
    """Whether an argument is itself a node that names a class or function."""
    return isinstance(value, dict) and "_target_" in value


def build_target(key: str, node: dict[str, Any], *args, **kwargs) -> Any:
    """Call what ``node`` names with its arguments and those given; whatever goes wrong in it is said with the key.

    An argument that is such a node itself arrives as a function that takes what its options leave open: an optimizer
    around another is given how to make it, ``params -> optimizer``.

    Raises:
        ConfigError: the class refused an argument, or failed.
    """
    target = find_target(key, node["_target_"])
    own = {name: value for name, value in node.items() if name != "_target_"}
    inner = {
        name: functools.partial(build_target, f"{key}.{name}", value) for name, value in own.items() if is_target(value)
    }
    try:
        return target(*args, **{**own, **inner}, **kwargs)
    except Exception as error:
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error)):
            raise ConfigError(f"{key} ({node['_target_']}) does not fit into memory; choose smaller sizes") from error
        if isinstance(error, ValueError) and type(error) is not ValueError:
            # What this package says itself, of files and of packages that are missing.
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in own.items())
        plain = type(error) in (TypeError, ValueError) and not own_place(error)
        text = " ".join(str(error).split()) if plain else said(error)
        raise ConfigError(f"{key} ({node['_target_']}): {text} (given: {given or 'nothing'})") from error
