"""Studies whose truth is known, through the code of real ones: false claims, coverage, power; trains nothing.

python scripts/calibration.py simulations               150 studies a cell, half an hour on 2 cores
python scripts/calibration.py simulations --seeds 400   so many studies a cell
python scripts/calibration.py simulations --only "heavy" --seeds 20
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from fbgd.report.claims import Claim, Estimate, exactly
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.runs.plan import Rung
from fbgd.studies.calibration.cells import CURVE, PLACES, cells_of, measure
from fbgd.studies.calibration.drawing import draw
from fbgd.studies.calibration.scenarios import (
    CANDIDATES,
    CURVATURE,
    ERROR,
    MARGIN,
    NULL,
    PEAK,
    PLANTED,
    SCENARIOS,
    SEARCH_SEEDS,
    SPREAD,
    VALIDATION,
)
from fbgd.studies.calibration.shares import at_least, at_most, never, percentage
from fbgd.studies.constructed import check_words, only_named, wanted_names
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Preset, Study

# What the table of the page tells in shares, by column of the measurements.
SHARES = {
    "false_table": "false table",
    "false_claims": "false claims",
    "false_best": "false of best",
    "mean_covered": "mean held",
    "table_covered": "Δ held",
    "claims_covered": "claims held",
    "found": "found",
}


@dataclass(frozen=True, kw_only=True)
class SimulationPreset(Preset):
    """Sizes: ``seeds`` is the number of simulated studies of a cell; ``counts`` the seeds of each, by kind of study."""

    seeds: int = 150
    counts: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: {"ladder": (3, 5, 10), "comparison": (3, 10), CURVE: (3, 5, 10)}
    )


SIMULATED = "these simulations train nothing"
PRESETS = {"mnist1d": SimulationPreset()}


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Simulate the wanted scenarios.

    Raises:
        ConfigError: a word changes an experiment, of which there is none.
    """
    check_words(execution.overrides, SIMULATED)
    cells = cells_of(wanted_names(execution, rungs), execution.preset.counts, execution.seeds)
    return Outcome([], measurements=measure(cells, execution.workers), rungs=[])


def summarise(table: pd.DataFrame) -> Summary:
    """A row a scenario and kind of study, over all numbers of seeds; a row a number where something is to be found."""
    planted = table["scenario"].isin([scenario.name for scenario in PLANTED])
    parts = [
        *((key, "any", part) for key, part in table[~planted].groupby(["scenario", "study"], sort=False)),
        *(
            ((scenario, study), str(seeds), part)
            for (scenario, study, seeds), part in table[planted].groupby(["scenario", "study", "seeds"], sort=False)
        ),
    ]
    numbers, rows = [], []
    for (scenario, study), seeds, part in parts:
        labels = {"scenario": scenario, "study": study, "seeds": seeds}
        shares = {column: share(part, column) for column in SHARES}
        if scenario not in {name.name for name in PLANTED}:
            shares["found"] = Estimate(math.nan, math.nan, math.nan)
        numbers.append(labels | {"studies": len(part)} | {
            f"{column}{end}": value for column, found in shares.items()
            for end, value in zip(("", "_low", "_high"), found[:3], strict=True)
        })  # fmt: skip
        texts = {SHARES[column]: cell(found) for column, found in shares.items()}
        rows.append(labels | {"studies": str(len(part))} | texts)
    return Summary(pd.DataFrame(numbers), rows, 3, [PARAGRAPH, worst(table)], metric="")


def share(part: pd.DataFrame, column: str, level: float = 0.95, case: str = "") -> Estimate:
    """The share of studies with a one in ``column``, in percent, among those that say anything there."""
    known = part[column].dropna() if column in part else pd.Series(dtype=float)
    return percentage(float(known.sum()), len(known), level, case)


def cell(estimate: Estimate) -> str:
    """``4.2 (3-7)``, in percent; a dash where no study says anything."""
    value, low, high, _ = estimate
    return f"{value:.1f} ({low:.0f}-{high:.0f})" if value == value else "–"


def worst(table: pd.DataFrame) -> str:
    """The cell of null studies with the largest share of false claims or differences."""
    null = table[table["scenario"].isin([scenario.name for scenario in NULL])]
    shares = {
        (key, column): (share(part, column), len(part))
        for key, part in null.groupby(["scenario", "study", "seeds"], sort=False)
        for column in ("false_table", "false_claims")
        if column in part and part[column].notna().any()
    }
    if not shares:
        return "There is no null study among these."
    ((scenario, study, seeds), column), (found, studies) = max(shares.items(), key=lambda entry: entry[1][0].value)
    return (
        f"The largest of the {len(shares)} shares by scenario, kind of study and number of seeds, which is the largest "
        f"by chance too: {SHARES[column]}, {scenario}, {study} with {seeds} seeds: {cell(found)} % "
        f"of {studies}."
    )


