"""What a study is: a value. Its settings by data set, how they are run, measured, told and drawn; what it claims."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from fbgd.report.claims import Claim
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Recipe, Summary, by_description, no_paragraphs
from fbgd.runs.plan import PlannedRun, Rung
from fbgd.studies.execution import Execution, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a study is made of on one data set; a study's own preset adds the sizes that it needs.

    Args:
        words: overrides of all rungs: data, model, execution.
        seeds: so many by default.
        variant: what an option of the study's own changed, for the folder's name and the title.
    """

    words: tuple[str, ...] = ()
    seeds: int = 3
    variant: str = ""


@dataclass(frozen=True)
class Option:
    """A command-line option of a study's own, which chooses another preset.

    Args:
        name: of the option, without dashes.
        metavar: its value in the help.
        help: one line.
        apply: ``(data, preset, value) -> preset``; ``value`` is ``None`` where the option is not given.
    """

    name: str
    metavar: str
    help: str
    apply: Callable[[str, Any, str | None], Any]


def nothing(preset: Any) -> list[dict]:
    """No published values."""
    return []


def run_all(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every rung with every seed."""
    return Outcome(execution.run(rungs))


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study, built-in or a user's.

    Args:
        name: of its results folder, and for its command line.
        title: of page and figures.
        about: what it asks, how to run it and what to expect: the help.
        presets: by data set, the usual one first.
        rungs: a preset to its settings.
        quick: a preset and its data set to tiny sizes, which show that everything runs in under a minute.
        family: the studies that share one script and one folder for their runs; empty for none.
        baseline: the row that differences are taken to, as values of labels.
        across: the label whose values stand side by side in the table.
        shown: settings with a column of their own.
        metric: the compared metric.
        source: where published values come from.
        published: a preset to values from the literature that no rung carries, for the page's own use.
        paragraphs: what a reader of the table must know.
        held: keys and sections that the study sets itself; with ``=`` at the end the key alone.
        options: of its own on the command line.
        execute: runs the rungs; more than all rungs with all seeds where a study searches or bisects. Its
            ``paragraphs``, if it has such a method, tell the page's reader how the rungs came about.
        measure: from the planned runs to a tidy table of what the page needs beyond the runs' last rows.
        summarise: from the evidence to the page's table; by default groups, as the description says.
        figures: file names, and what draws them once there is a result; nothing where there is nothing to draw.
        claims: what it is asked.
        definition: what a study is made of again that no code defines, for its ``study.json``.
    """

    name: str
    title: str
    about: str
    presets: Mapping[str, Any]
    rungs: Callable[[Any], list[Rung]]
    quick: Callable[[Any, str], Any]
    family: str = ""
    baseline: Mapping[str, str] = field(default_factory=dict)
    across: str = ""
    shown: tuple[str, ...] = ()
    metric: str = "test_accuracy"
    source: str = ""
    published: Callable[[Any], list[dict]] = nothing
    paragraphs: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    execute: Callable[[Execution, list[Rung]], Outcome] = run_all
    measure: Callable[[list[PlannedRun]], pd.DataFrame] | None = None
    summarise: Callable[[Evidence], Summary] = by_description
    figures: "Mapping[str, Callable[[Evidence], Figure | None]]" = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    definition: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What a ``study.json`` calls it: ``double_descent/emc``."""
        return f"{self.family}/{self.name}" if self.family else self.name

    @property
    def recipe(self) -> Recipe:
        """What its code adds to its ``study.json``."""
        return Recipe(self.summarise, self.claims, getattr(self.execute, "paragraphs", no_paragraphs))

    def describe(self, title: str, preset: Preset | None, rungs: list[Rung], overrides: list[str]) -> Description:
        """Its ``study.json``.

        Args:
            title: with the data set and what was changed.
            preset: of the study; ``None`` where the setting is not the published one.
            rungs: the settings that were run; none where nothing is trained.
            overrides: what was changed about all rungs.
        """
        by = [label for label in rungs[0].labels if label != self.across] if rungs else []
        return Description(
            title=title,
            by=by,
            study=self.key,
            baseline=dict(self.baseline),
            metric=self.metric,
            across=self.across,
            shown=list(self.shown),
            published=[*published_values(rungs, by), *([] if preset is None else self.published(preset))],
            source=self.source,
            overrides=list(overrides),
            paragraphs=list(self.paragraphs),
            definition=dict(self.definition),
        )


def published_values(rungs: list[Rung], by: list[str]) -> list[dict]:
    """The published values of rungs in the form of :class:`fbgd.report.description.Description`."""
    return [
        {"group": [rung.labels[key] for key in by], **asdict(rung.published)}
        for rung in rungs
        if rung.published is not None
    ]
