"""Running a study's command line: read, plan, run, write."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fbgd.config.compose import GROUPS, compose
from fbgd.config.overrides import overlay, parse
from fbgd.errors import EXPECTED, one_line
from fbgd.report.evidence import Evidence
from fbgd.runs.plan import Rung, collect, curves
from fbgd.runs.signals import exit_status, heard_by, interrupt
from fbgd.studies.arguments import Request, make_parser, read_request
from fbgd.studies.execution import Execution, check_folder, check_only, count_workers
from fbgd.studies.study import Study
from fbgd.studies.writer import write


def main(
    studies: Study | Sequence[Study],
    words: Sequence[str] | None = None,
    about: str = "",
    prog: str | None = None,
) -> int:
    """Run the command line of a study, or of a family of studies of which the first word chooses one.

    What is wrong with the command line becomes one line on standard error.

    Args:
        studies: one, or several.
        words: the command line; ``None``: the process's own.
        about: the help of a family.
        prog: what the program is called; ``None``: by its script.

    Returns:
        The exit status: 0, 1 where a run failed, 2 for a mistake, 130 after Ctrl-C, 143 after SIGTERM.
    """
    studies = [studies] if isinstance(studies, Study) else list(studies)
    arguments = make_parser(studies, about or studies[0].about, prog).parse_intermixed_args(words)
    study = next((one for one in studies if one.name == getattr(arguments, "figure", "")), studies[0])
    return reported(lambda: execute(study, arguments))


def reported(work: Callable[[], int]) -> int:
    """The exit status of ``work``: what is wrong with what it was given becomes one line on standard error."""
    try:
        with heard_by(interrupt, (signal.SIGTERM,)):
            return work()
    except KeyboardInterrupt as interruption:
        print("\ninterrupted: the same command goes on where it stopped", file=sys.stderr)
        return exit_status(interruption)
    except EXPECTED as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2


def execute(study: Study, arguments: argparse.Namespace, *, quiet: bool = False) -> int:
    """Plan, run and write a study, and print its page unless ``quiet``; returns the exit status."""
    request = read_request(study, arguments)
    rungs = study.rungs(request.preset)
    if request.changed:
        # A changed setting is not the published one.
        rungs = [replace(rung, published=None) for rung in rungs]
    check_only(arguments.only, [rung.name for rung in rungs])
    if arguments.list:
        show_rungs(rungs, request)
        return 0
    check_folder(request.out)
    seeds = request.preset.seeds if arguments.seeds is None else arguments.seeds
    execution = Execution(
        request.preset,
        seeds,
        request.overrides,
        request.pool,
        count_workers(arguments.workers),
        arguments.only,
        request.out,
        arguments.run_limit,
    )
    with execution.kept_workers():
        outcome = study.execute(execution, rungs)
    preset = None if request.changed or arguments.quick else request.preset
    description = study.describe(
        request.title, preset, rungs if outcome.rungs is None else outcome.rungs, request.changed
    )
    planned = outcome.planned
    evidence = Evidence(
        description,
        collect(planned) if planned else pd.DataFrame(),
        outcome.measurements if study.measure is None else study.measure(planned),
        outcome.searched,
        curves(planned) if planned else pd.DataFrame(),
    )
    succeeded = write(study, evidence, request.out, quiet=quiet)
    if not execution.finished:
        return execution.status
    return 0 if succeeded else 1


def show_rungs(rungs: list[Rung], request: Request) -> None:
    """Print what all settings share, and a table of what distinguishes them, with what was published.

    Only the first setting is composed, which shows a user's typing errors; the rest is read off the words.
    """
    settings = [
        {word.key: word.value for word in overlay(parse(rung.overrides), request.overrides, GROUPS)} for rung in rungs
    ]
    compose([f"{key}={value}" for key, value in settings[0].items()])
    shared = {key: value for key, value in settings[0].items() if all(own.get(key) == value for own in settings)}
    differing = dict.fromkeys(key for own in settings for key in own if key not in shared)
    columns = [key for key in differing if sum(key in own for own in settings) > len(settings) / 4]
    table = Table(
        title=escape(f"{request.title}\nall: {' '.join(f'{k}={v}' for k, v in shared.items())}"), title_justify="left"
    )
    names = ["name", *columns, *(["more"] if len(columns) < len(differing) else [])]
    published = any(rung.published for rung in rungs)
    for name in [*names, *(["published %"] if published else [])]:
        table.add_column(name, overflow="fold", no_wrap=name in ("name", "published %"))
    for rung, own in zip(rungs, settings, strict=True):
        cells = [rung.name, *(own.get(key, "–") for key in columns)]
        if len(names) > len(cells):
            cells.append(" ".join(f"{key}={own[key]}" for key in differing if key in own and key not in columns))
        if published:
            cells.append("–" if rung.published is None else str(rung.published))
        # A list of regularisers is no markup.
        table.add_row(*map(escape, cells))
    console = Console()
    console.width = max(console.width, 200)
    console.print(table)
