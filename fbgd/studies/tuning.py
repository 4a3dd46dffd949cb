"""Choosing a setting, most often the learning rate, on the validation split, for every rung from its own grid.

Every value is tried with the same few search seeds. A grid whose best or chosen value is its first or last is extended
beyond it and searched again. The rung's own runs then take the chosen value and fresh seeds, so that no run counts in
the table because it was the best of several; and nothing is ever chosen on the test set.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from fbgd.report.evidence import Evidence
from fbgd.runs.plan import Rung, collect
from fbgd.studies.choice_words import choice_paragraphs
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.selection import Choice, beyond
from fbgd.studies.selection import choose as choose_value

SEARCH_SEEDS = 3
# A grid grows by so many values at most: a search that always wants more has met something else than a bad grid.
EXTENSIONS = 4
CANDIDATE = "candidate"
METRIC = "validation_accuracy"
Candidates = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Tuning:
    """An ``execute`` of a study that first searches and chooses, then runs what was chosen with fresh seeds.

    Args:
        key: what is chosen, ``optimizer.lr``.
        candidates: a preset to the values by rung name, ascending with about equal ratios; single values are tried
            once and chosen.
        seeds: the search seeds are 0, 1, ... up to this number; those that count follow them.
    """

    key: str
    candidates: Callable[[Any], Candidates]
    seeds: int = SEARCH_SEEDS

    def __call__(self, execution: Execution, rungs: list[Rung]) -> Outcome:
        """Search, extend, choose, and run what was chosen."""
        searched = self.search(execution, rungs)
        tuned = tuned_rungs(rungs, self.key, self.candidates(execution.preset), choices(searched, rungs))
        fresh = range(self.seeds, self.seeds + execution.seeds)
        return Outcome(execution.run(tuned, fresh), searched, rungs=tuned)

    def search(self, execution: Execution, rungs: list[Rung]) -> pd.DataFrame:
        """A row a run of the search, whose grids grow until what they choose is interior."""
        grids = self.candidates(execution.preset)
        todo = grids
        tables: list[pd.DataFrame] = []
        seeds = range(self.seeds if any(len(values) > 1 for values in grids.values()) else 1)
        for _ in range(1 + EXTENSIONS):
            planned = execution.plan(search_rungs([rung for rung in rungs if rung.name in todo], self.key, todo), seeds)
            # Rungs that are not wanted keep what an earlier call has searched, extensions too.
            if not tables or any(execution.wanted(run.rung) for run in planned):
                execution.execute(planned)
            tables.append(collect(planned))
            searched = pd.concat(tables, ignore_index=True)
            todo = {
                rung: (value,)
                for rung, choice in choices(searched, rungs).items()
                if choice is not None and (value := beyond(choice.values, choice.side)) is not None
            }
            if not todo or not execution.finished:
                break
        return searched

    def paragraphs(self, evidence: Evidence) -> list[str]:
        """What a reader of the table must know about the choices; nothing where there was no search."""
        if not len(evidence.searched):
            return []
        labels = [*evidence.description.by, *filter(None, [evidence.description.across])]
        chosen = {
            " / ".join(str(value) for value in group): choose_from(mine)
            for group, mine in evidence.searched.groupby(labels, sort=False)
        }
        return choice_paragraphs(self.key, chosen, shown=self.key in evidence.description.shown)


def log_grid(centre: float, count: int = 5, per_decade: int = 2) -> tuple[float, ...]:
    """``count`` values around ``centre``, ``per_decade`` of them a factor of ten, rounded to two digits.

    >>> log_grid(0.3)
    (0.03, 0.095, 0.3, 0.95, 3.0)
    """
    return tuple(float(f"{centre * 10 ** ((index - count // 2) / per_decade):.2g}") for index in range(count))


def search_rungs(rungs: list[Rung], key: str, candidates: Candidates) -> list[Rung]:
    """Every rung with every candidate for ``key``, which becomes a further label."""
    return [
        replace(
            rung,
            name=f"{rung.name}, {key} {value:g}",
            overrides=(*rung.overrides, f"{key}={value!r}"),
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
    found: dict[str, Choice | None] = {}
    for rung in rungs:
        mine = searched
        for label, value in rung.labels.items():
            mine = mine[mine[label] == value]
        found[rung.name] = choose_from(mine)
    return found


def choose_from(searched: pd.DataFrame) -> Choice | None:
    """What the search of a single rung chooses."""
    if not len(searched):
        return None
    numbers = searched.assign(value=searched[CANDIDATE].astype(float))
    scores = numbers.pivot(index="seed", columns="value", values=METRIC).astype(float).sort_index(axis=1)
    return choose_value(tuple(float(value) for value in scores.columns), scores.to_numpy())


def tuned_rungs(rungs: list[Rung], key: str, candidates: Candidates, chosen: dict[str, Choice | None]) -> list[Rung]:
    """The rungs with what was chosen; with the middle candidate where nothing could be, so that its runs tell why."""
    tuned = []
    for rung in rungs:
        grid, choice = candidates[rung.name], chosen[rung.name]
        value = grid[len(grid) // 2] if choice is None else choice.value
        tuned.append(replace(rung, overrides=(*rung.overrides, f"{key}={value!r}")))
    return tuned


def chosen_values(runs: pd.DataFrame, key: str, labels: list[str]) -> pd.DataFrame:
    """What was chosen, a row a rung: its labels and the column ``candidate``, read off the runs that count."""
    chosen = runs[[*labels, key]].drop_duplicates().rename(columns={key: CANDIDATE})
    return chosen.reset_index(drop=True)
