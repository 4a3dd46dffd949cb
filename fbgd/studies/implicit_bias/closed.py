"""What the two figures without training runs share: their sizes, and their tables over seeds."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
from rich.progress import track

from fbgd.config.build import load_data
from fbgd.config.compose import compose
from fbgd.data import Dataset
from fbgd.errors import ConfigError
from fbgd.runs.plan import Rung
from fbgd.runs.provenance import git_revision
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.implicit_bias.problems import PROBLEMS
from fbgd.studies.study import Preset


@dataclass(frozen=True, kw_only=True)
class FlowSizes(Preset):
    """What is measured without training runs.

    Args:
        width: of the network's hidden layer.
        problems: names of :data:`fbgd.studies.implicit_bias.problems.PROBLEMS`.
        halvings: of the step size, for the order.
        points: steps of gradient descent after which the meter looks at the network.
        warm_up: steps of an optimizer before the meter looks, so that its state is that of the place.
    """

    seeds: int = 10
    width: int = 8
    problems: tuple[str, ...] = tuple(PROBLEMS)
    halvings: int = 5
    points: tuple[int, ...] = (0, 100, 300, 1000)
    warm_up: int = 200


PRESETS = {"mnist1d": FlowSizes(words=("data=mnist1d", "data.source.train=60", "data.source.test=20"))}
Rows = Callable[[Dataset, FlowSizes, int], list[dict]]


def rungs(sizes: FlowSizes) -> list[Rung]:
    """What is measured: for ``--list``, since there are no runs."""
    return [Rung(name, sizes.words) for name in sizes.problems]


def quick(sizes: FlowSizes, data: str) -> FlowSizes:
    """The sizes of ``--quick``."""
    words = (*sizes.words, "data.source.train=20")
    return replace(sizes, words=words, seeds=2, width=2, halvings=2, points=(0, 10), warm_up=100)


def tabulated(rows_of: Rows) -> Callable[[Execution, list[Rung]], Outcome]:
    """An ``execute`` that makes a table of what ``rows_of`` gives for every seed."""

    def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
        if execution.only:
            raise ConfigError("--only: this study trains no networks, so there are no runs to choose among")
        data = load_data(compose([*execution.preset.words, *execution.overrides]))
        seeds = track(range(execution.seeds), "seeds", transient=True)
        rows = [row for seed in seeds for row in rows_of(data, execution.preset, seed)]
        return Outcome([], measurements=pd.DataFrame(rows).assign(git_revision=git_revision()), rungs=[])

    return execute
