"""Tables of many runs."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from fbgd.api.words import Folder, Words, arguments, several, with_one_error
from fbgd.commands.compare import make_compare_parser
from fbgd.commands.comparison import make_page
from fbgd.report.formats import Page
from fbgd.report.html.pool import run_directories
from fbgd.report.sources import Source, combine, find


@with_one_error
def runs_frame(folder: Folder) -> pd.DataFrame:
    """All runs at a place, one row each: study, labels, seed, status, final numbers, every setting, and its directory.

    The column ``folder`` is for :func:`load`; it is empty where the run directories are not there, as in a checkout.

    Args:
        folder: a run's directory, a folder of runs at any depth, or a study's folder.

    Raises:
        ConfigError: there are none, or a file is damaged.
    """
    sources = find(Path(folder))
    return combine(sources).assign(folder=[place for source in sources for place in folders_of(source)])


def folders_of(source: Source) -> list[str]:
    """The run directory of every row, empty where it is not there."""
    if source.folders:
        return list(map(str, source.folders))
    present = run_directories(source.path)
    found = [present.get(str(identity)[:10]) for identity in source.runs["identity"]]
    return ["" if place is None else str(place) for place in found]


@with_one_error
def compare(
    paths: Folder | Iterable[Folder],
    *,
    by: Words = (),
    where: Words = (),
    metric: Words | None = None,
    best: str | None = None,
    sort: str | None = None,
    baseline: str | None = None,
    across: str | None = None,
    aggregate: bool = False,
) -> Page:
    """One table of any runs and studies, as ``fbgd compare`` makes it: ``print`` shows it, ``.table`` has its numbers.

    Args:
        paths: run directories, folders of them, studies' folders; also what :func:`run` and :meth:`Study.run` gave.
        by: a row for each combination of these keys, ``["optimizer", "regime"]``.
        where: only the runs that fit all of these, ``["rung!=Baseline FB"]``.
        metric: what is compared; of several the first, and the others stand beside it.
        best: a setting of which a row has the value that is best on validation data, ``"optimizer.lr"``.
        sort: a column of the table, ``"-mean"`` from large to small.
        baseline: the row that differences are taken to, ``"optimizer=SGD"``.
        across: the key whose values stand side by side.
        aggregate: one table over several studies instead of a table of each.

    Raises:
        ConfigError: there are no such runs, keys, values or columns.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    asked: dict[str, Any] = {
        "metric": None if metric is None else ",".join(several(metric)),
        "best": best,
        "sort": sort,
        "baseline": baseline,
        "across": across,
        "aggregate": aggregate,
    }
    asked |= {"paths": [Path(path) for path in paths], "by": ",".join(several(by)) or None, "where": several(where)}
    return make_page(arguments(make_compare_parser(), **asked))
