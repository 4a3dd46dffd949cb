"""Runs at one training error: every training set's procedures are compared where all of them have come equally far.

Rates are constant, so a run with a smaller budget is the beginning of the longer one, step for step.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fbgd.runs.plan import PlannedRun, Rung, curves, run_path
from fbgd.studies.bias_variance.settings import MATCHED, NetworkPreset, place

# Of the same width and seed all procedures have the same training set and initial weights.
TWINS = ["width", "seed"]


def matched_runs(planned: Sequence[PlannedRun], preset: NetworkPreset, out: Path) -> list[PlannedRun]:
    """Of every training set and procedure the run that ends at the error which all procedures reach on it.

    Args:
        planned: runs to the end of their budgets; of twins where one is not finished there are none.
        preset: of the study.
        out: the folder whose ``runs/`` they go to.
    """
    noise = f"{preset.label_noise:g}"
    own = [run for run in planned if run.labels["label_noise"] == noise and not place(preset, run.seed)[2]]
    evaluations = curves(own)
    if not len(evaluations):
        return []
    evaluations = evaluations.assign(train_error=1 - evaluations["train_accuracy"]).dropna(subset=["train_error"])
    passes = matched_passes(evaluations, len(preset.procedures))
    runs = []
    for run in own:
        key = (run.labels["width"], run.seed, run.labels["procedure"])
        if key in passes:
            runs.append(shortened(run, passes[key], out))
    return runs


def matched_passes(evaluations: pd.DataFrame, procedures: int) -> dict[tuple[str, int, str], float]:
    """The passes of each run's first evaluation with the training error of its twins, or a smaller one.

    That error is the largest of the lowest that the twins reached.

    Args:
        evaluations: with the columns of :data:`TWINS`, ``procedure``, ``passes`` and ``train_error``.
        procedures: how many twins there must be.

    >>> rows = [("9", 0, name, passes, error) for name, passes, error in
    ...         [("a", 1, 0.5), ("a", 2, 0.1), ("a", 3, 0.0), ("b", 1, 0.7), ("b", 4, 0.2)]]
    >>> matched_passes(pd.DataFrame(rows, columns=[*TWINS, "procedure", "passes", "train_error"]), 2)
    {('9', 0, 'a'): 2.0, ('9', 0, 'b'): 4.0}
    """
    lowest = evaluations.groupby([*TWINS, "procedure"])["train_error"].min().groupby(TWINS).agg(["max", "size"])
    common = lowest.loc[lowest["size"] == procedures, "max"].rename("common").reset_index()
    rows = evaluations.merge(common, on=TWINS)
    below = rows[rows["train_error"] <= rows["common"]]
    first = below.groupby([*TWINS, "procedure"])["passes"].min()
    return {(str(width), int(seed), str(name)): float(value) for (width, seed, name), value in first.items()}


def shortened(run: PlannedRun, passes: float, out: Path) -> PlannedRun:
    """The run with a smaller budget, or itself where it is as long."""
    labels = {**run.labels, "moment": MATCHED}
    if passes >= run.config.budget.passes:
        return replace(run, labels=labels)
    config = replace(run.config, budget=replace(run.config.budget, passes=passes))
    name = f"{run.rung}, {MATCHED}"
    return PlannedRun(name, labels, config, run_path(name, config, out))


def matched_rungs(rungs: Sequence[Rung], preset: NetworkPreset) -> list[Rung]:
    """The settings that are compared at one training error."""
    return [
        replace(rung, name=f"{rung.name}, {MATCHED}", labels={**rung.labels, "moment": MATCHED})
        for rung in rungs
        if rung.labels["label_noise"] == f"{preset.label_noise:g}"
    ]
