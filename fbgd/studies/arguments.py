"""The options that the command lines of all studies share; reading them imports nothing that runs a study."""

import argparse
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from fbgd import programs
from fbgd.errors import nearest
from fbgd.runs.launchers import LAUNCHERS
from fbgd.runs.times import seconds_of

FIGURES = ("png", "pdf", "svg")
NOTIFY = (
    "run CMD in a shell when the study has ended: it gets FBGD_STUDY, FBGD_FOLDER, FBGD_STATUS (finished, failed or "
    "interrupted), FBGD_DONE, FBGD_DIVERGED, FBGD_FAILED, FBGD_MISSING as variables, and the same as JSON on its input"
)
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
    "reuse",
    "figures",
    "columns",
    "run_limit",
    "launcher",
    "launcher_options",
    "runs_per_gpu",
    "metric",
}


class Named(Protocol):
    """What an option of a study's own is called on the command line."""

    @property
    def name(self) -> str: ...
    @property
    def metavar(self) -> str: ...
    @property
    def help(self) -> str: ...


class Described(Protocol):
    """What a command line says of a study: the study itself, or its entry among the built-in ones."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def options(self) -> Sequence[Named]: ...


def make_parser(studies: Sequence[Described], about: str, prog: str | None = None) -> argparse.ArgumentParser:
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
    add_launching(parser)
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
    parser.add_argument("--notify", metavar="CMD", help=NOTIFY)
    parser.add_argument(
        "--reuse",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="take finished runs of the same settings and seeds from the tables of these results in place of training "
        "them; may be repeated",
    )
    for option in {option.name: option for study in studies for option in study.options}.values():
        parser.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)
    return parser


def add_figure_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what figures are written as."""
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


def add_launching(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where runs are executed, and how many at a time."""
    parser.add_argument(
        "--workers",
        type=int,
        metavar="W",
        help="processes at a time (default: one a core, each with one thread; one a GPU where there are some); of a "
        "cluster, jobs at a time (default: as many as it runs)",
    )
    parser.add_argument(
        "--launcher",
        default="local",
        metavar="|".join(LAUNCHERS),
        type=one_of(LAUNCHERS),
        help="where runs are executed: on this computer, or as jobs of Slurm or Ray (default: local)",
    )
    parser.add_argument(
        "--launcher-options",
        action="append",
        default=[],
        metavar="KEY=VALUE,...",
        help="of the launcher, or a YAML file of them; may be repeated. Slurm has partition, time, gpus, cpus, mem, "
        "array and more, Ray address, cpus, gpus and more; docs/cluster.md has all",
    )
    parser.add_argument("--runs-per-gpu", type=int, metavar="N", help="processes at a time on every GPU (default: 1)")


def duration(word: str) -> float:
    """A time in seconds from a number and its unit.

    >>> duration("90s"), duration("1.5h"), duration("2d")
    (90.0, 5400.0, 172800.0)
    """
    seconds = seconds_of(word)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{word!r} is no time; write 90s, 30m, 2h or 1d")
    return seconds


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """What reads an argument that is one of ``names``, and says which is the nearest of any other word."""

    def read(word: str) -> str:
        if word not in names:
            raise argparse.ArgumentTypeError(f"{word!r} is unknown; {nearest(word, names)}")
        return word

    return read
