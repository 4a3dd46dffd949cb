"""Reading YAML that may come from anywhere: plain values only, and no small file that unfolds into a large one."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fbgd.errors import ConfigError

LARGEST = 1_000_000
MOST_VALUES = 100_000
DEEPEST = 50
# libyaml's, where it is there, is ten times faster.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(LOADER):
    """Reads 1e-5 as a number, as everybody but YAML 1.1 does."""


EXPONENT = re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")
Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+0123456789"))


def read_yaml(path: Path | str) -> dict[str, Any]:
    """The content of a user's YAML file of keys and values; a key that stands twice is a mistake.

    Raises:
        ConfigError: it is none, or larger than anything that a configuration needs, also by aliases.
        FileNotFoundError: there is no such file.
    """
    return parsed(path, lambda text: as_plain(OmegaConf.load(io.StringIO(text))))


def read_values(path: Path | str) -> dict[str, Any]:
    """The same of a file that was written by a program, ten times faster.

    Raises:
        ConfigError: it is none, or larger than anything that a configuration needs, also by aliases.
        FileNotFoundError: there is no such file.
    """
    return parsed(path, lambda text: yaml.load(text, Loader))


def parsed(path: Path | str, load: Callable[[str], Any]) -> dict[str, Any]:
    """The keys and values that ``load`` finds in the text of a file, once that is sure to be small."""
    text = read_text(path)
    try:
        measure(text)
        loaded = load(text)
    except ConfigError as error:
        raise ConfigError(f"{path} {error}") from None
    except (yaml.YAMLError, OSError, OmegaConfBaseException, RecursionError, ValueError) as error:
        raise ConfigError(f"{path} is not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} must hold keys and values, as key: value")
    return loaded


def read_text(path: Path | str) -> str:
    """The text of a small file.

    Raises:
        ConfigError: it is too large, no text, or not to be read.
        FileNotFoundError: there is no such file.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ConfigError(f"{path} is larger than {LARGEST:,} bytes: that is no configuration")
        return content.decode()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not readable as YAML: it is no UTF-8 text ({error.reason})") from None


def measure(text: str) -> int:
    """How many values a YAML text unfolds into, each alias counted with all that it stands for.

    Raises:
        ConfigError: too many, too deep, or a value that holds itself.

    >>> measure("a: &a [1, 2]\\nb: [*a, *a]")
    13
    """
    counts: list[int] = [0]
    anchors: list[str | None] = [None]
    known: dict[str, int | None] = {}
    for event in yaml.parse(text, LOADER):
        size = 1
        if isinstance(event, yaml.AliasEvent):
            found = known.get(str(event.anchor), 1)
            if found is None:
                raise ConfigError(f"holds itself: *{event.anchor} stands inside &{event.anchor}")
            size = found
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(counts) > DEEPEST:
                raise ConfigError(f"is nested more than {DEEPEST} deep")
            counts.append(0)
            anchors.append(event.anchor)
            if event.anchor:
                known[event.anchor] = None
        elif isinstance(event, yaml.CollectionEndEvent):
            size, anchor = 1 + counts.pop(), anchors.pop()
            if anchor:
                known[anchor] = size
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor:
                known[event.anchor] = 1
        else:
            continue
        if isinstance(event, yaml.CollectionStartEvent):
            continue
        counts[-1] += size
        if counts[-1] > MOST_VALUES:
            raise ConfigError(f"unfolds into more than {MOST_VALUES:,} values")
    return counts[0]


def as_plain(loaded: Any) -> Any:
    """Nested dictionaries and lists of plain values, in which references stay text."""
    return OmegaConf.to_container(loaded) if OmegaConf.is_config(loaded) else loaded
