"""What the studies that train no networks share: settings that are only names, no words about networks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.report.claims import Estimate
from fbgd.report.evidence import Evidence
from fbgd.runs.plan import Rung
from fbgd.runs.provenance import git_revision
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.request import science_words

FUNCTIONS = "these functions are no networks"


def only_named(names: Iterable[str]) -> Callable[[Any], list[Rung]]:
    """The ``rungs`` of a study for ``--list`` and ``--only``, since nothing is trained."""
    return lambda preset: [Rung(name, ()) for name in names]


def wanted_names(execution: Execution, rungs: list[Rung]) -> list[str]:
    """Those that ``--only`` leaves."""
    return [rung.name for rung in rungs if execution.wanted(rung.name)]


def check_words(overrides: Sequence[str], why: str = FUNCTIONS) -> None:
    """Refuse words that change an experiment, of which there is none.

    Raises:
        ConfigError: there are any.
    """
    compose(list(overrides))
    if words := science_words(overrides):
        raise ConfigError(f"{words[0]}: {why}, so there is no such setting")


def constructed(table: pd.DataFrame) -> Outcome:
    """The outcome of a study without runs."""
    return Outcome([], measurements=table.assign(git_revision=git_revision()), rungs=[])


def of_methods(
    estimate: Callable[[pd.DataFrame, float], Estimate], *names: str
) -> Callable[[Evidence], list[Estimate]]:
    """An estimate for each of some methods, from its rows and the evidence's level; a case each unless there is one.

    Args:
        estimate: of a method's rows.
        names: of the methods; none for all.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        groups = evidence.measurements.groupby("method", sort=False)
        return [
            estimate(part, evidence.level)._replace(case="" if len(names) == 1 else str(method))
            for method, part in groups
            if not names or method in names
        ]

    return estimates
