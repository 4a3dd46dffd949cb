"""Choosing a setting, most often the learning rate, on the validation split: for every rung from equally many values.

Every value is tried with seed 0. The rung's own runs then take the chosen value and fresh seeds, from 1 on, so that no
run counts in the table because it was the best of several; and nothing is ever chosen on the test set.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from fbgd.runs.plan import Rung, collect
from fbgd.studies.execution import Execution, Outcome

SEARCH_SEED = 0
CANDIDATE = "candidate"
METRIC = "validation_accuracy"
# Of more rows than these the figure tells the choice.
LISTED = 12
Candidates = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Tuning:
    """An ``execute`` of a study that first searches and chooses, then runs what was chosen with fresh seeds.

    Args:
        key: what is chosen, ``optimizer.lr``.
        candidates: a preset to the values by rung name, equally many for each.
    """

    key: str
    candidates: Callable[[Any], Candidates]

    def __call__(self, execution: Execution, rungs: list[Rung]) -> Outcome:
        """Search, choose, and run what was chosen."""
        values = self.candidates(execution.preset)
        searching = execution.run(search_rungs(rungs, self.key, values), [SEARCH_SEED])
        searched = collect(searching)
        chosen = choose(searched, rungs, values)
        tuned = tuned_rungs(rungs, self.key, values, chosen)
        fresh = range(SEARCH_SEED + 1, SEARCH_SEED + 1 + execution.seeds)
        paragraphs = tuple(search_paragraphs(self.key, values, chosen))
        return Outcome(execution.run(tuned, fresh), searched, rungs=tuned, paragraphs=paragraphs)


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
            labels={**rung.labels, CANDIDATE: f"{value:g}"},
        )
        for rung in rungs
        for value in candidates[rung.name]
    ]


def choose(runs: pd.DataFrame, rungs: list[Rung], candidates: Candidates) -> dict[str, float | None]:
    """The candidate with the best validation accuracy, by rung; the smallest of equals.

    ``None`` where no candidate has a result: none was run, or all failed.

    Args:
        runs: a row a candidate, with the rungs' labels and the candidate's.
        rungs: the rungs.
        candidates: their values.
    """
    chosen: dict[str, float | None] = {}
    for rung in rungs:
        mine = runs
        for label, value in rung.labels.items():
            mine = mine[mine[label] == value]
        scores = {float(row[CANDIDATE]): row[METRIC] for row in mine.to_dict("records") if pd.notna(row[METRIC])}
        known = [value for value in candidates[rung.name] if float(f"{value:g}") in scores]
        chosen[rung.name] = max(known, key=lambda value: scores[float(f"{value:g}")]) if known else None
    return chosen


def tuned_rungs(rungs: list[Rung], key: str, candidates: Candidates, chosen: dict[str, float | None]) -> list[Rung]:
    """The rungs with what was chosen; with the middle candidate where nothing could be, so that its runs tell why."""
    tuned = []
    for rung in rungs:
        value = chosen[rung.name]
        if value is None:
            value = candidates[rung.name][len(candidates[rung.name]) // 2]
        tuned.append(replace(rung, overrides=(*rung.overrides, f"{key}={value!r}")))
    return tuned


def search_paragraphs(key: str, candidates: Candidates, chosen: dict[str, float | None]) -> list[str]:
    """What a reader of the table must know about the choice."""
    (count,) = {len(values) for values in candidates.values()}
    if count == 1:
        return [f"{key} has one value for each row, so nothing was chosen."]
    edge = [name for name, value in chosen.items() if value in (candidates[name][0], candidates[name][-1])]
    nothing = [name for name, value in chosen.items() if value is None]
    texts = [
        f"{key} was chosen for each row from {count} values by the validation accuracy of one run with seed "
        f"{SEARCH_SEED}, which is not among the seeds of the table: see search.csv. The intervals are those of the "
        "chosen value; that another seed might have chosen another one is not in them."
    ]
    if len(chosen) <= LISTED:
        values = "; ".join(f"{name} {value:g}" for name, value in chosen.items() if value is not None)
        texts.append(f"Chosen: {values}.")
    if edge:
        texts.append(f"The first or last of its values was chosen, so a better one may lie beyond: {'; '.join(edge)}.")
    if nothing:
        texts.append(f"Without any result to choose by, so the middle value: {'; '.join(nothing)}.")
    return texts


def chosen_values(runs: pd.DataFrame, key: str, labels: list[str]) -> pd.DataFrame:
    """What was chosen, a row a rung: its labels and the column ``candidate``, read off the runs that count."""
    chosen = runs[[*labels, key]].drop_duplicates().rename(columns={key: CANDIDATE})
    return chosen.reset_index(drop=True)
