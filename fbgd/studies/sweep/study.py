"""A sweep as a study: its settings, how it runs, what its page shows."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from fbgd.errors import ConfigError, nearest
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, by_description
from fbgd.runs.plan import Rung, collect
from fbgd.studies import given
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.figures import results
from fbgd.studies.given import GivenPreset, data_of, given_rungs
from fbgd.studies.study import Study
from fbgd.studies.sweep.choice import Selection, choice_paragraphs
from fbgd.studies.sweep.grammar import Axis, Swept, product, read_words
from fbgd.studies.sweep.metrics import METRICS
from fbgd.studies.sweep.plots import search_plot
from fbgd.studies.sweep.search import Search
from fbgd.studies.tuning import check_validation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILY = "sweep"


@dataclass(frozen=True)
class Settings:
    """What a sweep is made of, which its ``study.json`` holds.

    Args:
        sweep: all words, swept or not.
        select: the metric that values are chosen by.
        over: the keys whose values are chosen; ``None``: the numeric ones, with all ranges.
        fresh: so many seeds more for what was chosen; none: the seeds that chose count.
        trials: of a search, for every group; none: every combination is run.
        search_seed: of the search.
        baseline: values of other labels, of the row that others are compared with.
    """

    sweep: tuple[str, ...]
    select: str = METRICS[0]
    over: tuple[str, ...] | None = None
    fresh: int = 0
    trials: int = 0
    search_seed: int = 0
    baseline: Mapping[str, str] | None = None

    @property
    def digest(self) -> str:
        """What tells sweeps apart that need folders of their own; more seeds or trials do not."""
        kept = asdict(self) | {"fresh": bool(self.fresh), "trials": bool(self.trials)}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:6]


@dataclass(frozen=True, kw_only=True)
class SweepPreset(GivenPreset):
    """The rungs of a sweep, and the trials of its search for every one of them."""

    trials: int = 0


@dataclass(frozen=True)
class Sweeping:
    """The ``execute`` of a sweep: run all combinations, or search; then, if asked to, the chosen ones with fresh seeds.

    Args:
        seeds: that are swept; none: the study's own.
        selection: what is chosen; ``None`` for nothing.
        keys: the chosen settings by their labels.
        fresh: so many seeds more for what was chosen.
        search: within ranges; ``None``: every combination is run.
    """

    seeds: tuple[int, ...]
    selection: Selection | None
    keys: Mapping[str, str]
    fresh: int = 0
    search: Search | None = None

    def __call__(self, execution: Execution, rungs: list[Rung]) -> Outcome:
        """Run, choose, and run what was chosen."""
        seeds = self.seeds[: execution.seeds] or tuple(range(execution.seeds))
        planned = execution.plan(rungs, seeds)
        if self.selection is not None and self.selection.metric.startswith("validation"):
            check_validation(", ".join(self.keys.values()), planned)
        if self.search is not None:
            rungs = self.search(execution, rungs, seeds, execution.preset.trials)
            planned = execution.plan(rungs, seeds)
        else:
            execution.execute(planned)
        if self.selection is None or not self.fresh:
            return Outcome(planned, rungs=rungs)
        searched = collect(planned)
        best = best_rungs(self.selection, rungs, searched)
        planned = execution.plan(best, range(max(seeds) + 1, max(seeds) + 1 + self.fresh))
        if any(execution.wanted(run.rung) for run in planned):
            execution.execute(planned)
        return Outcome(planned, searched, rungs=best)

    def paragraphs(self, evidence: Evidence) -> list[str]:
        """What a reader of the table must know about the choices."""
        if self.selection is None or evidence.empty:
            return []
        how = ""
        if self.search is not None:
            ranges = [f"{axis.key} {axis.range or ', '.join(axis.values)}" for axis in self.search.axes]
            how = f"trials of a search ({'; '.join(ranges)}; seed {self.search.seed})"
        runs = searched_runs(evidence)
        return choice_paragraphs(self.selection, runs, dict(self.keys), how=how, fresh=bool(self.fresh))


def best_rungs(selection: Selection, rungs: list[Rung], searched: pd.DataFrame) -> list[Rung]:
    """The rung of every group that is chosen; the middle one where nothing could be, so that its runs tell why."""
    groups: dict[tuple[str, ...], list[Rung]] = {}
    for rung in rungs:
        groups.setdefault(tuple(rung.labels[label] for label in selection.groups), []).append(rung)
    best, choices = [], selection.choose(searched)
    for group, own in groups.items():
        choice = choices.get(group)
        fitting = [] if choice is None else [rung for rung in own if choice.values.items() <= rung.labels.items()]
        best.append(fitting[0] if fitting else own[len(own) // 2])
    return best


def searched_runs(evidence: Evidence) -> pd.DataFrame:
    """The runs that choices are made from: those of the search, or all where the same seeds chose and count."""
    return evidence.searched if len(evidence.searched) else evidence.runs


def counted(selection: Selection | None, evidence: Evidence) -> Evidence:
    """The evidence of what was chosen, grouped by the labels that were not chosen.

    Where all labels were, the one row has theirs.
    """
    description = evidence.description
    if selection is None:
        return evidence
    runs = evidence.runs
    if not len(evidence.searched):
        runs = selection.keep(runs, selection.choose(runs).values())
    by = list(selection.groups or selection.over)
    shown = list(selection.over) if selection.groups else []
    known = all(value in set(runs[label]) for label, value in description.baseline.items())
    baseline = description.baseline if known else {}
    return replace(evidence, runs=runs, description=replace(description, by=by, shown=shown, baseline=baseline))


def summarise(selection: Selection | None, evidence: Evidence) -> Summary:
    """The table of what was chosen."""
    own = counted(selection, evidence)
    if not len(own.runs):
        return Summary(pd.DataFrame(), [], 1, metric="")
    return by_description(own)


def drawn(selection: Selection | None, axes: Sequence[Axis], *, grid: bool) -> Mapping[str, Callable]:
    """The figures of a sweep; one row alone is none."""

    def accuracy(evidence: Evidence) -> "Figure | None":
        own = counted(selection, evidence)
        return results(own) if len(own.runs) else None

    def search(evidence: Evidence) -> "Figure | None":
        assert selection is not None
        return search_plot(selection, axes, searched_runs(evidence), evidence.title, grid=grid)

    rows = {"accuracy.png": accuracy} if selection is None or selection.groups else {}
    return rows | ({} if selection is None else {"search.png": search})


def make_sweep(content: Mapping[str, Any]) -> Study:
    """The study of a sweep from its settings, which are a ``study.json``'s definition.

    Raises:
        ConfigError: they are no sweep.
    """
    settings = read_settings(content)
    swept = read_words(settings.sweep)
    if not swept.axes:
        raise ConfigError("nothing is swept: give a key several values, as optimizer.lr=0.03,0.1,0.3")
    over = chosen_axes(settings, swept)
    rungs, search = product(swept), None
    others = [axis for axis in swept.axes if axis not in over]
    selection = None
    if over:
        labels = tuple(axis.label for axis in over)
        numeric = () if settings.trials else tuple(axis.label for axis in over if axis.numeric)
        plateau = len(over) == len(numeric) == 1
        groups = tuple(axis.label for axis in others)
        selection = Selection(settings.select, labels, groups, plateau, numeric)
    if settings.trials:
        assert selection is not None
        rungs, search = product(replace(swept, axes=tuple(others))), Search(over, selection, settings.search_seed)
    baseline = dict(settings.baseline or {})
    check_baseline(baseline, others)
    seeds = swept.seeds
    keys = {axis.label: axis.key for axis in over}
    what = "Search" if settings.trials else "Sweep"
    preset = SweepPreset(rungs=tuple(rungs), seeds=len(seeds) or 3, trials=settings.trials)
    return Study(
        name="-".join([*(axis.label.replace(" ", "-") for axis in swept.axes), settings.digest]),
        family=FAMILY,
        title=f"{what} over {', '.join(axis.label for axis in swept.axes)}",
        about="A sweep.",
        presets={data_of(rungs): preset},
        rungs=given_rungs,
        quick=quick,
        baseline=baseline,
        execute=Sweeping(seeds, selection, keys, settings.fresh, search),
        summarise=partial(summarise, selection),
        figures=drawn(selection, over, grid=not settings.trials),
        definition={key: list(value) if isinstance(value, tuple) else value for key, value in asdict(settings).items()},
    )


def read_settings(content: Mapping[str, Any]) -> Settings:
    """The settings in a ``study.json``.

    Raises:
        ConfigError: there is a key that they do not have.
    """
    for key in content:
        if key not in Settings.__dataclass_fields__:
            raise ConfigError(f"definition: {key!r} is unknown; {nearest(key, Settings.__dataclass_fields__)}")
    kept: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    return Settings(**kept)


def quick(preset: SweepPreset, data: str) -> SweepPreset:
    """The preset on next to nothing."""
    return replace(given.quick(preset, data), trials=min(2, preset.trials))


def chosen_axes(settings: Settings, swept: Swept) -> tuple[Axis, ...]:
    """The axes whose values are chosen.

    Raises:
        ConfigError: what is asked for does not go together.
    """
    if settings.select not in METRICS:
        hint = "choosing on the test set would make its numbers useless; " * settings.select.startswith("test")
        raise ConfigError(f"--select {settings.select}: {hint}{nearest(settings.select, METRICS)}")
    keys = [axis.key for axis in swept.axes]
    ranges = [axis for axis in swept.axes if axis.range is not None]
    for key in settings.over or ():
        if key not in keys:
            raise ConfigError(f"--over {key} is not swept; {nearest(key, keys)}")
    over = tuple(axis for axis in swept.axes if (axis.numeric if settings.over is None else axis.key in settings.over))
    for axis in ranges:
        if not settings.trials:
            raise ConfigError(f"{axis.key} has a range: say with --search N how many trials look for its best value")
        if axis not in over:
            raise ConfigError(f"{axis.key} has a range, so a search chooses it: name it in --over too")
    if settings.trials and not ranges:
        raise ConfigError(f"--search {settings.trials}: no key has a range, as optimizer.lr=interval(1e-3,1)")
    if settings.fresh and not over:
        raise ConfigError(f"--fresh {settings.fresh}: nothing is chosen; name with --over the keys that are")
    for name, value in (("fresh", settings.fresh), ("search", settings.trials), ("search-seed", settings.search_seed)):
        if value < 0:
            raise ConfigError(f"--{name} {value} must be at least 0")
    return over


def check_baseline(baseline: Mapping[str, str], others: list[Axis]) -> None:
    """Raise :class:`ConfigError` unless a baseline is of labels that are not chosen, and of values that they have."""
    known = {axis.label: [axis.shown(value) for value in axis.values] for axis in others}
    for label, value in baseline.items():
        if label not in known:
            raise ConfigError(f"--baseline {label}={value}: {label!r} tells no rows apart; {nearest(label, known)}")
        if value not in known[label]:
            raise ConfigError(f"--baseline {label}={value}: {nearest(value, known[label])}")
