"""The words of a sweep, by Hydra's sweep grammar: ``key=a,b``, ``choice(a,b)``, ``range(1,4)``, ``interval(0.1,1)``.

A value in brackets is one value: ``regularizer=[],[gradient_clipping]`` are two.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep, Transformer
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException

from fbgd.config.compose import PARSER, explain
from fbgd.config.groups import GROUPS
from fbgd.config.overrides import Override, parse
from fbgd.errors import ConfigError
from fbgd.runs.plan import Rung
from fbgd.runs.rows import FIXED, canonical, text

# Between ends of a larger ratio a search draws logarithms.
LOG_RATIO = 10


@dataclass(frozen=True)
class Range:
    """What a search draws a setting from.

    Args:
        low: the lower end.
        high: the upper end, above it.
        log: draw logarithms.
        whole: draw whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __str__(self) -> str:
        kind = ", ".join(["whole"] * self.whole + ["logarithmic"] * self.log)
        return f"{self.low:g} to {self.high:g}" + (f" ({kind})" if kind else "")


@dataclass(frozen=True)
class Axis:
    """A swept setting.

    Args:
        key: of the words.
        label: the column that tells its value.
        values: as they stand in words; none of a range.
        numeric: whether all values are numbers.
        range: what a search draws from; ``None`` where there are values.
    """

    key: str
    label: str
    values: tuple[str, ...] = ()
    numeric: bool = True
    range: Range | None = None

    def word(self, value: str) -> Override:
        """What sets it to a value."""
        return Override(f"{self.key}={value}")

    def shown(self, value: str) -> str:
        """A value as tables show it: equal numbers are equal texts, ingredients are joined by ``+``."""
        if self.key in GROUPS and value.startswith("["):
            return value.strip("[]").replace(",", "+") or "none"
        return canonical(value) if self.numeric else value.strip("'\"")

    def name(self, value: str) -> str:
        """A value in the name of a rung."""
        return self.shown(value) if self.key in GROUPS else f"{self.label} {self.shown(value)}"


@dataclass(frozen=True)
class Swept:
    """The words of a sweep, taken apart.

    Args:
        fixed: those with a single value.
        axes: the swept settings.
        seeds: of every run; none where no word says them.
    """

    fixed: tuple[Override, ...]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...] = ()


def read_words(words: Iterable[str]) -> Swept:
    """Take the words of a sweep apart; of two about one key the last counts.

    Raises:
        ConfigError: a word is not readable, or is of a form that a sweep does not take.

    >>> swept = read_words(["optimizer=sgd,adam", "optimizer.lr=0.1,0.3", "model=mlp", "seed=range(3)"])
    >>> [(axis.label, axis.values) for axis in swept.axes], swept.fixed, swept.seeds
    ([('optimizer', ('sgd', 'adam')), ('lr', ('0.1', '0.3'))], ('model=mlp',), (0, 1, 2))
    """
    kept = {word.key: word for word in parse(words)}
    parsed = {key: read_word(word) for key, word in kept.items()}
    labels = short_labels([key for key, found in parsed.items() if found.is_sweep_override() and key != "seed"])
    axes = [read_axis(kept[key], label, parsed[key]) for key, label in labels.items()]
    fixed = tuple(word for key, word in kept.items() if key not in labels and key != "seed")
    return Swept(fixed, tuple(axes), read_seeds(kept["seed"], parsed["seed"]) if "seed" in kept else ())


def read_word(word: Override) -> HydraOverride:
    """A word as Hydra reads it."""
    try:
        return PARSER.parse_override(f"{word.key}={word.value}")
    except HydraException as error:
        raise ConfigError(f"{word} is not readable: {explain(error)}") from None


