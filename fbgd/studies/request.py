"""What the words of a study's command line mean: its data set, its preset, its overrides, its folders."""

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbgd.config.overrides import Override, parse
from fbgd.errors import ConfigError, nearest
from fbgd.report.paper import Copies
from fbgd.studies.arguments import COMMON
from fbgd.studies.study import Study
from fbgd.studies.writer import RESULTS

HELD = "this study sets it itself"


def copies_of(arguments: argparse.Namespace) -> Copies:
    """What figures are written as beside PNG.

    Raises:
        ConfigError: a width in columns without a kind of file for print.
    """
    if arguments.columns and arguments.figures == "png":
        raise ConfigError(f"--columns {arguments.columns} is for print: say --figures pdf or svg as well")
    return Copies(arguments.figures, arguments.columns or 0)


@dataclass(frozen=True)
class Request:
    """A study's command line, taken apart.

    Args:
        study: which.
        data: the data set, which decides the preset.
        preset: with what options and ``--quick`` changed.
        overrides: words for all settings.
        arguments: the options.
    """

    study: Study
    data: str
    preset: Any
    overrides: list[Override]
    arguments: argparse.Namespace

    @property
    def changed(self) -> list[str]:
        """The overrides that change the experiments."""
        return science_words(self.overrides)

    @property
    def out(self) -> Path:
        """Where page and figures go: one folder for each variant, so that no setting overwrites another's."""
        if self.arguments.out:
            return self.arguments.out
        return default_out(self.study, self.data, self.preset.variant, self.arguments.quick, self.overrides)

    @property
    def pool(self) -> Path:
        """The folder whose ``runs/`` they go to: the variants of a study, and the studies of a family, share one."""
        return self.arguments.out or self.out.parent

    @property
    def title(self) -> str:
        """The title of page and figures: what, on which data, and what is special about it."""
        quick, changed = "quick" * self.arguments.quick, "changed settings" * bool(self.changed)
        return ", ".join(filter(None, [self.study.title, self.data, self.preset.variant, quick, changed]))


def read_request(study: Study, arguments: argparse.Namespace) -> Request:
    """What a command line asks of a study.

    Raises:
        ConfigError: there is no preset for the data set, or a word is about what the study itself sets.
    """
    data, overrides = split_data(arguments.overrides, next(iter(study.presets)))
    refuse(overrides, study.held)
    if data not in study.presets:
        raise ConfigError(f"data={data}: {study.key} has no preset for it; {nearest(data, study.presets)}")
    preset = study.presets[data]
    for option in study.options:
        preset = option.apply(data, preset, getattr(arguments, option.name))
    foreign = set(vars(arguments)) - COMMON - {option.name for option in study.options}
    if given := sorted(name for name in foreign if getattr(arguments, name) is not None):
        raise ConfigError(f"--{given[0]}: {study.key} has no such option")
    if arguments.quick:
        preset = study.quick(preset, data)
    return Request(study, data, preset, overrides, arguments)


def split_data(words: list[str], default: str) -> tuple[str, list[Override]]:
    """The data set that ``words`` choose, which decides a study's preset, and the other words.

    Raises:
        ConfigError: a word is not ``key=value``.
    """
    overrides = parse(words)
    data = {word.key: word.value for word in overrides}.get("data", default)
    return data, [word for word in overrides if word.key != "data"]


def refuse(overrides: list[Override], held: tuple[str, ...]) -> None:
    """Raise :class:`ConfigError` when an override is about what the study itself sets.

    Args:
        overrides: the user's words.
        held: keys, with all that is below them; with ``=`` at the end the key alone.
    """
    for word in overrides:
        key = word.key
        if key == "seed":
            raise ConfigError(f"{word}: a study counts its own seeds; choose how many with --seeds N")
        for entry in held:
            name = entry.removesuffix("=")
            if key == name or (entry == name and key.startswith(f"{name}.")):
                raise ConfigError(f"{word}: {HELD}; --list shows its settings, --only chooses among them")


def default_out(study: Study, data: str, variant: str, quick: bool, overrides: Sequence[str]) -> Path:
    """The folder of a study's results.

    Args:
        study: which; the studies of a family have their folders side by side.
        data: name of the data set.
        variant: what a study's own option changed, or nothing.
        quick: tiny sizes; their results are not kept in git.
        overrides: the user's words.
    """
    name = "_".join(filter(None, [study.name if study.family else "", data, variant]))
    if words := " ".join(sorted(science_words(overrides))):
        name += f"_custom-{hashlib.sha256(words.encode()).hexdigest()[:6]}"
    return (RESULTS / "quick" if quick else RESULTS) / (study.family or study.name) / name


def science_words(overrides: Sequence[str]) -> list[str]:
    """The overrides that change an experiment: none about ``impl``, ``record``, ``tracker`` or where data lies."""
    harmless = re.compile(r"\+*(impl|record|tracker|data\.source\.(folder|download))\b")
    return [word for word in overrides if not harmless.match(word)]
