"""The command line that all studies share."""

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import torch

from fbgd.config.overrides import split
from fbgd.config.targets import build_target
from fbgd.errors import ConfigError, nearest
from fbgd.runs.launch import launch
from fbgd.runs.plan import PlannedRun, Rung

RESULTS = Path("results")


def study_parser(
    description: str, seeds: int | None = 3, figures: Mapping[str, str] | None = None
) -> argparse.ArgumentParser:
    """A parser with the options of every study; all other words are overrides for all of its settings.

    Args:
        description: the script's docstring.
        seeds: how many there are by default; ``None``: the preset says it.
        figures: of a script with several studies, each with a line about it; the first word chooses one.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if figures:
        told = "; ".join(f"{name}: {about}" for name, about in figures.items())
        parser.add_argument("figure", metavar="FIGURE", type=one_of(figures), help=f"one of {told}")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="an override for all settings")
    parser.add_argument(
        "--seeds",
        type=int,
        default=seeds,
        metavar="N",
        help=f"so many seeds of every setting (default: {'those of the preset' if seeds is None else seeds})",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=None,
        metavar="W",
        help="processes at a time (default: one a core, each with one thread; one where there is a GPU)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where runs, tables and figures go")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="run this setting alone, by its name or its beginning; may be repeated. The table shows all that is done",
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that everything runs, in under a minute"
    )
    parser.add_argument("--list", action="store_true", help="print the settings and run nothing")
    return parser


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """What reads an argument that is one of ``names``, and says which is the nearest of any other word."""

    def read(word: str) -> str:
        if word not in names:
            raise argparse.ArgumentTypeError(f"{word!r} is unknown; {nearest(word, names)}")
        return word

    return read


def split_data(words: list[str], default: str = "mnist1d") -> tuple[str, list[str]]:
    """The data set that ``words`` choose, which decides a study's preset, and the other words.

    Raises:
        ConfigError: a word is not ``key=value``.
    """
    pairs = [(word, *split(word)) for word in words]
    data = {key: value for _, key, value in pairs}.get("data", default)
    return data, [word for word, key, _ in pairs if key != "data"]


def refuse(overrides: list[str], held: tuple[str, ...], why: str) -> None:
    """Raise :class:`ConfigError` when an override is about what the study itself sets.

    Args:
        overrides: the user's words.
        held: keys, with all that is below them; with ``=`` at the end the key alone.
        why: the rest of the message.
    """
    for word in overrides:
        key = split(word)[0]
        for entry in held:
            name = entry.removesuffix("=")
            if key == name or (entry == name and key.startswith(f"{name}.")):
                raise ConfigError(f"{word}: {why}")


def count_workers(arguments: argparse.Namespace) -> int:
    """``--workers``, or by default a process a core; one where there is a GPU."""
    if arguments.workers is not None:
        return arguments.workers
    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


def make_data(planned: list[PlannedRun]) -> None:
    """Read a study's data once before its workers do, if one of them will: what is missing is said here.

    Raises:
        ValueError: it is not there.
    """
    if not all(run.done for run in planned):
        build_target("data.source", planned[0].config.data.source)


def print_rungs(rungs: list[Rung]) -> None:
    """The words that make each setting, for ``--list``; those of all settings stand at the top."""
    shared = [word for word in rungs[0].overrides if all(word in rung.overrides for rung in rungs)]
    print(f"all: {' '.join(shared)}")
    for rung in rungs:
        print(f"{rung.name}: {' '.join(word for word in rung.overrides if word not in shared)}")


def default_out(study: str, data: str, variant: str, quick: bool, overrides: list[str]) -> Path:
    """The folder of a study's results: one for each variant, so that no setting overwrites another's tables.

    Args:
        study: name of the study.
        data: name of the data set.
        variant: what a study's own option changed, or nothing.
        quick: tiny sizes; their results are not kept in git.
        overrides: the user's words.
    """
    name = data if not variant else f"{data}_{variant}"
    overrides = science_words(overrides)
    if overrides:
        words = " ".join(sorted(overrides))
        name += f"_custom-{hashlib.sha256(words.encode()).hexdigest()[:6]}"
    return (RESULTS / "quick" / study if quick else RESULTS / study) / name


def science_words(overrides: list[str]) -> list[str]:
    """The overrides that change an experiment: none about ``impl`` or ``record``, or about where the data lies."""
    harmless = re.compile(r"\+*(impl|record|data\.source\.(folder|download))\b")
    return [word for word in overrides if not harmless.match(word)]


def run_planned(planned: list[PlannedRun], only: list[str], workers: int) -> bool:
    """Launch the chosen runs; on Ctrl-C say how to go on. Returns whether the study went through."""
    try:
        launch([run for run in planned if run.rung in only], workers)
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on from the last checkpoints", file=sys.stderr)
        return False
    return True