def read_axis(word: Override, label: str, parsed: HydraOverride) -> Axis:
    """A swept word as an axis."""
    sweep = parsed.value()
    if isinstance(sweep, IntervalSweep):
        return Axis(word.key, label, range=read_range(word, sweep))
    values = read_values(word, parsed)
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    axis = Axis(word.key, label, tuple(written(value) for value in values), numeric)
    shown = [axis.shown(value) for value in axis.values]
    if len(set(shown)) < len(shown):
        raise ConfigError(f"{word} holds a value twice; leave one out")
    return axis


def read_values(word: Override, parsed: HydraOverride) -> list:
    """The values of a choice or a range of numbers.

    Raises:
        ConfigError: it is of another kind, in random order, or empty.
    """
    sweep = parsed.value()
    if not isinstance(sweep, ChoiceSweep | RangeSweep) or sweep.shuffle:
        raise ConfigError(f"{word}: a sweep takes key=a,b, choice(a,b), range(start,stop,step), interval(low,high)")
    try:
        values = list(parsed.sweep_iterator())
    except (HydraException, ValueError) as error:
        raise ConfigError(f"{word} is not readable: {error}") from None
    if not values:
        raise ConfigError(f"{word} holds no value")
    return values


def read_range(word: Override, sweep: IntervalSweep) -> Range:
    """The range of an ``interval(low,high)``: logarithmic by ``tag(log, ..)``, or where its ends are far apart."""
    ends: tuple[Any, Any] = (sweep.start, sweep.end)
    low, high = map(float, ends)
    if unknown := sorted(sweep.tags - {"log", "linear"}):
        raise ConfigError(f"{word}: the tag {unknown[0]!r} is unknown; valid: linear, log")
    log = "log" in sweep.tags or ("linear" not in sweep.tags and low > 0 and high > LOG_RATIO * low)
    if not low < high or (log and low <= 0):
        valid = "0 < low < high for logarithms" if log else "low < high"
        raise ConfigError(f"{word}: the ends of a range must be {valid}")
    return Range(low, high, log, whole=all(isinstance(end, int) for end in ends))


def read_seeds(word: Override, parsed: HydraOverride) -> tuple[int, ...]:
    """The seeds that a word says."""
    seeds = read_values(word, parsed) if parsed.is_sweep_override() else [parsed.value()]
    whole = all(isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in seeds)
    if not whole or len(set(seeds)) < len(seeds):
        raise ConfigError(f"{word}: seeds are different whole numbers of at least 0, as seed=0,1,2 or seed=range(3)")
    return tuple(seeds)


def written(value: Any) -> str:
    """A value as it stands in a word."""
    return text(value) if isinstance(value, bool | float) else Transformer.str(value)


def short_labels(keys: list[str]) -> dict[str, str]:
    """A label for every key: its last part, or as many as tell it from other keys and from columns of ``runs.csv``.

    >>> short_labels(["optimizer", "optimizer.lr", "budget.passes"])
    {'optimizer': 'optimizer', 'optimizer.lr': 'lr', 'budget.passes': 'budget passes'}
    """

    def ends(key: str) -> list[str]:
        parts = key.split(".")
        return [" ".join(parts[-count:]) for count in range(1, len(parts) + 1)]

    taken = {key: {end for other in keys if other != key for end in ends(other)} for key in keys}
    return {
        key: next((end for end in ends(key) if end not in FIXED and end not in taken[key]), ends(key)[-1])
        for key in keys
    }


def product(swept: Swept) -> list[Rung]:
    """A rung for every combination of the values of all axes that have values, the last one varying fastest."""
    axes = [axis for axis in swept.axes if axis.range is None]
    return [make_rung(swept.fixed, axes, values) for values in itertools.product(*(axis.values for axis in axes))]


def make_rung(words: Iterable[Override], axes: Iterable[Axis], values: Iterable[str]) -> Rung:
    """The rung with a value of each axis."""
    pairs = list(zip(axes, values, strict=True))
    name = ", ".join(axis.name(value) for axis, value in pairs) or "all"
    own = [axis.word(value) for axis, value in pairs]
    return Rung(name, (*words, *own), labels={axis.label: axis.shown(value) for axis, value in pairs})
