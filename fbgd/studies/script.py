"""What the scripts of all studies do alike: read the command line, plan and run, report."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fbgd.errors import ConfigError, nearest
from fbgd.runs.plan import PlannedRun, Rung
from fbgd.studies.cli import count_workers, default_out, print_rungs, refuse, science_words, split_data
from fbgd.studies.writer import report

# Sizes of --quick: all that a study does, on next to nothing.
QUICK = (
    "model=resnet",
    "model.width=2",
    "data.train_size=48",
    "data.validation_size=40",
    "record.evaluate_every=1",
)


@dataclass(frozen=True)
class Request:
    """A study's command line, taken apart.

    Args:
        study: its name, that of the script.
        arguments: its options.
        data: the data set, which decides the preset.
        overrides: words for all settings.
        variant: what an option of the study's own changed, for the folder's name and the title.
    """

    study: str
    arguments: argparse.Namespace
    data: str
    overrides: list[str]
    variant: str = ""

    @property
    def quick(self) -> bool:
        return self.arguments.quick

    @property
    def workers(self) -> int:
        return count_workers(self.arguments)

    @property
    def changed(self) -> list[str]:
        """The overrides that change the experiments."""
        return science_words(self.overrides)

    @property
    def out(self) -> Path:
        """Where runs, tables and figures go."""
        usual = default_out(self.study, self.data, self.variant, self.quick, self.overrides)
        return self.arguments.out or usual

    def title(self, name: str) -> str:
        """The title of table and figures: what, on which data, and what is special about it."""
        notes = (self.quick and "quick", self.variant, self.changed and "changed settings")
        return ", ".join([name, self.data, *filter(None, notes)])

    def preset(self, presets: Mapping):
        """The preset for the data set.

        Raises:
            ConfigError: the study has none.
        """
        if self.data not in presets:
            raise ConfigError(f"data={self.data}: {self.study} has no preset for it; {nearest(self.data, presets)}")
        return presets[self.data]


@dataclass(frozen=True)
class Outcome:
    """What a study's runs came to, for the report.

    Args:
        title: of the study.
        rungs: its settings.
        planned: their runs.
        finished: whether nothing was interrupted.
        options: of :func:`fbgd.studies.writer.report`.
    """

    title: str
    rungs: list[Rung]
    planned: list[PlannedRun]
    finished: bool
    options: dict = field(default_factory=dict)


def study_main(
    study: str,
    parser: argparse.ArgumentParser,
    words: Sequence[str] | None,
    execute: Callable[[Request], Outcome | None],
    held: tuple[str, ...] = (),
    variant: Callable[[argparse.Namespace], str] = lambda arguments: "",
) -> int:
    """Run a study's command line; returns the exit status.

    Args:
        study: the script's name.
        parser: its options.
        words: the command line; ``None``: the process's own.
        execute: plans and runs it; ``None`` for nothing to report. What is wrong with the command line is raised as a
            ``ValueError`` and becomes one line on standard error.
        held: keys and sections that the study sets itself.
        variant: what the study's own options changed.
    """
    arguments = parser.parse_intermixed_args(words)
    try:
        data, overrides = split_data(arguments.overrides)
        refuse(overrides, held, "this study sets it itself; choose with --only")
        request = Request(study, arguments, data, overrides, variant(arguments))
        outcome = execute(request)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if outcome is None:
        return 0
    succeeded = report(
        outcome.title, outcome.rungs, outcome.planned, request.out, overrides=request.changed, **outcome.options
    )
    return 0 if outcome.finished and succeeded else 1


def quick_words(data: str) -> tuple[str, ...]:
    """The words of ``--quick`` for a data set."""
    return (*QUICK, "data.source.train=100", "data.source.test=100") if data == "mnist1d" else QUICK


def listed(request: Request, rungs: list[Rung]) -> bool:
    """Whether only a list was asked for; then it is printed."""
    if request.arguments.list:
        print_rungs(rungs)
    return request.arguments.list
