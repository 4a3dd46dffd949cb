"""Choosing a setting, most often the learning rate, on the validation split, for every rung from its own grid.

Every value is tried with the same few search seeds. A grid whose best or chosen value is its first or last is extended
beyond it and searched again. A second setting can be chosen after it, with the first at its choice. The rung's own runs
then take what was chosen and fresh seeds, so that no run counts in the table because it was the best of several; and
nothing is ever chosen on the test set.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fbgd.errors import ConfigError
from fbgd.report.evidence import Evidence
from fbgd.runs.plan import PlannedRun, Rung, collect
from fbgd.studies.choice_words import choice_paragraphs
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.selection import Choice, beyond
from fbgd.studies.selection import choose as choose_value

SEARCH_SEEDS = 3
# A grid grows by so many values at most: a search that always wants more has met something else than a bad grid.
EXTENSIONS = 4
CANDIDATE = "candidate"
# The label that tells the searches of a study with several apart.
SEARCHED = "setting"
METRIC = "validation_accuracy"
Candidates = dict[str, tuple[float, ...]]
Words = Callable[[str, float], tuple[str, ...]]


def no_more(preset: Any) -> None:
    """Nothing is chosen after it."""
    return None


@dataclass(frozen=True)
class Tuning:
    """An ``execute`` of a study that first searches and chooses, then runs what was chosen with fresh seeds.

    Args:
        key: what is chosen, ``optimizer.lr``, or its name where its key differs from rung to rung.
        candidates: a preset to the values by rung name, ascending with about equal ratios; single values are tried
            once and chosen; a rung without any stays as it is.
        seeds: the search seeds are 0, 1, ... up to this number; those that count follow them.
        words: a rung's name and a value to the words that set it; by default ``key=value``.
        then: a preset to what is chosen next, with the same search seeds and this setting at its choice; most often
            nothing.
    """

    key: str
    candidates: Callable[[Any], Candidates]
    seeds: int = SEARCH_SEEDS
    words: Words | None = None
    then: Callable[[Any], "Tuning | None"] = no_more

    def __call__(self, execution: Execution, rungs: list[Rung]) -> Outcome:
        """Search, extend, choose, and run what was chosen."""
        searched, tuned = self.settle(execution, rungs)
        if (further := self.then(execution.preset)) is not None:
            own = further.settle(execution, tuned)
            tables = {self.key: searched, further.key: own[0]}
            searched = pd.concat([named(table, key) for key, table in tables.items()], ignore_index=True)
            tuned = own[1]
        fresh = range(self.seeds, self.seeds + execution.seeds)
        return Outcome(execution.run(tuned, fresh), searched, rungs=tuned)

    def settle(self, execution: Execution, rungs: list[Rung]) -> tuple[pd.DataFrame, list[Rung]]:
        """The rows of the search, and the rungs with what they choose."""
        searched = self.search(execution, rungs)
        return searched, self.tune(execution.preset, rungs, searched)

    def tune(self, preset: Any, rungs: list[Rung], searched: pd.DataFrame) -> list[Rung]:
        """The rungs with what the rows of a search choose, of all of whose settings."""
        mine = searched if SEARCHED not in searched else searched[searched[SEARCHED] == self.key]
        tuned = tuned_rungs(rungs, self.set, self.candidates(preset), choices(mine, rungs))
        further = self.then(preset)
        return tuned if further is None or SEARCHED not in searched else further.tune(preset, tuned, searched)

    def set(self, rung: str, value: float) -> tuple[str, ...]:
        """The words that give a rung a value."""
        return (f"{self.key}={value!r}",) if self.words is None else self.words(rung, value)

    def search(self, execution: Execution, rungs: list[Rung]) -> pd.DataFrame:
        """A row a run of the search, whose grids grow until what they choose is interior."""
        grids = self.candidates(execution.preset)
        several = any(len(values) > 1 for values in grids.values())

        def sides(searched: pd.DataFrame) -> dict[str, tuple[tuple[float, ...], int]]:
            found = choices(searched, rungs).items()
            return {rung: (choice.values, choice.side) for rung, choice in found if choice is not None}

        seeds = range(self.seeds if several else 1)
        return search(execution, dict.fromkeys(seeds, rungs), self.key, self.set, grids, sides)

    def paragraphs(self, evidence: Evidence) -> list[str]:
        """What a reader of the table must know about the choices; nothing where there was no search."""
        if not len(evidence.searched):
            return []
        labels = [*evidence.description.by, *filter(None, [evidence.description.across])]
        texts = []
        for key, searched in by_setting(evidence.searched, self.key).items():
            chosen = {
                " / ".join(str(value) for value in group): choose_from(mine)
                for group, mine in searched.groupby(labels, sort=False)
            }
            texts += choice_paragraphs(key, chosen, shown=key in evidence.description.shown)
            texts += given_paragraphs(key, evidence.runs, labels, chosen)
        return texts


def search(
    execution: Execution,
    rungs: Mapping[int, list[Rung]],
    key: str,
    words: Words,
    grids: Candidates,
    sides: Callable[[pd.DataFrame], dict[str, tuple[tuple[float, ...], int]]],
) -> pd.DataFrame:
    """A row a run of a search; grids grow by a value at a time, :data:`EXTENSIONS` times at most.

    Args:
        execution: of the study.
        rungs: its settings by the seeds that every value is tried with: a seed may have chosen something before.
        key: the name of what is searched.
        words: a rung's name and a value to the words that set it.
        grids: the values to begin with, by rung name.
        sides: the rows so far to the values tried and the side to grow to, -1, 0 or 1, by rung name.

    Raises:
        ConfigError: there is something to choose, and no validation data to choose by.
    """
    several = any(len(values) > 1 for values in grids.values())
    todo, tables = grids, list[pd.DataFrame]()
    for _ in range(1 + EXTENSIONS):
        planned = []
        for own, seeds in alike(rungs):
            tried = search_rungs([rung for rung in own if rung.name in todo], key, words, todo)
            if tables:
                # Beyond its ends a grid may leave the range of the setting.
                tried = [rung for rung in tried if is_allowed(execution, rung, own)]
            planned += execution.plan(tried, seeds, own) if tried else []
        if not planned:
            break
        if several:
            check_validation(key, planned)
        # Rungs that are not wanted keep what an earlier call has searched, extensions too.
        if not tables or any(execution.wanted(run.rung) for run in planned):
            execution.execute(planned)
        tables.append(collect(planned))
        grown = sides(pd.concat(tables, ignore_index=True)).items()
        todo = {rung: (value,) for rung, found in grown if (value := beyond(*found)) is not None}
        if not todo or not execution.finished:
            break
    return pd.concat(tables, ignore_index=True)


def alike(rungs: Mapping[int, list[Rung]]) -> list[tuple[list[Rung], list[int]]]:
    """Seeds with the same rungs together, so that their configurations are made once."""
    groups: dict[tuple, tuple[list[Rung], list[int]]] = {}
    for seed, own in rungs.items():
        key = tuple((rung.name, *map(str, rung.overrides)) for rung in own)
        groups.setdefault(key, (own, []))[1].append(seed)
    return list(groups.values())


def given_paragraphs(key: str, runs: pd.DataFrame, labels: list[str], chosen: Container[str]) -> list[str]:
    """Which rows have a value of ``key`` that is not among those that were chosen."""
    rows = runs.reindex(columns=labels).drop_duplicates().astype(str).to_numpy()
    others = [name for name in map(" / ".join, rows) if name not in chosen]
    return [f"{key} was not chosen but is given in: {'; '.join(others)}."] if others else []


def is_allowed(execution: Execution, rung: Rung, among: Sequence[Rung]) -> bool:
    """Whether the configuration takes a rung's words."""
    try:
        execution.plan([rung], [0], among)
    except ValueError:
        return False
    return True


