"""Choosing a setting by every seed for itself: a replicate of a row is the whole procedure, its search included.

Every seed tries every value and takes the one with its own highest validation accuracy; a fresh run with this value
counts, so that no run is in the table because it was the best of several. The replicates are independent, and the
interval of a row contains what the choice adds to it. Where all rows share the choices of one small search, the luck of
that search is in every seed of a row and in none of its intervals; ``scripts/calibration.py choices`` shows what
follows from it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fbgd.report.evidence import Evidence
from fbgd.runs.plan import Rung
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.selection import each_choice, end_of_choices
from fbgd.studies.tuning import (
    CANDIDATE,
    SEARCHED,
    Candidates,
    Words,
    by_setting,
    given_paragraphs,
    named,
    no_more,
    of_labels,
    scores_of,
    search,
)

MISSING = "missing"
# What seed s chooses is run with the seed FRESH + s, which no search has.
FRESH = 10_000


@dataclass(frozen=True)
class NestedTuning:
    """An ``execute`` of a study in which every seed of a rung searches and chooses for itself.

    Args:
        key: what is chosen, ``optimizer.lr``, or its name where its key differs from rung to rung.
        candidates: a preset to the values by rung name, ascending with about equal ratios. A grid whose best mean, or
            more than a quarter of whose choices, lie at an end grows beyond it. A rung without any stays as it is.
        words: a rung's name and a value to the words that set it; by default ``key=value``.
        then: a preset to what every seed chooses next, with this setting at its own choice; most often nothing.
    """

    key: str
    candidates: Callable[[Any], Candidates]
    words: Words | None = None
    then: Callable[[Any], "NestedTuning | None"] = no_more

    def __call__(self, execution: Execution, rungs: list[Rung]) -> Outcome:
        """Search, extend, and run what each seed chooses with a fresh one."""
        seeds = range(execution.seeds)
        searched = self.settle(execution, dict.fromkeys(seeds, rungs))
        settings: dict[tuple[str, ...], tuple[Rung, list[int]]] = {}
        for seed in seeds:
            for rung in self.tune(execution.preset, rungs, searched, FRESH + seed):
                settings.setdefault((rung.name, *map(str, rung.overrides)), (rung, []))[1].append(FRESH + seed)
        planned = [run for rung, own in settings.values() for run in execution.plan([rung], own, rungs)]
        order = {rung.name: place for place, rung in enumerate(rungs)}
        planned.sort(key=lambda run: (run.seed, order[run.rung]))
        return Outcome(execution.execute(planned), searched)

    def settle(self, execution: Execution, rungs: dict[int, list[Rung]]) -> pd.DataFrame:
        """A row a run of the searches, of this setting and of what follows it; ``rungs`` are those of every seed."""
        grids = self.candidates(execution.preset)
        tuned = {seed: [rung for rung in own if rung.name in grids] for seed, own in rungs.items()}
        labels = {rung.name: rung.labels for own in tuned.values() for rung in own}

        def sides(searched: pd.DataFrame) -> dict[str, tuple[tuple[float, ...], int]]:
            found = {name: scores_of(of_labels(searched, own)) for name, own in labels.items()}
            return {name: (values, end_of_choices(scores)) for name, (values, scores) in found.items()}

        searched = search(execution, tuned, self.key, self.set, grids, sides)
        if (further := self.then(execution.preset)) is None:
            return searched
        settled = {seed: self.settled(own, searched, seed) for seed, own in rungs.items()}
        tables = [named(searched, self.key)]
        after = further.settle(execution, settled)
        tables.append(after if SEARCHED in after else named(after, further.key))
        return pd.concat(tables, ignore_index=True)

    def set(self, rung: str, value: float) -> tuple[str, ...]:
        """The words that give a rung a value."""
        return (f"{self.key}={value!r}",) if self.words is None else self.words(rung, value)

    def settled(self, rungs: list[Rung], searched: pd.DataFrame, seed: int) -> list[Rung]:
        """The rungs with what a seed chooses of this setting, by the rows of its search."""
        made = []
        for rung in rungs:
            mine = of_labels(searched, rung.labels)
            words = self.set(rung.name, value_of(mine, seed)) if len(mine) else ()
            made.append(replace(rung, overrides=(*rung.overrides, *words)))
        return made

    def tune(self, preset: Any, rungs: list[Rung], searched: pd.DataFrame, seed: int) -> list[Rung]:
        """The rungs with all that the rows of the searches choose for the run that counts with ``seed``."""
        tuning: NestedTuning | None = self
        while tuning is not None:
            mine = by_setting(searched, tuning.key).get(tuning.key)
            if mine is not None:
                rungs = tuning.settled(rungs, mine, seed - FRESH)
            tuning = tuning.then(preset)
        return rungs

    def paragraphs(self, evidence: Evidence) -> list[str]:
        """What a reader of the table must know about the choices; nothing where there was no search."""
        if not len(evidence.searched):
            return []
        labels = [*evidence.description.by, *filter(None, [evidence.description.across])]
        settings = by_setting(evidence.searched, self.key).items()
        return [text for key, searched in settings for text in choice_texts(key, searched, evidence.runs, labels)]


def choice_texts(key: str, searched: pd.DataFrame, runs: pd.DataFrame, labels: list[str]) -> list[str]:
    """What a reader must know about the choices of one setting.

    Args:
        key: the setting.
        searched: the rows of its search.
        runs: those that count.
        labels: that tell the rungs apart.
    """
    groups = {" / ".join(map(str, group)): mine for group, mine in searched.groupby(labels, sort=False)}
    counts = [mine[CANDIDATE].nunique() for mine in groups.values()]
    if max(counts) == 1:
        return [f"{key} has one value for each row, so nothing was chosen."]
    count = " to ".join(str(number) for number in dict.fromkeys((min(counts), max(counts))))
    texts = [
        f"{key} was chosen for every seed by a search of its own, of {count} values the one with the highest "
        "validation accuracy, see search.csv; a fresh run with it counts. A row is the whole procedure, search "
        "included, and so is its interval; it is not the accuracy at the one best value.",
        f"Chosen, by so many seeds: {'; '.join(f'{name} {told_choices(mine)}' for name, mine in groups.items())}.",
    ]
    if edge := [name for name, mine in groups.items() if end_of_choices(scores_of(mine)[1])]:
        texts.append(
            "The value with the best mean, or more than a quarter of the choices, is the first or last, so a "
            f"better one may lie beyond: {'; '.join(edge)}."
        )
    return [*texts, *lost_paragraphs(groups), *given_paragraphs(key, runs, labels, groups)]


def value_of(searched: pd.DataFrame, seed: int) -> float:
    """What a seed of a rung chooses; the middle value where it has no score of any, so that its run tells why."""
    mine = searched[searched["seed"] == seed]
    waiting = mine[mine["status"] == MISSING]
    if len(waiting):
        # Nothing is chosen from a part of the values; a run of this one is not begun before the search is done.
        return float(waiting[CANDIDATE].iloc[0])
    values, scores = scores_of(mine)
    (place,) = each_choice(scores)
    return values[len(values) // 2 if place is None else place]


def chosen_counts(searched: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """How often each value was chosen, a row a rung and a chosen value: labels, ``candidate``, ``share`` of seeds."""
    rows = []
    for group, mine in searched.groupby(labels, sort=False):
        counts = choice_counts(mine)
        rows += [(*group, f"{value:.10g}", count / sum(counts.values())) for value, count in counts.items()]
    return pd.DataFrame(rows, columns=[*labels, CANDIDATE, "share"])


def choice_counts(searched: pd.DataFrame) -> dict[float, int]:
    """How many seeds of a rung choose each value that any chooses, ascending."""
    values, scores = scores_of(searched)
    places = [place for place in each_choice(scores) if place is not None]
    return {values[place]: places.count(place) for place in sorted(set(places))}


def told_choices(searched: pd.DataFrame) -> str:
    """The chosen values with their counts: ``0.1 (3), 0.2 (7)``."""
    return ", ".join(f"{value:g} ({count})" for value, count in choice_counts(searched).items()) or "nothing"


def lost_paragraphs(groups: dict[str, pd.DataFrame]) -> list[str]:
    """Which values some seeds could not choose, since their runs have no result."""
    lost = []
    for name, mine in groups.items():
        values, scores = scores_of(mine)
        counts = np.isnan(scores).sum(axis=0)
        lost += [f"{name} {value:g} ({count})" for value, count in zip(values, counts, strict=True) if count]
    return [f"Without a result of so many seeds, which could not choose it: {'; '.join(lost)}."] if lost else []
