"""Which studies are simulated: real ones, with their groups, their baselines and their claims."""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.report.formats import Page
from fbgd.report.pages import Recipe, page_of
from fbgd.report.tables import baseline_of
from fbgd.runs.plan import Rung
from fbgd.runs.rows import to_frame
from fbgd.studies import geiping_ladder, optimizer_comparison
from fbgd.studies.study import Study

KEY = "optimizer.lr"


@dataclass(frozen=True)
class Design:
    """A real study whose runs are made up.

    Args:
        name: of the kind of study.
        labels: of its rows, in the table's order.
        description: how its page is made.
        recipe: what its code adds, claims above all.
        better: index of the row that planted studies make better, which a claim says of it.
        level: index of the row that a claim says is level with its baseline; ``None`` without such a claim.
    """

    name: str
    labels: tuple[dict[str, str], ...]
    description: Description
    recipe: Recipe
    better: int
    level: int | None = None

    @property
    def references(self) -> list[int | None]:
        """The index of the row that each row is compared with; ``None`` for baselines."""
        by = self.description.by
        groups = [tuple(labels[key] for key in by) for labels in self.labels]
        found = baseline_of(groups, by, self.description.baseline)
        return [groups.index(found[group]) if group in found else None for group in groups]

    @property
    def baselines(self) -> np.ndarray:
        """Which rows are baselines."""
        return np.array([reference is None for reference in self.references])

    def runs(self, seeds: int) -> pd.DataFrame:
        """The frame of its runs, seed by seed, with everything but their results."""
        costs = {"passes": 1.0, "gradient_evaluations": 1, "seconds": 1.0}
        facts = {"train_size": 1, "test_size": 1, "git_revision": "simulated", "torch": "none", "device": "none"}
        rows: list[dict[str, object]] = [
            {**labels, "seed": seed, "status": "done", "test_accuracy": 0.0, **costs, **facts, "threads": 1, KEY: ""}
            for seed in range(seeds)
            for labels in self.labels
        ]
        names = list(self.labels[0])
        # Texts as plain objects, which are compared several times faster.
        return to_frame(rows, names).astype(dict.fromkeys([*names, "status"], object))

    def page(self, runs: pd.DataFrame) -> Page:
        """The page of such runs."""
        return page_of(Evidence(self.description, runs), self.recipe)


def design_of(name: str, study: Study, labels: list[dict[str, str]], better: dict, level: dict | None = None) -> Design:
    """A study with rows of these labels."""
    rungs = [Rung(" / ".join(own.values()), (), labels=own) for own in labels]
    description = study.describe(name, None, rungs, [])
    place = None if level is None else labels.index(level)
    return Design(name, tuple(labels), description, study.recipe, labels.index(better), place)


def ladder() -> Design:
    """The seven rungs, differences to one baseline and seven claims about neighbours and the ends."""
    study = geiping_ladder.STUDY
    labels = [rung.labels for rung in study.rungs(geiping_ladder.PRESETS["mnist1d"])]
    return design_of("ladder", study, labels, {"rung": "FB in practice"}, {"rung": "FB strong reg."})


def comparison() -> Design:
    """18 optimizers in two regimes, each with a baseline of its own, and claims that are rows of the table."""
    labels = [
        {"regime": regime, "optimizer": name}
        for regime in optimizer_comparison.REGIMES
        for name in optimizer_comparison.OPTIMIZERS
    ]
    return design_of("comparison", optimizer_comparison.STUDY, labels, {"regime": "SGD", "optimizer": "Adam"})


@cache
def designs() -> dict[str, Design]:
    """The simulated studies by name."""
    return {design.name: design for design in (ladder(), comparison())}


@cache
def compared(name: str) -> list[tuple[int, int]]:
    """Which two rows every finding of a design's page compares: the left and the right one.

    Read off the page of a study without noise whose rows have all different means and different differences.

    >>> compared("ladder")[0]
    (1, 0)
    """
    design = designs()[name]
    means = np.random.default_rng(0).uniform(0.3, 0.6, len(design.labels))
    found = design.page(design.runs(1).assign(test_accuracy=means)).findings
    pairs = list(itertools.permutations(range(len(means)), 2))
    differences = np.array([100 * (means[left] - means[right]) for left, right in pairs])
    return [pairs[np.abs(differences - finding.value).argmin()] for finding in found]
