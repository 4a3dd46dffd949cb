"""What ``compare`` does once its options are read."""

from argparse import Namespace

from fbgd.report.aggregate_page import aggregate
from fbgd.report.compare import compare
from fbgd.report.formats import Page, check_format, render, show
from fbgd.report.gaps import GAPS
from fbgd.report.plots import UNDATED, save
from fbgd.report.profiles import profile_figure
from fbgd.runs.directory import write_atomically
from fbgd.studies.known import recipe_of, study_of
from fbgd.studies.writer import rewrite


def carry_out(arguments: Namespace) -> None:
    """Print or write the page that is asked for, or make the pages of studies anew.

    Raises:
        ValueError: as :func:`make_page`.
        OSError: a file cannot be read or written.
    """
    check_format(arguments.format)
    if arguments.rewrite:
        for path in arguments.paths:
            rewrite(study_of, path)
        return
    page = make_page(arguments)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(arguments.out, render(page, arguments.format))
    else:
        show(page, arguments.format)


def make_page(arguments: Namespace) -> Page:
    """The page that is asked for; draws the figure that goes with it.

    Raises:
        ValueError: there are no such runs, columns or values, or the options do not go together.
    """
    chosen = {
        "by": arguments.by.split(",") if arguments.by else None,
        "where": arguments.where,
        "metric": arguments.metric,
        "sort": arguments.sort,
        "baseline": arguments.baseline,
    }
    if not arguments.aggregate:
        if arguments.figure:
            raise ValueError(f"--figure {arguments.figure}: performance profiles need --aggregate")
        return compare(arguments.paths, across=arguments.across, best=arguments.best, recipe_of=recipe_of, **chosen)
    if arguments.across:
        raise ValueError(
            f"--across {arguments.across} sets side by side what --aggregate puts into one row; choose one"
        )
    if arguments.metric in GAPS:
        raise ValueError(f"--metric {arguments.metric}: a gap has no better end to aggregate by; leave out --aggregate")
    if arguments.best or "," in (arguments.metric or ""):
        raise ValueError("--best and several metrics need a table of each; leave out --aggregate")
    if arguments.figure and arguments.figure.suffix not in UNDATED:
        raise ValueError(f"--figure {arguments.figure}: figures are written as {', '.join(UNDATED)}")
    page, evidence = aggregate(arguments.paths, **chosen)
    if arguments.figure:
        arguments.figure.parent.mkdir(parents=True, exist_ok=True)
        save(profile_figure(evidence), arguments.figure)
    return page
