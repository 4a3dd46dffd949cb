"""Data for every seed: by default the seeds of a study share one draw, and its intervals are over training alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fbgd.errors import ConfigError, nearest
from fbgd.report.evidence import Evidence
from fbgd.runs.plan import PlannedRun, Rung, run_path
from fbgd.studies.catalogue import DRAWS
from fbgd.studies.double_descent.settings import Sizes
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Option

SHARED, FRESH = "shared", "fresh"
PARAGRAPH = (
    "Every seed draws data of its own: training subset, label noise and, where they are generated, the training and "
    "test samples themselves. So the intervals are over data as well as over initial weights and order."
)


def drawn(data: str, sizes: Sizes, word: str | None) -> Sizes:
    """The sizes with the draws that ``--draws`` asks for.

    Raises:
        ConfigError: it asks for neither.
    """
    if word not in (None, SHARED, FRESH):
        raise ConfigError(f"--draws {word}: {nearest(word, (SHARED, FRESH))}")
    return replace(sizes, draws=True, variant=f"{sizes.variant}_draws") if word == FRESH else sizes


OPTION = Option(*DRAWS, drawn)


class Draws:
    """An ``execute`` that runs every rung with every seed, each on its own draw where the sizes say so."""

    def __call__(self, execution: Execution, rungs: list[Rung]) -> Outcome:
        """Run the rungs."""
        planned = execution.plan(rungs)
        return Outcome(execution.execute(
            with_draw_of_seed(planned, execution.pool) if execution.preset.draws else planned
        ))  # fmt: skip

    def paragraphs(self, evidence: Evidence) -> list[str]:
        """That the seeds have draws of their own, where they do."""
        runs = evidence.runs
        fresh = "data.seed" in runs and runs.groupby("seed")["data.seed"].first().nunique() > 1
        return [PARAGRAPH] if fresh else []


def with_draw_of_seed(planned: list[PlannedRun], out: Path) -> list[PlannedRun]:
    """The same runs, each on its seed's own data; seed 0 keeps the draw that all seeds share otherwise.

    ``data.seed``, of the subset and the label noise, and the seed of a generated source are moved by the run's seed.

    Args:
        planned: the runs.
        out: the folder whose ``runs/`` they go to.
    """
    runs = []
    for run in planned:
        data = run.config.data
        source: dict[str, Any] = dict(data.source)
        if "seed" in source:
            source["seed"] += run.seed
        config = replace(run.config, data=replace(data, source=source, seed=data.seed + run.seed))
        runs.append(replace(run, config=config, path=run_path(run.rung, config, out)))
    return runs
