"""Studies and sweeps: run, and read from their folders."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from fbgd.api.words import Folder, Words, arguments, several, split, with_one_error
from fbgd.errors import ConfigError, nearest
from fbgd.report.evidence import Evidence, read_evidence
from fbgd.report.formats import Page
from fbgd.report.pages import Recipe, page_of
from fbgd.studies import BUILT_IN
from fbgd.studies.arguments import make_parser
from fbgd.studies.command import execute
from fbgd.studies.own import check_rungs, define, read_study
from fbgd.studies.request import read_request
from fbgd.studies.study import Study as Value
from fbgd.studies.sweep.command import make_sweep_parser
from fbgd.studies.sweep.metrics import METRICS
from fbgd.studies.sweep.request import of_study, read_sweep


@dataclass(frozen=True)
class Results:
    """A study's folder: its page, and the tables that it is made of. ``print`` shows the page.

    Args:
        folder: where it is.
        recipe: what the study's code adds to its page.
    """

    folder: Path
    recipe: Recipe

    def __fspath__(self) -> str:
        return str(self.folder)

    def __str__(self) -> str:
        return str(self.page)

    @cached_property
    def evidence(self) -> Evidence:
        """All that the page is made of."""
        return read_evidence(self.folder)

    @cached_property
    def page(self) -> Page:
        """The table with its title, claims and notes."""
        return page_of(self.evidence, self.recipe)

    @property
    def table(self) -> pd.DataFrame:
        """A row a group: means, intervals, differences; the columns of ``table.csv``."""
        return self.page.table

    @property
    def runs(self) -> pd.DataFrame:
        """A row a run that counts; the columns of ``runs.csv``."""
        return self.evidence.runs

    @property
    def searched(self) -> pd.DataFrame:
        """A row a run that settings were chosen by; empty where none were, or where the same runs count."""
        return self.evidence.searched

    @property
    def claims(self) -> pd.DataFrame:
        """A row a claim: estimate, interval, verdict."""
        return pd.DataFrame([asdict(finding) for finding in self.page.findings])

    @property
    def figures(self) -> list[Path]:
        """The files of its figures."""
        return sorted(self.folder.glob("*.png"))


class Study:
    """Rungs that are run with every seed, judged and drawn, as ``fbgd study`` and the built-in studies do it.

    Args:
        source: a YAML file; its content as a mapping; the name of a built-in study, as ``"fair_ladder"``; or a study in
            Python, :class:`fbgd.studies.study.Study`.
        name: of the results folder, for a mapping.

    Raises:
        ConfigError: anything is wrong with it, before anything runs.

    >>> Study({"words": ["model=mlp"], "rungs": {"SGD": [], "full batch": ["regime=full_batch"]}}).rungs["full batch"]
    ('model=mlp', 'regime=full_batch')
    """

    @with_one_error
    def __init__(self, source: Folder | Mapping[str, Any] | Value, name: str = "my_study"):
        if isinstance(source, Value):
            self.study = source
        elif isinstance(source, Mapping):
            self.study = define(name, source, name)
            check_rungs(self.study, name)
        elif str(source) in BUILT_IN:
            self.study = BUILT_IN[str(source)]
        elif Path(source).suffix in (".yaml", ".yml"):
            self.study = read_study(Path(source))
            check_rungs(self.study, str(source))
        else:
            raise ConfigError(f"{source} is neither a YAML file nor a built-in study; {nearest(str(source), BUILT_IN)}")

    def __repr__(self) -> str:
        return f"Study({self.study.key}: {', '.join(self.rungs)})"

    @property
    def rungs(self) -> dict[str, tuple[str, ...]]:
        """The words of every setting, on the usual data set."""
        preset = next(iter(self.study.presets.values()))
        return {rung.name: tuple(map(str, rung.overrides)) for rung in self.study.rungs(preset)}

    @with_one_error
    def run(
        self,
        words: Words = (),
        *,
        seeds: int | None = None,
        workers: int | None = None,
        launcher: str = "local",
        launcher_options: Words = (),
        only: Words = (),
        reuse: Words = (),
        out: Folder | None = None,
        quick: bool = False,
        **options: str,
    ) -> Results:
        """Run what is not done yet, on worker processes, and read the results.

        A run that fails is a row of the table with its error.

        Args:
            words: for all rungs.
            seeds: so many; by default the study's own.
            workers: processes at a time; by default one a core, or one a GPU. Of a cluster: jobs at a time.
            launcher: where runs are executed: ``"local"``, ``"slurm"``, ``"ray"``.
            launcher_options: of the launcher, ``"partition=gpu,time=4h"``, or a YAML file of them.
            only: names of rungs, or their beginnings; all by default.
            reuse: folders of results, whose finished runs of the same settings and seeds are taken as they are.
            out: where runs, page and figures go; by default below ``results/``.
            quick: tiny sizes, to see that everything runs.
            options: the study's own, as ``augment="2x"`` of the Geiping ladder.

        Raises:
            ConfigError: a word or an option is wrong.
        """
        asked: dict[str, Any] = {"overrides": split(words), "seeds": seeds, "workers": workers, "quick": quick}
        asked |= {"launcher": launcher, "launcher_options": several(launcher_options)}
        places: dict[str, Any] = {"only": several(only), "out": None if out is None else Path(out)}
        places["reuse"] = [Path(folder) for folder in several(reuse)]
        return finish(self.study, arguments(make_parser([self.study], ""), **asked, **places, **options))


@with_one_error
def sweep(
    words: Words,
    *,
    select: str = METRICS[0],
    over: Words | None = None,
    fresh: int = 0,
    baseline: str | None = None,
    search: int = 0,
    search_seed: int = 0,
    seeds: int | None = None,
    workers: int | None = None,
    launcher: str = "local",
    launcher_options: Words = (),
    out: Folder | None = None,
    quick: bool = False,
) -> Results:
    """Every combination of the values of some settings, or a search within ranges, as ``fbgd sweep`` does it.

    Args:
        words: settings with one or several values, ``"optimizer=sgd,adam optimizer.lr=0.1,0.3 seed=0,1,2"``.
        select: the metric that values are chosen by, never of the test set.
        over: the keys whose values are chosen, by default those of numbers; ``[]``: none, a row for every combination.
        fresh: so many seeds more run what was chosen, and count alone then.
        baseline: the row that differences are taken to, ``"optimizer=sgd"``.
        search: so many trials for every combination of the other settings, where a key has a range.
        search_seed: of the search.
        seeds: so many, where no word says them.
        workers: processes at a time, as of :meth:`Study.run`.
        launcher: where runs are executed, as of :meth:`Study.run`.
        launcher_options: of the launcher.
        out: where everything goes; by default below ``results/sweep/``.
        quick: tiny sizes.

    Raises:
        ConfigError: a word or an option is wrong.
    """
    chosen = None if over is None else ",".join(several(over)) or "none"
    asked = {"overrides": split(words), "select": select, "over": chosen, "fresh": fresh, "baseline": baseline}
    asked |= {"search": search, "search_seed": search_seed, "seeds": seeds, "workers": workers, "quick": quick}
    asked |= {"launcher": launcher, "launcher_options": several(launcher_options)}
    given = arguments(make_sweep_parser(), **asked, out=None if out is None else Path(out))
    return finish(read_sweep(given), of_study(given))


def finish(study: Value, arguments: Namespace) -> Results:
    """Run what is not done of a study, and read its results."""
    folder = read_request(study, arguments).out
    execute(study, arguments, quiet=True)
    return Results(folder, study.recipe)
