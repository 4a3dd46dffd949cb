"""Comparing any runs: what to group by, filter by and compare with, from a command line's words to a page."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fbgd.errors import ConfigError, nearest
from fbgd.report.best import best_values
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence, read_evidence
from fbgd.report.formats import Page
from fbgd.report.gaps import GAPS, gap_notes, with_gaps
from fbgd.report.names import covers, short_name, with_column
from fbgd.report.pages import Recipe, compared, page_of
from fbgd.report.several import names_of, with_metrics
from fbgd.report.sources import STUDY, Source, combine, find
from fbgd.runs.rows import FIXED, MEASURED, canonical, fixed, label_columns, setting_columns

CONDITION = re.compile(r"([^=!]+)(!?=)(.*)", re.DOTALL)


def compare(
    paths: Sequence[Path],
    *,
    by: list[str] | None = None,
    where: Sequence[str] = (),
    metric: str | None = None,
    best: str | None = None,
    sort: str | None = None,
    baseline: str | None = None,
    across: str | None = None,
    recipe_of: Callable[[Description], Recipe | None] | None = None,
) -> Page:
    """One page about all runs at ``paths``.

    A single study's folder, asked for nothing else, gives the study's own page.

    Args:
        paths: run directories, folders of them, studies' folders, or ``runs.csv`` files.
        by: what to group by: labels, dotted settings, short names, ``study``. By default the labels of the studies;
            without labels, the settings that differ.
        where: ``key=value,value`` or ``key!=value``: the runs to keep.
        metric: what is compared, by default the study's, else ``test_accuracy``; of several, ``a,b``, the first.
        best: a setting, of which every row has its best value on validation data.
        sort: a column of the table, with ``-`` in front from large to small; by default the order of appearance.
        baseline: ``key=value,key=value``, the row to compare with; by default the study's. Side by side: ``across``'s
            value to compare with.
        across: put the values of this column side by side; ``study`` by default for two studies of equal labels.
        recipe_of: what the code of a study adds to its ``study.json``; ``None`` for a study without code.

    Raises:
        ValueError: there are no such runs, columns, values or metric, with the nearest that are.
    """
    sources = [source for path in paths for source in find(path)]
    if not sources:
        raise ValueError("name at least one run directory, study folder or runs.csv")
    plain = not (by or where or metric or best or baseline or across)
    if plain and (page := own_page(sources, recipe_of)) is not None:
        return sort_page(page, sort)
    runs = with_gaps(combine(sources), names_of(metric))
    if not len(runs):
        names = ", ".join(str(source.path) for source in sources)
        raise ValueError(f"{names}: no runs to group anew, the page is made of measurements.csv")
    metric, others = check_metrics(runs, metric)
    description = agreed(sources, metric)
    asked = across
    if across is None and by is None:
        across = STUDY if two_alike(sources) else description.across or None
    filtered = tuple(parse_condition(condition)[0] for condition in where)
    runs = filtered_runs(runs, [*(by or ()), *filtered, *filter(None, [across, best])], where)
    if where:
        # What a study says about its whole table need not hold for a part of it.
        description = replace(description, paragraphs=[])
    if across and across != asked and runs[across].nunique() < 2:
        across = None
    by = by or default_by(runs, sources, across)
    runs = filtered_runs(runs, by, ())
    by = [name for name in dict.fromkeys(by) if name not in (across, best)] or [STUDY]
    page = grouped(description, runs, by, across or "", baseline=baseline, best=best, others=others, told=filtered)
    notes = gap_notes([description.metric, *others]) + [sentence for source in sources for sentence in source.lost]
    return sort_page(replace(page, paragraphs=[*page.paragraphs, *notes]), sort)


def grouped(
    description: Description,
    runs: pd.DataFrame,
    by: list[str],
    across: str,
    *,
    baseline: str | None,
    best: str | None,
    others: list[str],
    told: tuple[str, ...],
) -> Page:
    """The page of runs with a row for each group, by the words of :func:`compare`; ``told`` are filtered columns."""
    groups = [*by, *filter(None, [across])]
    runs, notes = without_repeats(runs, [*groups, *filter(None, [best])])
    if best:
        runs, choice = best_values(runs, groups, best, description.metric)
        notes, told = [*notes, choice], (*told, best)
    changes = sides(description, runs, by, across, baseline) if across else rows(description, runs, by, baseline)
    if best and not across:
        changes["shown"] = [best]
    page = compared(description, runs, told, **changes)
    page = replace(page, paragraphs=[*page.paragraphs, *notes])
    return with_metrics(page, runs, by, across, others) if others else page


def filtered_runs(runs: pd.DataFrame, names: list[str], where: Sequence[str]) -> pd.DataFrame:
    """The runs that all filters keep, with a column for every name that is grouped or filtered by."""
    for name in names:
        runs = with_column(runs, name)
    for condition in where:
        runs = keep(runs, condition)
    return runs


def sides(
    description: Description, runs: pd.DataFrame, by: list[str], across: str, baseline: str | None
) -> dict[str, object]:
    """What a table with groups side by side changes about a description.

    Raises:
        ConfigError: the baseline names another column than the one that stands side by side.
    """
    chosen = parse_pairs(baseline)
    if unused := chosen.keys() - {across}:
        raise ConfigError(f"--baseline {baseline}: {unused.pop()!r} does not stand side by side; {across}=VALUE does")
    # A study's own baseline may name a value that a filter has taken away.
    usual = description.baseline.get(across)
    first = chosen.get(across, usual if usual in set(runs[across]) else None)
    return {"by": by, "across": across, "baseline": {} if first is None else {across: first}, "published": []}


def rows(description: Description, runs: pd.DataFrame, by: list[str], baseline: str | None) -> dict[str, object]:
    """What a table with a row a group changes about a description."""
    usual = description.baseline if set(description.baseline) <= set(by) else {}
    usual = usual if is_there(runs, usual) else {}
    changes: dict[str, object] = {"by": by, "across": "", "baseline": parse_pairs(baseline) or usual}
    return changes if by == description.by else changes | {"published": [], "shown": []}


def own_page(sources: list[Source], recipe_of: Callable[[Description], Recipe | None] | None) -> Page | None:
    """The page of one study's folder as the study made it; ``None`` for several, or runs without ``study.json``."""
    source = sources[0]
    if len(sources) > 1 or source.description is None:
        return None
    if source.description.study:
        recipe = None if recipe_of is None else recipe_of(source.description)
        return page_of(read_evidence(source.path), recipe)
    return page_of(Evidence(source.description, source.runs))


