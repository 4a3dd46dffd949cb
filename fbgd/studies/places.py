"""What a user's file says at each of its places, or one line that names file, key and remedy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbgd.config.overrides import Override, parse
from fbgd.config.yaml_file import read_yaml
from fbgd.errors import ConfigError, nearest


def read_mapping(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file; a key that stands twice is a mistake.

    Raises:
        ConfigError: there is no such file, or it holds something else.
    """
    try:
        return read_yaml(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except ConfigError as error:
        remedies = {
            "not readable as YAML": "; quote words with brackets or commas",
            "must hold keys and values": "; a study is rungs: {plain: [], clipped: [...]}",
        }
        remedy = next((text for problem, text in remedies.items() if problem in str(error)), "")
        raise ConfigError(f"{error}{remedy}") from None


@dataclass(frozen=True)
class Place:
    """A value in a file, and where it stands.

    Args:
        file: for messages.
        keys: the way there.
        value: what stands there; ``None`` where nothing does.
    """

    file: str
    keys: tuple[str, ...]
    value: Any

    def at(self, key: str) -> "Place":
        """The place below a key."""
        return Place(self.file, (*self.keys, key), self.value.get(key))

    @property
    def shown(self) -> str:
        """The value in a message."""
        return "nothing" if self.value is None else repr(self.value)

    def wrong(self, problem: object) -> ConfigError:
        """The error that something is wrong here."""
        return ConfigError(": ".join([self.file, *self.keys, str(problem)]))

    def mapping(self, form: str, valid: Iterable[str] | None = None) -> dict[str, Any]:
        """Keys and values, which are all known.

        Args:
            form: an example.
            valid: the keys there may be; any by default.
        """
        if not isinstance(self.value, Mapping):
            raise self.wrong(f"{self.shown} is no mapping of keys to values; write {form}")
        for key in self.value:
            if not isinstance(key, str):
                raise self.wrong(f"the name {key!r} is no text; put it in quotes")
            if valid is not None and key not in valid:
                raise self.wrong(f"{key!r} is unknown; {nearest(key, valid)}")
        return dict(self.value)

    def entries(self, form: str) -> list[Any]:
        """A list."""
        if not isinstance(self.value, list):
            raise self.wrong(f"{self.shown} is no list; write {form}")
        return self.value

    def text(self, default: str | None = None) -> str:
        """A text, which may be left out where there is a default."""
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str) or not self.value.strip():
            problem = "is missing" if self.value is None else f"{self.value!r} is no text; put it in quotes"
            raise self.wrong(problem)
        return self.value

    def one_of(self, valid: Iterable[str], default: str) -> str:
        """One of several names."""
        name, names = self.text(default), list(valid)
        if name not in names:
            raise self.wrong(f"{name!r} is unknown; {nearest(name, names)}")
        return name

    def words(self) -> list[Override]:
        """A list of words ``key=value``."""
        words = self.entries("[data=mnist1d, optimizer.lr=0.1]")
        for word in words:
            if isinstance(word, Mapping) and len(word) == 1:
                key, value = next(iter(word.items()))
                raise self.wrong(f"{word!r} is no word; write {key}={value}, without a space")
            if not isinstance(word, str):
                raise self.wrong(f"{word!r} is no word; write key=value")
        try:
            parsed = parse(words)
        except ConfigError as error:
            raise self.wrong(error) from None
        for word in parsed:
            if word.key == "seed":
                raise self.wrong(f"{word}: a study counts its own seeds; write seeds: 3, say")
        return parsed

    def numbers(self) -> tuple[float, ...]:
        """A list of different numbers, in ascending order."""
        values = self.entries("[0.03, 0.1, 0.3]")
        if not values or any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
            raise self.wrong(f"{values!r} must be one or more numbers, as [0.03, 0.1, 0.3]")
        if len(set(values)) < len(values):
            raise self.wrong(f"{values!r} holds a number twice; leave one out")
        return tuple(sorted(float(value) for value in values))
