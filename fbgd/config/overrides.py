"""The words of the command line that set the configuration: their order, their names, their typing errors."""

from collections.abc import Callable, Iterable
from pathlib import Path

from fbgd.errors import ConfigError, nearest

# Groups that a file of the user's may take the place of; in those of several it holds entries by their names.
FROM_FILES = ("data", "metric", "model", "objective", "optimizer", "probe", "regularizer", "schedule", "tracker")
SEVERAL = ("metric", "probe", "regularizer")
# A word with this key names a class of the user's: where nothing else chooses the group, it begins empty.
CLASS_KEYS = {
    "data": "data.source._target_",
    **{group: f"{group}._target_" for group in ("model", "objective", "optimizer", "schedule", "tracker")},
}


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
    classes = set(CLASS_KEYS.values()) - {CLASS_KEYS["data"]}
    chosen = {word.group for word in words if word.key in groups or word.key in classes}
    return [word for word in base if word.group not in chosen] + words


def normalise(overrides: Iterable[Override], groups: tuple[str, ...]) -> tuple[dict[str, list[str]], list[Override]]:
    """Words for Hydra, and of every group that is taken from YAML files what was chosen, in its order.

    Of two words about one key the last counts. Naming a class without choosing its group (``optimizer._target_=...``,
    ``data.source._target_=...``) starts from an empty one. ``group=FILE.yaml`` takes the group from that file;
    regularisers, probes and metrics may be several, ``regularizer=[l2,FILE.yaml]``.

    Raises:
        ConfigError: a file does not exist, or the group takes none.
    """
    kept = {word.key: word.value for word in overrides}
    for group, key in CLASS_KEYS.items():
        if key in kept:
            kept.setdefault(group, "custom")
    files: dict[str, list[str]] = {}
    words = []
    for key, value in kept.items():
        if key in groups and any(map(is_file, chosen := choices_of(value))):
            check_files(key, [choice for choice in chosen if is_file(choice)])
            files[key] = chosen
            names = [choice for choice in chosen if not is_file(choice)]
            value = f"[{','.join(names) or 'none'}]" if key in SEVERAL else "custom"
        words.append(Override(f"{key}={value}" if key in groups else f"++{key}={value}"))
    return files, words


def choices_of(value: str) -> list[str]:
    """The choices that the value of a group's word lists: ``[l2,mine.yaml]`` or a single one."""
    return [choice.strip() for choice in value.strip("[]").split(",") if choice.strip()]


def is_file(choice: str) -> bool:
    """Whether a choice is the path of a YAML file."""
    return choice.endswith((".yaml", ".yml"))


def check_files(group: str, paths: list[str]) -> None:
    """Raise :class:`ConfigError` unless ``group`` can be taken from these files, and they exist."""
    for path in paths:
        if group not in FROM_FILES:
            raise ConfigError(f"{group}={path}: {group} takes no file; those that do: {', '.join(FROM_FILES)}")
        if not Path(path).is_file():
            raise ConfigError(f"{group}={path}: there is no such file")
    if len(paths) > 1 and group not in SEVERAL:
        raise ConfigError(f"{group}=[{','.join(paths)}]: {group} takes one file")


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
        for choice in choices_of(value):
            if choice not in choices(key):
                raise ConfigError(f"{key}={choice} is unknown; {nearest(choice, choices(key))}")
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