def agreed(sources: list[Source], metric: str | None) -> Description:
    """What the table is by the sources' ``study.json``: of one study all of it, of several what they agree in."""
    known = [source.description for source in sources]
    if len(known) == 1 and known[0] is not None:
        only = known[0]
        same = metric in (None, only.metric)
        return only if same else replace(only, metric=metric or only.metric, published=[], paragraphs=[])
    titles = [source.description.title if source.description else source.path.name for source in sources]
    baselines = [description.baseline for description in known if description is not None]
    metrics = {description.metric if description else "test_accuracy" for description in known}
    shared = baselines[0] if len(baselines) == len(known) and all(one == baselines[0] for one in baselines) else {}
    common = metrics.pop() if len(metrics) == 1 else "test_accuracy"
    return Description(title="; ".join(titles), by=[], baseline=shared, metric=metric or common)


def two_alike(sources: list[Source]) -> bool:
    """Whether these are exactly two studies with the same labels."""
    return len(sources) == 2 and bool(sources[0].labels) and sources[0].labels == sources[1].labels


def default_by(runs: pd.DataFrame, sources: list[Source], across: str | None) -> list[str]:
    """The labels that all sources have, with the study where there are several; else the settings that differ."""
    labels = sources[0].labels
    if labels and all(source.labels == labels for source in sources):
        several = len(sources) > 1 and across != STUDY
        return [STUDY, *labels] if several else labels
    return differing(runs, across) or [STUDY]


