"""Choosing a setting, most often the learning rate, on the validation split: for every rung from equally many values.

Every value is tried with seed 0. The rung's own runs then take the chosen value and fresh seeds, from 1 on, so that no
run counts in the table because it was the best of several; and nothing is ever chosen on the test set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from fbgd.runs.directory import write_atomically
from fbgd.runs.plan import PlannedRun, Rung, collect, plan
from fbgd.runs.rows import read_rows, with_result
from fbgd.studies.cli import make_data, run_planned

SEARCH_SEED = 0
CANDIDATE = "candidate"
METRIC = "validation_accuracy"
Candidates = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Tuned:
    """A search and what came of it.

    Args:
        searched: the search's runs, a row a candidate.
        chosen: the chosen value by rung name; ``None`` where no candidate has a result.
        rungs: the rungs with what was chosen.
        planned: their runs.
        finished: whether nothing was interrupted.
    """

    searched: pd.DataFrame
    chosen: dict[str, float | None]
    rungs: list[Rung]
    planned: list[PlannedRun]
    finished: bool


def log_grid(centre: float, count: int = 5, per_decade: int = 2) -> tuple[float, ...]:
    """``count`` values around ``centre``, ``per_decade`` of them a factor of ten, rounded to two digits."""
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
        held = [value for value in candidates[rung.name] if float(f"{value:g}") in scores]
        chosen[rung.name] = max(held, key=lambda value: scores[float(f"{value:g}")]) if held else None
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


def search_paragraphs(key: str, candidates: Candidates, tuned: Tuned) -> list[str]:
    """What a reader of the table must know about the choice."""
    (count,) = {len(values) for values in candidates.values()}
    if count == 1:
        return [f"{key} has one value for each row, so nothing was chosen."]
    ends = {name: (values[0], values[-1]) for name, values in candidates.items()}
    edge = [name for name, value in tuned.chosen.items() if value in ends[name]]
    nothing = [name for name, value in tuned.chosen.items() if value is None]
    texts = [
        f"{key} was chosen for each row from {count} values by the validation accuracy of one run with seed "
        f"{SEARCH_SEED}, which is not among the seeds of the table: see search.csv. The intervals are those of the "
        "chosen value; that another seed might have chosen another one is not in them."
    ]
    if edge:
        texts.append(f"The first or last of its values was chosen, so a better one may lie beyond: {'; '.join(edge)}.")
    if nothing:
        texts.append(f"Without any result to choose by, so the middle value: {'; '.join(nothing)}.")
    return texts


def chosen_values(rungs: list[Rung], tuned: Tuned) -> pd.DataFrame:
    """What was chosen, a row a rung: its labels and the column ``candidate``."""
    chosen = [(rung, tuned.chosen[rung.name]) for rung in rungs]
    rows = [{**rung.labels, CANDIDATE: f"{value:g}"} for rung, value in chosen if value is not None]
    return pd.DataFrame(rows, columns=[*rungs[0].labels, CANDIDATE])


def write_search(out: Path, tuned: Tuned) -> None:
    """Write ``search.csv``, a row a candidate, to a study's folder; one with more results is kept."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "search.csv"
    if not path.exists() or with_result(tuned.searched) >= with_result(read_rows(path)):
        write_atomically(path, tuned.searched.to_csv(index=False))


def read_choice(path: Path, rungs: list[Rung], key: str, candidates: Candidates) -> list[Rung]:
    """The tuned rungs by a ``search.csv``, as :func:`tune` made them."""
    return tuned_rungs(rungs, key, candidates, choose(read_rows(path), rungs, candidates))


def tune(
    rungs: list[Rung],
    key: str,
    candidates: Candidates,
    overrides: Sequence[str],
    seeds: int,
    out: Path,
    only: list[str],
    workers: int,
) -> Tuned:
    """Search, choose, and run what was chosen.

    Args:
        rungs: the settings, without ``key``.
        key: what is chosen.
        candidates: its values by rung name.
        overrides: words for every rung.
        seeds: how many fresh seeds the chosen values get.
        out: the study's folder.
        only: the names of the rungs to run.
        workers: processes at a time.

    Raises:
        ValueError: a setting is invalid, before anything is run.
    """
    if seeds < 1:
        raise ValueError(f"--seeds = {seeds} must be at least 1")
    searching = plan(search_rungs(rungs, key, candidates), list(overrides), [SEARCH_SEED], out)
    make_data(searching)
    wanted = [run.rung for run in searching if run.rung.rpartition(f", {key} ")[0] in only]
    finished = run_planned(searching, wanted, workers)
    searched = collect(searching)
    chosen = choose(searched, rungs, candidates)
    tuned = tuned_rungs(rungs, key, candidates, chosen)
    fresh = range(SEARCH_SEED + 1, SEARCH_SEED + 1 + seeds)
    planned = plan(tuned, list(overrides), fresh, out)
    finished = finished and run_planned(planned, only, workers)
    return Tuned(searched, chosen, tuned, planned, finished)
