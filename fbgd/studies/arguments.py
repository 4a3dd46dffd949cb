"""The command line that all studies share: its options, and what its words mean."""

import argparse
import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbgd import programs
from fbgd.config.overrides import Override, parse
from fbgd.errors import ConfigError, nearest
from fbgd.report.paper import Copies
from fbgd.studies.notify import HELP
from fbgd.studies.study import Study
from fbgd.studies.writer import RESULTS

HELD = "this study sets it itself"
FIGURES = ("png", "pdf", "svg")
# What every study's command line has; the rest are options of single studies.
COMMON = {
    "figure",
    "overrides",
    "seeds",
    "workers",
    "out",
    "only",
    "quick",
    "list",
    "estimate",
    "notify",
    "figures",
    "columns",
    "run_limit",
    "metric",
}


def make_parser(studies: Sequence[Study], about: str, prog: str | None = None) -> argparse.ArgumentParser:
    """A parser with the options of every study; all other words are overrides for all of its settings.

    Args:
        studies: one, or several of a family, of which the first word chooses one.
        about: the help.
        prog: what the program is called; ``None``: by its script.
    """
    figures = {study.name: study for study in studies}
    if len(studies) > 1:
        lines = "\n".join(f"    {name:<18} {study.about.strip().splitlines()[0]}" for name, study in figures.items())
        about = f"{about}\nFIGURE is one of\n\n{lines}\n"
    parser = programs.make_parser(about, prog)
    if len(studies) > 1:
        parser.add_argument("figure", metavar="FIGURE", type=one_of(figures), help=f"one of {', '.join(figures)}")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="an override for all settings")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds of every setting (default: the preset's)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="W",
        help="processes at a time (default: one a core, each with one thread; one where there is a GPU)",
    )
    parser.add_argument(
        "--run-limit",
        type=duration,
        metavar="TIME",
        help="time that a run may take, as 90s or 2h; then it counts as failed, and can go on later (default: none)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where runs, page and figures go")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="run and print this setting alone, by its name or its beginning; may be repeated. Files keep all",
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that everything runs, in under a minute"
    )
    parser.add_argument("--list", action="store_true", help="print the settings and run nothing")
    parser.add_argument("--estimate", action="store_true", help="time every setting for seconds and print hours of all")
    add_figure_options(parser)
    parser.add_argument(
        "--metric",
        metavar="NAME[,NAME]",
        help="print a table of this column of the runs, as test_loss or gap_accuracy, instead of the page",
    )
    parser.add_argument("--notify", metavar="CMD", help=HELP)
    for option in {option.name: option for study in studies for option in study.options}.values():
        parser.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)
    return parser


def add_figure_options(parser: argparse.ArgumentParser) -> None:
    """What figures are written as."""
    parser.add_argument(
        "--figures",
        default="png",
        metavar="|".join(FIGURES),
        type=one_of(FIGURES),
        help="also write the figures in this format, with fonts that can be edited (default: png alone)",
    )
    parser.add_argument(
        "--columns",
        type=int,
        choices=(1, 2),
        metavar="1|2",
        help="with --figures pdf or svg: as wide as one or both columns of a printed page, without titles",
    )


def copies_of(arguments: argparse.Namespace) -> Copies:
    """What figures are written as beside PNG.

    Raises:
        ConfigError: a width in columns without a kind of file for print.
    """
    if arguments.columns and arguments.figures == "png":
        raise ConfigError(f"--columns {arguments.columns} is for print: say --figures pdf or svg as well")
    return Copies(arguments.figures, arguments.columns or 0)


def duration(word: str) -> float:
    """A time in seconds from a number and its unit.

    >>> duration("90s"), duration("1.5h"), duration("2d")
    (90.0, 5400.0, 172800.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", word)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{word!r} is no time; write 90s, 30m, 2h or 1d")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """What reads an argument that is one of ``names``, and says which is the nearest of any other word."""

    def read(word: str) -> str:
        if word not in names:
            raise argparse.ArgumentTypeError(f"{word!r} is unknown; {nearest(word, names)}")
        return word

    return read


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
