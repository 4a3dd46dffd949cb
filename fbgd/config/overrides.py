"""The words of the command line that set the configuration: their order, their names, their typing errors."""

from collections.abc import Callable, Iterable
from pathlib import Path

from fbgd.errors import ConfigError, nearest


class Override(str):
    """A word ``key=value``, taken apart once: whoever gets it reads ``key`` and ``value``.

    Args:
        word: with or without Hydra's leading ``+``; one that is taken apart already stays as it is.

    Raises:
        ConfigError: the word is no such pair.

    >>> word = Override("+optimizer.lr=0.1")
    >>> word.key, word.value, word.group
    ('optimizer.lr', '0.1', 'optimizer')
    """

    key: str
    value: str

    def __new__(cls, word: str) -> "Override":
        if isinstance(word, cls):
            return word
        key, separator, value = word.partition("=")
        if not separator or not key.strip("+~"):
            raise ConfigError(f"{word!r} is not of the form key=value, for example optimizer=adam or optimizer.lr=0.1")
        parsed = super().__new__(cls, word)
        parsed.key, parsed.value = key.lstrip("+"), value
        return parsed

    @property
    def group(self) -> str:
        """The first part of the key."""
        return self.key.split(".")[0]


def parse(words: Iterable[str]) -> list[Override]:
    """Words as overrides."""
    return [Override(word) for word in words]


def overlay(base: Iterable[Override], words: Iterable[Override], groups: tuple[str, ...]) -> list[Override]:
    """``base`` and then ``words``, without what ``base`` says about a group that ``words`` choose anew.

    So a preset's learning rate for one optimizer is not handed on to the other that a user puts in its place.
    """
    words = list(words)
    chosen = {word.group for word in words if word.key in groups or word.key == "optimizer._target_"}
    return [word for word in base if word.group not in chosen] + words


def normalise(overrides: Iterable[Override], groups: tuple[str, ...]) -> tuple[dict[str, str], list[Override]]:
    """Words for Hydra, and the YAML files that groups are taken from.

    Of two words about one key the last counts. Naming an optimizer's class without choosing its group
    (``optimizer._target_=...``) starts from an empty one. ``group=FILE.yaml`` takes the group from that file.

    Raises:
        ConfigError: a file does not exist.
    """
    kept = {word.key: word.value for word in overrides}
    if "optimizer._target_" in kept:
        kept.setdefault("optimizer", "custom")
    files: dict[str, str] = {}
    words = []
    for key, value in kept.items():
        if key in groups and value.endswith((".yaml", ".yml")):
            if not Path(value).is_file():
                raise ConfigError(f"{key}={value}: there is no such file")
            if key != "optimizer":
                raise ConfigError(f"{key}={value}: only optimizer takes a file; put it into fbgd/config/conf/{key}/")
            files[key] = value
            value = "custom"
        words.append(Override(f"{key}={value}" if key in groups else f"++{key}={value}"))
    return files, words


def check_override(word: Override, skeleton: dict, choices: Callable[[str], list[str]]) -> None:
    """Raise :class:`ConfigError` for a group, choice or key that does not exist, with the nearest that does.

    Args:
        word: a normalised word.
        skeleton: the configuration's fixed keys; an empty dictionary in it, and one with ``_target_``, are open to
            any key.
        choices: the valid choices of a group.
    """
    key, value = word.key, word.value
    if not word.startswith("++"):
        for choice in value.strip("[]").split(","):
            if choice.strip() and choice.strip() not in choices(key):
                raise ConfigError(f"{key}={choice.strip()} is unknown; {nearest(choice.strip(), choices(key))}")
        return
    node = skeleton
    path: list[str] = []
    for part in key.split("."):
        if part not in node:
            where = ".".join(path) + "." if path else ""
            raise ConfigError(f"{key} is unknown; {nearest(where + part, (where + name for name in node))}")
        node = node[part]
        path.append(part)
        if not isinstance(node, dict) or not node or "_target_" in node:
            return
    raise ConfigError(f"{key} is a whole section; set one of its keys: {', '.join(f'{key}.{name}' for name in node)}")