def check_validation(key: str, planned: Iterable[PlannedRun]) -> None:
    """Raise :class:`ConfigError` unless all runs, of which some choose ``key``, have validation data to choose by."""
    for run in planned:
        if not run.config.data.validation_size:
            raise ConfigError(
                f"{run.rung}: {key} is chosen on validation data, and there is none: set data.validation_size, "
                "e.g. to 500"
            )


def log_grid(centre: float, count: int = 5, per_decade: int = 2) -> tuple[float, ...]:
    """``count`` values around ``centre``, ``per_decade`` of them a factor of ten, rounded to two digits.

    >>> log_grid(0.3)
    (0.03, 0.095, 0.3, 0.95, 3.0)
    """
    return tuple(float(f"{centre * 10 ** ((index - count // 2) / per_decade):.2g}") for index in range(count))


def named(searched: pd.DataFrame, key: str) -> pd.DataFrame:
    """The rows of a search with a first label that tells which setting was searched."""
    return searched.assign(**{SEARCHED: key})[[SEARCHED, *searched]]


def by_setting(searched: pd.DataFrame, key: str) -> dict[str, pd.DataFrame]:
    """The rows of each search of a study; ``key`` is the setting where there was one search."""
    if SEARCHED not in searched:
        return {key: searched}
    return {str(name): mine.reset_index(drop=True) for name, mine in searched.groupby(SEARCHED, sort=False)}