PARAGRAPH = (
    "Runs are made up, everything after them is the code of real studies: a ladder of 7 rungs with its 7 claims, a "
    "comparison of 18 optimizers in two regimes with 10 claims, and the rise of a flat curve over "
    f"{PLACES} places. A row's true error is {100 * ERROR:g} % at the best learning rate, {PEAK:g} decades above the "
    f"middle of {len(CANDIDATES)} candidates, and grows by {100 * ERROR * CURVATURE:g} points per squared decade; "
    f"accuracies vary over seeds by {100 * SPREAD:g} points, or as the scenario says; {SEARCH_SEEDS} search seeds with "
    f"{VALIDATION} validation samples each choose the rate, then fresh seeds count. Errors over a decade: 3 % and 45 % "
    "in turn, which vary by 20 %. False: a study has a difference whose interval excludes 0, or a decided claim, that "
    "the true means at the chosen rates contradict; of best: table or claims contradict the true means at the best "
    "candidates, which intervals of chosen values do not promise. Held: the 95 % t-interval of the last row's mean, "
    "all intervals of the table's differences at once, all those of the claims at once hold the true values (of a "
    "curve: that of its rise). Rows whose chosen rates differ are truly apart, which can hardly be told the wrong way "
    "round, so false is less often than where all rows were exactly equal: that often is what Δ held lacks. Found: the "
    "table says that the better row is better. Percent of the studies with Wilson's 95 % interval, over all numbers of "
    "seeds where no number stands."
)


def shares(column: str, names: Sequence[str], *, curves: bool = False) -> Callable[[Evidence], list[Estimate]]:
    """The share of studies with a one in ``column``, by scenario, over all numbers of seeds."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = evidence.measurements
        mine = table[(table["study"] == CURVE) == curves]
        parts = {name: mine[mine["scenario"] == name] for name in names}
        found = [share(part, column, evidence.level, name) for name, part in parts.items()]
        return [estimate for estimate in found if estimate.value == estimate.value]

    return estimates


def pooled(column: str, names: Sequence[str], case: str) -> Callable[[Evidence], list[Estimate]]:
    """The same over several scenarios together."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        mine = evidence.measurements[evidence.measurements["scenario"].isin(names)]
        found = share(mine, column, evidence.level, case)
        return [found] if found.value == found.value else []

    return estimates


def power(evidence: Evidence) -> list[Estimate]:
    """How often the table of a ladder finds a row that is a point better, by spread and number of seeds."""
    table = evidence.measurements
    planted = table[table["scenario"].isin([scenario.name for scenario in PLANTED]) & (table["study"] == "ladder")]
    return [
        share(part, "found", evidence.level, f"{name}, {seeds} seeds")
        for (name, seeds), part in planted.groupby(["scenario", "seeds"], sort=False)
    ]


def judged_survivors(evidence: Evidence) -> list[Estimate]:
    """How many verdicts there are on groups of which a run diverged."""
    known = evidence.measurements.get("survivors_judged", pd.Series(dtype=float)).dropna()
    return [exactly(float(known.sum()))] if len(known) else []


NAMES = [scenario.name for scenario in NULL]
BARE = [scenario.name for scenario in NULL if scenario.bare]
STUDY = Study(
    name="simulations",
    family="calibration",
    title="Simulated studies",
    about=__doc__,
    presets=PRESETS,
    rungs=only_named(SCENARIOS),
    quick=lambda preset, data: replace(preset, seeds=2, counts={"ladder": (3,), CURVE: (3,)}),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("false differences", "At most 5 % of null studies tell a difference in their table that is not there.",
              "tables with a false difference, %", shares("false_table", NAMES), at_most(5), form=".1f"),
        Claim("false claims", "At most 5 % of null studies make a claim that is not true.",
              "studies with a false claim, %", shares("false_claims", NAMES), at_most(5), form=".1f"),
        Claim("false rises", "At most 5 % of flat curves have a rise whose interval excludes 0.",
              "curves with a false rise, %", shares("false_claims", BARE, curves=True), at_most(5), form=".1f"),
        Claim("not level", "Rows that are a point apart are called level to a point in at most 2.5 % of the studies.",
              "false support, %", shares("claimed", [MARGIN.name]), at_most(2.5), form=".1f"),
        Claim("of the best rates", "The same verdicts are as seldom false of the best rates as of the chosen ones.",
              "studies with anything false, %", pooled("false_best", NAMES, "all null studies"), at_most(5),
              form=".1f"),
        Claim("survivors", "No verdict compares a group of which a run diverged.", "such verdicts", judged_survivors,
              never, form="g"),
        Claim("means", "The 95 % interval of a row holds its true mean in at least 95 %.",
              "rows held, %", shares("mean_covered", NAMES), at_least(95), form=".1f"),
        Claim("differences", "All intervals of a table hold the true differences at once in at least 95 %.",
              "tables held, %", shares("table_covered", NAMES), at_least(95), form=".1f"),
        Claim("power", "A row that is a point better is found in at least 80 %.", "found by the ladder's table, %",
              power, at_least(80), form=".1f"),
    ),
)  # fmt: skip
