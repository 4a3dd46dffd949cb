"""Running a study's command line: read, plan, run, write."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from fbgd.errors import EXPECTED, ConfigError, one_line
from fbgd.report.compare import compare
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.report.formats import show
from fbgd.runs.launch import Cluster
from fbgd.runs.launchers.choice import make_launcher
from fbgd.runs.launchers.options import read_options
from fbgd.runs.plan import collect, curves
from fbgd.runs.ranks import check_alone
from fbgd.runs.signals import exit_status, heard_by, interrupt
from fbgd.studies.arguments import make_parser
from fbgd.studies.estimate import show_estimate
from fbgd.studies.execution import Execution, Outcome, check_folder, check_only, places
from fbgd.studies.listing import show_rungs, wanted_rows
from fbgd.studies.metric import check_metric
from fbgd.studies.notify import news, notify
from fbgd.studies.request import copies_of, read_request
from fbgd.studies.reuse import earlier_rows, told
from fbgd.studies.study import Study
from fbgd.studies.writer import whole, write


def main(study: Study, words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line of a study that is at hand; what is wrong with it becomes one line on standard error.

    Args:
        study: one of the user's; built-in ones are run by :mod:`fbgd.studies.built_in`.
        words: the command line; ``None``: the process's own.
        prog: what the program is called; ``None``: by its script.

    Returns:
        The exit status: 0, 1 where a run failed, 2 for a mistake, 130 after Ctrl-C, 143 after SIGTERM.
    """
    arguments = make_parser([study], study.about, prog).parse_intermixed_args(words)
    return reported(lambda: execute(study, arguments))


def reported(work: Callable[[], int]) -> int:
    """The exit status of ``work``: what is wrong with what it was given becomes one line on standard error."""
    try:
        check_alone("a study or sweep")
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
    copies = copies_of(arguments)
    read_options(arguments.launcher, arguments.launcher_options)
    request = read_request(study, arguments)
    rungs = study.rungs(request.preset)
    if request.changed:
        # A changed setting is not the published one.
        rungs = [replace(rung, published=None) for rung in rungs]
    check_only(arguments.only, [rung.name for rung in rungs])
    if arguments.list:
        show_rungs(rungs, request)
        return 0
    check_metric(arguments.metric, rungs, request.overrides)
    check_folder(request.out)
    seeds = request.preset.seeds if arguments.seeds is None else arguments.seeds
    workers, devices, cluster = launching(arguments)
    earlier = earlier_rows(study, arguments.reuse)
    execution = Execution(
        request.preset,
        seeds,
        request.overrides,
        request.pool,
        workers,
        arguments.only,
        request.out,
        arguments.run_limit,
        devices,
        cluster,
        earlier,
    )
    if arguments.estimate:
        show_estimate(execution, rungs, request.title)
        return 0
    with execution.kept_workers():
        outcome = study.execute(execution, rungs)
    preset = None if request.changed or arguments.quick else request.preset
    description = study.describe(
        request.title, preset, rungs if outcome.rungs is None else outcome.rungs, request.changed
    )
    evidence = evidence_of(study, outcome, description)
    if arguments.reuse:
        print(told(evidence, earlier, arguments.reuse), file=sys.stderr)
    wanted = [rung.labels for rung in outcome.rungs or rungs if execution.wanted(rung.name)]
    shown = partial(wanted_rows, wanted) if arguments.only else whole
    succeeded = write(
        study, evidence, request.out, shown, copies, quiet=quiet or bool(arguments.metric and len(evidence.runs))
    )
    if not len(evidence.runs):
        say_what_was_not_used(study, arguments.metric, cluster)
    elif arguments.metric and not quiet:
        show(shown(compare([request.out], metric=arguments.metric)))
    if arguments.notify:
        notify(arguments.notify, news(request.title, request.out, evidence.runs, finished=execution.finished))
    if not execution.finished:
        return execution.status
    return 0 if succeeded else 1


def evidence_of(study: Study, outcome: Outcome, description: Description) -> Evidence:
    """What a study's runs came to, with their recorded rows."""
    planned = outcome.planned
    return Evidence(
        description,
        collect(planned) if planned else pd.DataFrame(),
        outcome.measurements if study.measure is None else study.measure(planned),
        outcome.searched,
        curves(planned) if planned else pd.DataFrame(),
    )


def say_what_was_not_used(study: Study, metric: str | None, cluster: Cluster | None) -> None:
    """Name the options that a study without runs has no use for."""
    if cluster is not None:
        print(f"note: {study.key} trains nothing, so it was computed here", file=sys.stderr)
    if metric:
        print(f"note: {study.key} has no runs to take --metric from", file=sys.stderr)


def launching(arguments: argparse.Namespace) -> tuple[int, Sequence[str], Cluster | None]:
    """Where runs are executed: processes at a time, their GPUs, and a cluster, ``None`` for this computer.

    Raises:
        ConfigError: an option is wrong, or there is no such cluster.
    """
    cluster = make_launcher(arguments.launcher, arguments.launcher_options, arguments.workers)
    if cluster is None:
        return *places(arguments.workers, arguments.runs_per_gpu), None
    if arguments.runs_per_gpu is not None:
        hint = "--launcher-options gpus=0.25 puts four runs on a GPU" if arguments.launcher == "ray" else "leave it out"
        raise ConfigError(f"--runs-per-gpu {arguments.runs_per_gpu} is for the launcher local; {hint}")
    return places(None, None)[0], (), cluster
