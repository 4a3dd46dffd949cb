"""Two rungs of the Geiping ladder with 60 seeds each, split into studies of 5 and of 10.

python scripts/calibration.py seeds          MNIST-1D, 120 runs
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.claims import Claim, Estimate
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, by_description
from fbgd.report.plots import make_figure
from fbgd.runs.plan import PlannedRun, Rung, collect
from fbgd.studies import geiping_ladder
from fbgd.studies.calibration.shares import at_least, percentage
from fbgd.studies.calibration.splitting import CONSECUTIVE, DIFFERENCE, RANDOM, split, under_normality
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FULL_BATCH = "Baseline FB"
SIZES = (5, 10)
# Random splits beside the consecutive one: of 60 seeds they have 12 or 6 small studies each.
RANDOM_SPLITS = 50


@dataclass(frozen=True, kw_only=True)
class SeedsPreset(Preset):
    """Sizes: those of the ladder whose rungs are taken."""

    ladder: geiping_ladder.LadderPreset
    seeds: int = 60


PRESETS = {"mnist1d": SeedsPreset(ladder=geiping_ladder.PRESETS["mnist1d"])}


def rungs(preset: SeedsPreset) -> list[Rung]:
    """The two baselines of the ladder, with their own settings."""
    wanted = (geiping_ladder.BASELINE, FULL_BATCH)
    return [replace(rung, published=None) for rung in geiping_ladder.rungs(preset.ladder) if rung.name in wanted]


def quick(preset: SeedsPreset, data: str) -> SeedsPreset:
    """The preset on next to nothing."""
    return replace(preset, ladder=geiping_ladder.quick(preset.ladder, data), seeds=4)


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """What the small studies say, once all runs are done."""
    table = split(collect(planned), "rung", geiping_ladder.BASELINE, SIZES, RANDOM_SPLITS)
    return table.assign(total=len({run.seed for run in planned})) if len(table) else table


def quantities(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows about means, of either rung, and those about their difference."""
    difference = table["quantity"] == DIFFERENCE
    return {"means of a rung": table[~difference], "difference": table[difference]}


def expected(part: pd.DataFrame) -> tuple[float, float, float]:
    """What normal values would give, see :func:`fbgd.studies.calibration.splitting.under_normality`."""
    random = part["partition"].max()
    groups = part["quantity"].nunique()
    return under_normality(int(part["total"].iloc[0]), int(part["size"].iloc[0]), int(random), groups)


def summarise(table: pd.DataFrame) -> Summary:
    """A row a size and quantity: how often small studies' intervals hold the mean of all seeds, and of the others."""
    numbers, rows = [], []
    for size, mine in table.groupby("size"):
        for name, part in quantities(mine).items():
            plain, _, effective = expected(part)
            consecutive, random = (part[part["split"] == split] for split in (CONSECUTIVE, RANDOM))
            estimate = share_of_others(part, 0.95, effective)
            number = {
                "seeds": size,
                "quantity": name,
                "studies": len(part),
                "consecutive": 100 * consecutive["holds_all"].mean(),
                "random": 100 * random["holds_all"].mean(),
                "normal": 100 * plain,
                "others": estimate.value,
                "others_low": estimate.low,
                "others_high": estimate.high,
            }
            numbers.append(number)
            rows.append(
                {
                    "seeds": str(size),
                    "of": name,
                    "intervals": str(len(part)),
                    "mean of all held %: consecutive": f"{number['consecutive']:.1f}",
                    "random": f"{number['random']:.1f}",
                    "expected of normal values": f"{number['normal']:.1f}",
                    "mean of the others held % (95 %)": f"{estimate.value:.1f} ({estimate.low:.1f} to "
                    f"{estimate.high:.1f})",
                }
            )
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH.format(total=table["total"].iloc[0])])