def differing(runs: pd.DataFrame, across: str | None) -> list[str]:
    """The settings in which the runs differ, classes by their short names.

    Settings that not all runs have, one optimizer's own options say, are among them only where nothing else tells
    two runs apart.
    """
    told = across or ""
    keys = [key for key in setting_columns(runs) if runs[key].nunique() > 1 and not covers(told, key)]
    whole = [key for key in keys if short_name(key) != key or (runs[key] != "").all()]
    for key in keys:
        if (
            key not in whole
            and runs.groupby([*whole, *([across] if across else [])] or [STUDY])[key].nunique().max() > 1
        ):
            whole.append(key)
    return list(dict.fromkeys(short_name(key) for key in keys if key in whole))


def check_metrics(runs: pd.DataFrame, metrics: str | None) -> tuple[str | None, list[str]]:
    """The first of the metrics ``a,b`` and the others.

    Raises:
        ConfigError: one is no number that some run has.
    """
    own = [name for name in fixed(set(runs) - set(label_columns(runs))) if name not in FIXED]
    known = [name for name in (*MEASURED, *own) if runs[name].notna().any()] + [*GAPS]
    names = names_of(metrics)
    for name in names:
        if name not in known:
            raise ConfigError(f"--metric {name} is unknown; {nearest(name, known)}")
    return (names[0], names[1:]) if names else (None, [])


def parse_condition(condition: str) -> tuple[str, str, str]:
    """Key, ``=`` or ``!=``, and value of a filter.

    Raises:
        ConfigError: it is none.
    """
    match = CONDITION.fullmatch(condition)
    if match is None:
        raise ConfigError(f"--where {condition!r} is not of the form key=value,value or key!=value")
    return match[1].strip(), match[2], match[3]


def parse_pairs(words: str | None) -> dict[str, str]:
    """``key=value,key=value`` as a dictionary; a comma that no ``key=`` follows belongs to the value.

    Raises:
        ConfigError: it is none.
    """
    if words is None:
        return {}
    pairs = [pair.partition("=") for pair in re.split(r",(?=[\w.]+=)", words)]
    if not all(separator and key for key, separator, _ in pairs):
        raise ConfigError(f"--baseline {words!r} is not of the form key=value,key=value")
    return {key.strip(): value for key, _, value in pairs}


def keep(runs: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The runs that a filter keeps.

    Raises:
        ConfigError: no run has such a value, with the nearest that there is; or no run is left.
    """
    key, relation, listing = parse_condition(condition)
    found = runs[key].astype(object).where(runs[key].notna(), "").astype(str)
    known = set(found)
    wanted = set()
    for value in [listing] if listing in known else listing.split(","):
        fitting = [word for word in (value, value.strip(), canonical(value.strip())) if word in known]
        if not fitting:
            raise ConfigError(f"--where {condition}: no run has {key}={value.strip()}; {nearest(value, known)}")
        wanted.add(fitting[0])
    kept = runs[found.isin(wanted) == (relation == "=")]
    if not len(kept):
        raise ConfigError(f"--where {condition} leaves no runs")
    return kept.reset_index(drop=True)


def is_there(runs: pd.DataFrame, baseline: dict[str, str]) -> bool:
    """Whether some run is of the baseline."""
    mask = pd.Series(True, runs.index)
    for key, value in baseline.items():
        mask &= runs[key] == value
    return bool(mask.any())


def without_repeats(runs: pd.DataFrame, groups: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The runs without second copies of the same experiment in the same group, and a sentence about them."""
    repeated = runs["identity"].notna() & runs.duplicated([*groups, "identity"])
    if not repeated.any():
        return runs, []
    sentence = f"{int(repeated.sum())} run(s) were given twice (the same identity) and count once."
    return runs[~repeated].reset_index(drop=True), [sentence]


def sort_page(page: Page, sort: str | None) -> Page:
    """The page with its rows sorted by a column of its table.

    Raises:
        ConfigError: there is no such column.
    """
    if sort is None:
        return page
    name = sort.removeprefix("-")
    if name not in page.table:
        raise ConfigError(f"--sort {name} is no column of this table; {nearest(name, page.table)}")
    column = page.table[name]
    numbers = pd.to_numeric(column, errors="coerce")
    values = numbers if numbers.notna().any() else column
    order = values.sort_values(ascending=not sort.startswith("-"), kind="stable").index
    table = page.table.loc[order].reset_index(drop=True)
    return replace(page, table=table, rows=[page.rows[index] for index in order])
