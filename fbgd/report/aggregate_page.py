"""One study run on several data sets as a page: a row a group over all of them, from a command line's words."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pandas as pd

from fbgd.report.aggregate_table import named, summarise_studies
from fbgd.report.compare import agreed, check_metrics, filtered_runs, parse_condition, rows, sort_page, without_repeats
from fbgd.report.evidence import Evidence
from fbgd.report.formats import Page
from fbgd.report.pages import Recipe, page_of
from fbgd.report.sources import STUDY, Source, combine, find, study_names


def aggregate(
    paths: Sequence[Path],
    *,
    by: list[str] | None = None,
    where: Sequence[str] = (),
    metric: str | None = None,
    sort: str | None = None,
    baseline: str | None = None,
) -> tuple[Page, Evidence]:
    """One page about the groups that all studies at ``paths`` have, and the runs that it is of.

    Args:
        paths: two or more studies' folders, or folders of them.
        by: what to group by; by default the labels that the studies share.
        where: ``key=value,value`` or ``key!=value``: the runs to keep.
        metric: by default the studies', else ``test_accuracy``.
        sort: a column of the table, with ``-`` in front from large to small.
        baseline: ``key=value,key=value``, the row that the others are to improve on; by default the studies'.

    Raises:
        ValueError: there are fewer than two studies, they have other labels or no group in common, or there are no
            such columns, values or metric.
    """
    sources = [source for path in paths for source in find(path)]
    runs = runs_of_studies(sources)
    check_metrics(runs, metric)
    description = agreed(sources, metric)
    by = [name for name in dict.fromkeys(by or shared_labels(sources)) if name != STUDY]
    if not by:
        raise ValueError(f"--by {STUDY}: the rows of --aggregate are over all studies; name another column")
    told = tuple(parse_condition(condition)[0] for condition in where)
    runs, twice = without_repeats(filtered_runs(runs, [*by, *told], where), [*by, STUDY])
    runs, left_out = in_all_studies(runs, by)
    if empty := [name for name, own in runs.groupby(STUDY, sort=False) if not own[description.metric].notna().any()]:
        raise ValueError(f"{empty[0]}: no run has a {description.metric}; name another --metric")
    title = f"Aggregate of {runs[STUDY].nunique()} studies: {description.title}"
    against = cast(dict[str, str], rows(description, runs, by, baseline)["baseline"])
    evidence = Evidence(replace(description, title=title, by=by, across=STUDY, baseline=against), runs)
    page = page_of(evidence, Recipe(summarise_studies), told)
    lost = [sentence for source in sources for sentence in source.lost]
    return sort_page(replace(page, paragraphs=[*page.paragraphs, *left_out, *lost, *twice]), sort), evidence


def runs_of_studies(sources: list[Source]) -> pd.DataFrame:
    """All runs of two or more studies.

    Raises:
        ValueError: there are fewer, or one of them has no runs.
    """
    names = list(dict.fromkeys(study_names(sources)))
    if len(names) < 2:
        raise ValueError(f"--aggregate needs at least two studies; there is one: {names[0]}")
    runs = combine(sources)
    if without := [name for name in names if name not in set(runs[STUDY])]:
        raise ValueError(f"{without[0]}: there are no runs to aggregate, the page is made of measurements.csv")
    return runs


def shared_labels(sources: list[Source]) -> list[str]:
    """The labels of all studies.

    Raises:
        ValueError: they have none, or not the same.
    """
    labels = sources[0].labels
    if labels and all(source.labels == labels for source in sources):
        return labels
    known = zip(study_names(sources), sources, strict=True)
    listing = "; ".join(f"{name} has {', '.join(source.labels) or 'none'}" for name, source in known)
    raise ValueError(f"the studies do not share their labels: {listing}; name with --by what to group by")


def in_all_studies(runs: pd.DataFrame, by: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The runs of those groups that all studies have, and a sentence that names the others.

    Raises:
        ValueError: the runs are of one study, or no group is in all.
    """
    studies = list(dict.fromkeys(runs[STUDY]))
    if len(studies) < 2:
        raise ValueError(f"--aggregate needs at least two studies; --where leaves {studies[0]} only")
    keys = pd.Series(list(zip(*(runs[name] for name in by), strict=True)), runs.index, dtype=object)
    where = {group: set(runs[STUDY][members]) for group, members in keys.groupby(keys, sort=False).groups.items()}
    missing = {group: [study for study in studies if study not in known] for group, known in where.items()}
    kept = runs[keys.map(lambda group: not missing[group])].reset_index(drop=True)
    names = [f"{named(group)} (not in {', '.join(absent)})" for group, absent in missing.items() if absent]
    if not len(kept):
        raise ValueError(f"no group is in all studies: {'; '.join(names)}")
    return kept, [f"Left out, since not all studies have them: {'; '.join(names)}."] if names else []