def search_rungs(rungs: list[Rung], key: str, words: Words, candidates: Candidates) -> list[Rung]:
    """Every rung with every candidate for the setting ``key``, which becomes a further label."""
    return [
        replace(
            rung,
            name=f"{rung.name}, {key} {value:g}",
            overrides=(*rung.overrides, *words(rung.name, value)),
            published=None,
            labels={**rung.labels, CANDIDATE: f"{value:.10g}"},
        )
        for rung in rungs
        for value in candidates[rung.name]
    ]


def choices(searched: pd.DataFrame, rungs: list[Rung]) -> dict[str, Choice | None]:
    """What a search chooses by validation accuracy, by rung; ``None`` where no candidate has a result with all seeds.

    Args:
        searched: a row a run, with the rungs' labels, the candidate's and the seed.
        rungs: the rungs.
    """
    return {rung.name: choose_from(of_labels(searched, rung.labels)) for rung in rungs}


def choose_from(searched: pd.DataFrame) -> Choice | None:
    """What the search of a single rung chooses."""
    return choose_value(*scores_of(searched)) if len(searched) else None


def of_labels(searched: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """The rows of one rung's search."""
    for label, value in labels.items():
        searched = searched[searched[label] == value]
    return searched


def scores_of(searched: pd.DataFrame) -> tuple[tuple[float, ...], np.ndarray]:
    """The values that a rung's search has tried, ascending, and its scores ``(seeds, values)``, NaN for none."""
    numbers = searched.assign(value=searched[CANDIDATE].astype(float))
    scores = numbers.pivot(index="seed", columns="value", values=METRIC).astype(float).sort_index(axis=1)
    return tuple(float(value) for value in scores.columns), scores.to_numpy()


def tuned_rungs(
    rungs: list[Rung], words: Words, candidates: Candidates, chosen: dict[str, Choice | None]
) -> list[Rung]:
    """The rungs with what was chosen; with the middle candidate where nothing could be, so that its runs tell why."""
    tuned = []
    for rung in rungs:
        if rung.name not in candidates:
            tuned.append(rung)
            continue
        grid, choice = candidates[rung.name], chosen[rung.name]
        value = grid[len(grid) // 2] if choice is None else choice.value
        tuned.append(replace(rung, overrides=(*rung.overrides, *words(rung.name, value))))
    return tuned


def chosen_values(searched: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """What a search has chosen, a row a rung: its labels and the column ``candidate``; no row where nothing was."""
    found = [(group, choose_from(mine)) for group, mine in searched.groupby(labels, sort=False)]
    rows = [(*group, f"{choice.value:.10g}") for group, choice in found if choice is not None]
    return pd.DataFrame(rows, columns=[*labels, CANDIDATE])
