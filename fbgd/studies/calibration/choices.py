"""How often rows with equal best rates are told apart, by the way in which rates are chosen; trains nothing.

python scripts/calibration.py choices               40 ladders and 20 comparisons a cell, 10 minutes on 2 cores
python scripts/calibration.py choices --seeds 400   so many ladders a cell, half as many comparisons
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.studies.calibration.cells import made_by
from fbgd.studies.calibration.designs import designs
from fbgd.studies.calibration.scenarios import SCENARIOS, SEARCH_SEEDS, VALIDATION, Scenario, simulate, simulate_nested
from fbgd.studies.calibration.shares import at_least, at_most, percentage
from fbgd.studies.calibration.simulations import SIMULATED, cell
from fbgd.studies.calibration.verdicts import study_page
from fbgd.studies.constructed import check_words, only_named
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EQUAL = (
    *(SCENARIOS[name] for name in ("equal spreads", "one row four times the spread", "graded spreads", "heavy tails",
                                   "5 % of runs diverge")),
    Scenario("wide optimum", curvature=0.1),
    Scenario("narrow optimum", curvature=1.6),
    Scenario("validation errors shared by seeds", shared=0.003),
)  # fmt: skip
BETTER = SCENARIOS["one row a point better, sd 0.6"]
ALL = {scenario.name: scenario for scenario in (*EQUAL, BETTER)}
# So many search seeds choose for all seeds of a row; none: every seed chooses for itself.
WAYS = {"3 search seeds": SEARCH_SEEDS, "10 search seeds": 10, "every seed": 0}
NESTED = "every seed"
FALSE, FOUND = "false_best", "found"


@dataclass(frozen=True, kw_only=True)
class ChoicePreset(Preset):
    """Sizes: ``seeds`` is the number of simulated ladders of a cell, twice that of comparisons; of each ``counted``."""

    seeds: int = 40
    counted: int = 10


PRESETS = {"mnist1d": ChoicePreset()}


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Simulate the wanted scenarios in every way.

    Raises:
        ConfigError: a word changes an experiment, of which there is none.
    """
    check_words(execution.overrides, SIMULATED)
    sizes = {"ladder": execution.seeds, "comparison": -(-execution.seeds // 2)}
    jobs = [
        (rung.name, study, way, execution.preset.counted, size)
        for rung in rungs
        if execution.wanted(rung.name)
        for study, size in sizes.items()
        for way in WAYS
    ]
    return Outcome([], measurements=pd.DataFrame(made_by(rows_of, jobs, execution.workers)), rungs=[])


def rows_of(job: tuple[str, str, str, int, int]) -> list[dict[str, object]]:
    """A row a study of a scenario, a kind of study and a way to choose: is anything false of the best rates?"""
    name, study, way, counted, studies = job
    scenario, design = ALL[name], designs()[study]
    runs = design.runs(counted)
    rows: list[dict[str, object]] = []
    for number in range(studies):
        # The same draws for all ways would pair them; here each has its own.
        rng = np.random.default_rng([*(zlib.crc32(part.encode()) for part in (name, study, way)), counted, number])
        if WAYS[way]:
            made = simulate(scenario, design.baselines, design.better, counted, rng, WAYS[way])
        else:
            made = simulate_nested(scenario, design.baselines, design.better, counted, rng)
        found = study_page(design, made, runs, design.better)
        rows.append({"scenario": name, "study": study, "way": way, "number": number,
                     FALSE: int(found[FALSE]), FOUND: int(found[FOUND])})  # fmt: skip
    return rows


def share(table: pd.DataFrame, column: str, level: float = 0.95, case: str = "") -> Estimate:
    """The share of studies with a one in ``column``, in percent."""
    return percentage(float(table[column].sum()), len(table), level, case)


def summarise(table: pd.DataFrame) -> Summary:
    """A row a scenario and a way to choose."""
    numbers, rows = [], []
    for (scenario, way), part in table.groupby(["scenario", "way"], sort=False):
        column = FOUND if scenario == BETTER.name else FALSE
        labels = {"scenario": scenario, "chosen by": way}
        shares = {study: share(mine, column) for study, mine in part.groupby("study", sort=False)}
        numbers.append(labels | {"counted": column} | {
            f"{study}{end}": value for study, found in shares.items()
            for end, value in zip(("", "_low", "_high"), found[:3], strict=True)
        })  # fmt: skip
        texts = {f"{study}, %": cell(found) for study, found in shares.items()}
        rows.append(labels | {"counted": "found" if column == FOUND else "false"} | texts)
    return Summary(pd.DataFrame(numbers), rows, 3, [PARAGRAPH], metric="")


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Shares of studies with Wilson's 95 % intervals: a panel a kind of study, a colour a way to choose."""
    import seaborn as sns

    studies = list(dict.fromkeys(table["study"]))
    figure, panels = make_figure((13, 6), 1, len(studies), sharey=True)
    names = list(dict.fromkeys(table["scenario"]))
    for axes, study in zip(panels, studies, strict=True):
        for index, (way, colour) in enumerate(zip(WAYS, sns.color_palette("colorblind"), strict=False)):
            for place, name in enumerate(names):
                part = table[(table["study"] == study) & (table["scenario"] == name) & (table["way"] == way)]
                found = share(part, FOUND if name == BETTER.name else FALSE)
                height = place + 0.22 * (index - 1)
                axes.plot([found.low, found.high], [height] * 2, color=colour, lw=2)
                axes.plot(found.value, height, "o", color=colour, ms=5, label=way if place == 0 else None)
        axes.axvline(5, color="black", linestyle=":", lw=1.5, zorder=1)
        axes.set(
            title=study, xlabel="% of studies, Wilson's 95 % interval", xlim=(-1, 101), ylim=(len(names) - 0.4, -0.6)
        )
    panels[0].set(ylim=(len(names) - 0.4, -0.6))
    panels[0].set_yticks(range(len(names)), [f"{name}{': found' if name == BETTER.name else ''}" for name in names])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, title="rates chosen by", loc="outside right center")
    figure.suptitle(title)
    return figure


def shares(way: str, column: str, names: Sequence[str]) -> Callable[[Evidence], list[Estimate]]:
    """The share of studies with a one, over some scenarios together, where rates are chosen in one way."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = evidence.measurements
        if not len(table):
            return []
        mine = table[(table["way"] == way) & table["scenario"].isin(names)]
        return [share(mine, column, evidence.level)] if len(mine) else []

    return estimates


PARAGRAPH = (
    "Made-up runs as in the simulations of whole studies; every row has the same error at its best rate, and what a "
    "page tells apart is false, by its table or by a claim. In the last scenario a row is truly a point better, and "
    "should be found by the table. Search seeds: they alone choose a row's rate by the rule of one standard error, and "
    "ten others count with it. Every seed: each of ten seeds tries all rates, takes the one with the best validation "
    f"accuracy of its own, on {VALIDATION} samples, and a fresh run with it counts. Wide and narrow: the error grows "
    "by a quarter of the usual and by four times as much beside the best rate. Shared: the validation set favours some "
    "rates of a row for all its seeds alike, by 0.3 points. Wilson's 95 % intervals."
)
NAMES = [scenario.name for scenario in EQUAL]
STUDY = Study(
    name="choices",
    family="calibration",
    title="Simulated choices of a rate",
    about=__doc__,
    presets=PRESETS,
    rungs=only_named(ALL),
    quick=lambda preset, data: replace(preset, seeds=2, counted=3),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("every seed", "Where every seed chooses for itself, at most 5 % of null studies are wrong about the best "
              "rates.", "studies with anything false, %", shares(NESTED, FALSE, NAMES), at_most(5), form=".1f"),
        Claim("one search", "Where three search seeds choose for all, at most 5 % are.",
              "studies with anything false, %", shares("3 search seeds", FALSE, NAMES), at_most(5), form=".1f"),
        Claim("a longer search", "Where ten search seeds choose for all, at most 5 % are.",
              "studies with anything false, %", shares("10 search seeds", FALSE, NAMES), at_most(5), form=".1f"),
        Claim("power", "Where every seed chooses for itself, a row that is a point better is found in at least 80 %.",
              "found by the table, %", shares(NESTED, FOUND, [BETTER.name]), at_least(80), form=".1f"),
    ),
)  # fmt: skip