def page_summary(evidence: Evidence) -> Summary:
    """The shares, with the rungs' means over all seeds; the rungs' own table where there was nothing to split."""
    rungs = by_description(evidence)
    if not len(evidence.measurements):
        return rungs
    shares = summarise(evidence.measurements)
    means = "; ".join(f"{row['rung']} {row['test accuracy %']} %" for row in rungs.rows)
    return replace(shares, paragraphs=[*shares.paragraphs, f"Mean ± standard deviation over all seeds: {means}."])


PARAGRAPH = (
    "The {total} seeds of each rung are split into small studies, consecutively and at random; each makes a table by "
    "the code of real pages, and its 95 % intervals are held against the mean of all seeds. That mean is no truth, and "
    "a small study is part of it, so of normal values a larger share than 95 % should hold it; the share stands "
    "beside, from a simulation of the same splits. The mean of the other seeds is independent: widened by sqrt(1 + n / "
    "m), n the study's seeds and m the others, 95 % of the intervals should hold it. Splits share their seeds: the "
    "interval of that share is Wilson's for so many independent studies as would vary as much under normality. The "
    "difference is that of the logarithms of the errors where the page compares these."
)


def share_of_others(part: pd.DataFrame, level: float, effective: float, case: str = "") -> Estimate:
    """The share of widened intervals that hold the mean of the other seeds, as if of ``effective`` studies."""
    return percentage(part["holds_others"].mean() * effective, effective, level, case)


def covered(evidence: Evidence) -> list[Estimate]:
    """Of every size and quantity the share of intervals that hold the mean of the other seeds."""
    return [
        share_of_others(part, evidence.level, expected(part)[2], f"{name}, {size} seeds")
        for size, mine in (evidence.measurements.groupby("size") if len(evidence.measurements) else ())
        for name, part in quantities(mine).items()
    ]


def draw(runs: pd.DataFrame, table: pd.DataFrame, title: str) -> "Figure":
    """Every seed's accuracy, and the shares of the small studies' intervals that hold what they should."""
    figure, panels = make_figure((13, 4.6), 1, 3)
    names = list(dict.fromkeys(runs["rung"]))
    for axes, name in zip(panels, names, strict=False):
        accuracies = 100 * runs.loc[runs["rung"] == name, "test_accuracy"].dropna()
        axes.hist(accuracies, bins=12, color="#0072b2", edgecolor="white")
        axes.axvline(accuracies.mean(), color="black", linestyle=":")
        axes.set(title=f"{name}: {len(accuracies)} seeds", xlabel="test accuracy (%)", ylabel="seeds")
    draw_shares(panels[-1], table)
    figure.suptitle(title)
    return figure


def draw_shares(axes: "Axes", table: pd.DataFrame) -> None:
    """The shares with their intervals; 95 % is dotted."""
    labels: list[str] = []
    for size, mine in table.groupby("size") if len(table) else ():
        for name, part in quantities(mine).items():
            share = share_of_others(part, 0.95, expected(part)[2])
            axes.plot([share.low, share.high], [len(labels)] * 2, color="#0072b2", lw=2)
            axes.plot(share.value, len(labels), "o", color="#0072b2")
            labels.append(f"{name}, {size} seeds")
    axes.set_yticks(range(len(labels)), labels)
    axes.axvline(95, color="black", linestyle=":")
    axes.set(title="mean of the other seeds held", xlabel="% of intervals", ylim=(max(1, len(labels)) - 0.5, -0.5))


STUDY = Study(
    name="seeds",
    family="calibration",
    title="Splitting many seeds",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    baseline={"rung": geiping_ladder.BASELINE},
    measure=measure,
    summarise=page_summary,
    figures={"figure.png": lambda evidence: draw(evidence.runs, evidence.measurements, evidence.title)},
    claims=(
        Claim("real seeds", "Widened to predict it, 95 % intervals of small studies hold the mean of the other seeds.",
              "intervals held, %", covered, at_least(95), form=".1f"),
    ),
)  # fmt: skip
