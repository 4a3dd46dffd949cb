"""Cells of the simulations: so many studies of one scenario, one design and one number of seeds."""

import multiprocessing
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track

from fbgd.studies.calibration.designs import designs
from fbgd.studies.calibration.scenarios import ERROR, SCENARIOS, Scenario, observed
from fbgd.studies.calibration.verdicts import study_row, within
from fbgd.studies.double_descent.crossfit import cross_fitted

KEYS = ["scenario", "study", "seeds", "number"]
# A curve over so many places, as those of double descent have, asked for its rise.
CURVE, PLACES = "curve", 19
# Studies of a cell over those of a ladder's: a comparison's page takes several times as long, a curve next to nothing.
PORTIONS = {"ladder": 1.0, "comparison": 0.5, CURVE: 2.0}


@dataclass(frozen=True)
class Cell:
    """Simulated studies that differ by chance alone.

    Args:
        scenario: by name.
        study: a design's name, or :data:`CURVE`.
        seeds: of each study.
        studies: so many.
    """

    scenario: str
    study: str
    seeds: int
    studies: int

    def rng(self, number: int) -> np.random.Generator:
        """The source of a study: its own, whatever else is simulated."""
        names = (zlib.crc32(name.encode()) for name in (self.scenario, self.study))
        return np.random.default_rng([*names, self.seeds, number])


def cells_of(scenarios: Iterable[str], counts: Mapping[str, Sequence[int]], studies: int) -> list[Cell]:
    """The cells of some scenarios; curves are made of bare noise only, and only a ladder claims that rows are level.

    Args:
        scenarios: by name.
        counts: numbers of seeds by design.
        studies: of a cell of the ladder; of others by :data:`PORTIONS`.
    """
    return [
        Cell(name, study, seeds, max(1, round(PORTIONS[study] * studies)))
        for name in scenarios
        for study in counts
        if is_possible(SCENARIOS[name], study)
        for seeds in counts[study]
    ]


def is_possible(scenario: Scenario, study: str) -> bool:
    """Whether a scenario can be one of such a study."""
    if study == CURVE:
        return scenario.bare
    return not scenario.equivalence or designs()[study].level is not None


def rows_of(cell: Cell) -> list[dict[str, object]]:
    """A row a study, see :func:`fbgd.studies.calibration.verdicts.study_row`."""
    scenario = SCENARIOS[cell.scenario]
    if cell.study == CURVE:
        made = [curve_row(scenario, cell.seeds, cell.rng(number)) for number in range(cell.studies)]
    else:
        design = designs()[cell.study]
        runs = design.runs(cell.seeds)
        made = [study_row(design, scenario, runs, cell.rng(number)) for number in range(cell.studies)]
    return [
        dict(zip(KEYS, (cell.scenario, cell.study, cell.seeds, number), strict=True)) | row
        for number, row in enumerate(made)
    ]


def curve_row(scenario: Scenario, seeds: int, rng: np.random.Generator) -> dict[str, float]:
    """Whether the cross-fitted rise of a flat curve has an interval with 0; the first place is like a baseline."""
    spreads = scenario.spreads(np.arange(PLACES) == 0)
    rise = cross_fitted(observed(scenario, np.full(PLACES, ERROR), spreads, seeds, rng)).rise
    covered = within(rise.low, rise.high, 0.0)
    return {"false_claims": 1 - covered, "claims_covered": covered}


def measure(cells: Sequence[Cell], workers: int = 1) -> pd.DataFrame:
    """The tidy table of all cells, the same for any number of ``workers``; whole numbers, none where none was said."""
    table = pd.DataFrame(made_by(rows_of, cells, workers))
    return table.astype({name: "Int64" for name in table if name not in KEYS and table[name].notna().any()})


def made_by(rows: Callable[[Any], list[dict[str, object]]], jobs: Sequence[Any], workers: int) -> list[dict]:
    """The rows that a function makes of every job, in their order, by so many processes."""
    if workers == 1:
        return [row for part in track(map(rows, jobs), "cells", len(jobs), transient=True) for row in part]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return [row for part in track(pool.map(rows, jobs), "cells", len(jobs), transient=True) for row in part]
