"""A search within ranges by Optuna: its trials are runs like any others, on the same workers, and it can be resumed.

Every group of the other settings has a search of its own. A round asks for a few trials of each, all of which run at
the same time with all seeds, and then tells their means. What a trial tries depends on the seed of the search, its
number and what was told before, and on nothing else: so an interrupted search goes on as if it had not been, and more
workers change nothing. The first ten trials of a group are drawn at random; the tree-structured Parzen estimator
(Bergstra et al. 2011) proposes the others.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fbgd.errors import needs
from fbgd.runs.plan import PlannedRun, Rung, collect
from fbgd.seeds import generator
from fbgd.studies.execution import Execution
from fbgd.studies.sweep.choice import Selection
from fbgd.studies.sweep.grammar import Axis

# Trials of a group in a round: they do not know of each other's values.
ROUND = 4
JOURNAL = "search.journal"


@dataclass(frozen=True)
class Search:
    """A search of all groups.

    Args:
        axes: what is searched: ranges, and values of which one is taken.
        selection: by what metric; its mean over the seeds is told.
        seed: of the search.
    """

    axes: tuple[Axis, ...]
    selection: Selection
    seed: int = 0

    def __call__(self, execution: Execution, groups: list[Rung], seeds: Sequence[int], trials: int) -> list[Rung]:
        """Search every wanted group until it has so many trials; returns a rung for each different trial.

        Args:
            execution: runs the trials.
            groups: rungs without the searched settings.
            seeds: of every trial.
            trials: of every group.

        Raises:
            MissingPackageError: Optuna is not installed.
            ConfigError: an end of a range is no valid setting.
        """
        execution.plan([rung for group in groups for rung in self.corners(group)], seeds)
        folder = execution.folder or execution.pool
        folder.mkdir(parents=True, exist_ok=True)
        studies = {group.name: self.study(folder, group, seeds) for group in groups}
        wanted = [group for group in groups if execution.wanted(group.name)]
        while execution.finished:
            asked = [(group, trial) for group in wanted for trial in self.ask(studies[group.name], group, trials)]
            if not asked:
                break
            rungs = unique(self.rung(group, trial.params) for group, trial in asked)
            planned = execution.plan(rungs, seeds)
            execution.execute(planned)
            if execution.finished:
                self.tell(studies, asked, planned)
        return unique(
            self.rung(group, trial.params)
            for group in groups
            for trial in studies[group.name].get_trials(deepcopy=False)
        )

    def corners(self, group: Rung) -> list[Rung]:
        """A group's rungs at both ends of all ranges."""
        ends: list[dict[str, Any]] = [
            {axis.key: axis.values[0] if axis.range is None else getattr(axis.range, end) for axis in self.axes}
            for end in ("low", "high")
        ]
        return unique(self.rung(group, params) for params in ends)

    def study(self, folder: Path, group: Rung, seeds: Sequence[int]) -> Any:
        """Optuna's study of a group, in the journal of the folder; of other settings or seeds it is another one."""
        with needs("sweep"):
            import optuna
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        content = [list(group.overrides), repr(self), list(seeds)]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
            study_name=f"{group.name} {digest}",
            direction="maximize" if self.selection.sign > 0 else "minimize",
            load_if_exists=True,
        )

    def ask(self, study: Any, group: Rung, trials: int) -> list[Any]:
        """The trials of a round: those of an interrupted one, and new ones."""
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        begun = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        ended = len(study.get_trials(deepcopy=False)) - len(begun)
        for number in range(ended + len(begun), ended + min(ROUND, trials - ended)):
            entropy = generator(self.seed, f"search {group.name}", number).initial_seed() % 2**32
            study.sampler = TPESampler(seed=entropy)
            study.ask({axis.key: distribution(axis) for axis in self.axes})
        return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def tell(self, studies: dict[str, Any], asked: list[tuple[Rung, Any]], planned: list[PlannedRun]) -> None:
        """Tell the mean of every trial; one that lacks a value with some seed is worse than all that have one."""
        from optuna.trial import TrialState

        runs = collect(planned).assign(rung_name=[run.rung for run in planned])
        scores = runs.groupby("rung_name")[self.selection.metric].apply(lambda own: own.astype(float).to_numpy())
        for group, trial in asked:
            values = scores[self.rung(group, trial.params).name]
            if np.isfinite(values).all():
                studies[group.name].tell(trial.number, float(values.mean()))
            else:
                studies[group.name].tell(trial.number, state=TrialState.PRUNED)

    def rung(self, group: Rung, params: dict[str, Any]) -> Rung:
        """The rung of a trial: its numbers in four digits."""
        pairs = [(axis, in_words(axis, params[axis.key])) for axis in self.axes]
        return replace(
            group,
            name=", ".join([group.name, *(axis.name(value) for axis, value in pairs)]),
            overrides=(*group.overrides, *(axis.word(value) for axis, value in pairs)),
            labels={**group.labels, **{axis.label: axis.shown(value) for axis, value in pairs}},
        )


def in_words(axis: Axis, value: Any) -> str:
    """A value of a trial as it stands in a word."""
    if axis.range is None:
        return value
    return f"{value:.0f}" if axis.range.whole else f"{value:.4g}"


def distribution(axis: Axis) -> Any:
    """What Optuna draws an axis from."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.range is None:
        return CategoricalDistribution(axis.values)
    kind: Callable[..., Any] = IntDistribution if axis.range.whole else FloatDistribution
    ends = (axis.range.low, axis.range.high)
    return kind(*(map(int, ends) if axis.range.whole else ends), log=axis.range.log)


def unique(rungs) -> list[Rung]:
    """Rungs, each once: two trials may be the same setting."""
    return list({rung.name: rung for rung in rungs}.values())
