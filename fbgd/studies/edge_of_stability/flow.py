"""Where descent leaves the gradient flow: a tanh perceptron with squared error, in double precision.

    python scripts/edge_of_stability.py flow               MNIST-1D, 500 samples, 10 seeds, seven minutes
    python scripts/edge_of_stability.py flow data=cifar10  the published network and data

What to expect: descent is still beside the flow when its sharpness crosses 2 / h, and leaves it some time after.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.progress import track

from fbgd.config.compose import compose
from fbgd.report.cells import UNKNOWN
from fbgd.report.claims import Claim, Estimate, below, higher, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured, revision_note
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.runs.provenance import git_revision
from fbgd.studies.double_descent.drawing import draw_band
from fbgd.studies.edge_of_stability.settings import TracedPreset, traced_rungs
from fbgd.studies.edge_of_stability.trajectories import follow, landscape
from fbgd.studies.execution import Execution, Outcome, refuse_only
from fbgd.studies.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# How far descent may be from the flow at its crossing, in units of the way that the flow has come.
CLOSE = 0.1
# How much later than at its crossing it may leave, as a share of the time.
SOON = 0.1


@dataclass(frozen=True, kw_only=True)
class FlowPreset(TracedPreset):
    """What the figure is made of.

    Args:
        time: until when flow and descent are followed, learning rate times passes.
    """

    time: float


PRESETS = {
    "mnist1d": FlowPreset(
        words=("data=mnist1d", "data.source.train=500", "data.source.test=500", "model.width=60"),
        rates=(0.25, 0.4, 0.5), time=132, looks=66, samples=500, seeds=10,
    ),
    "cifar10": FlowPreset(
        words=("data=cifar10", "data.train_size=5000", "model.width=200"),
        rates=(0.01, 0.02, 0.04), time=40, looks=200, samples=5000, seeds=3,
    ),
}  # fmt: skip


def quick(preset: FlowPreset, data: str) -> FlowPreset:
    """A tiny network, followed for a little while."""
    words = (*preset.words, "data.train_size=40", "model.width=4")
    return replace(preset, words=words, time=4, looks=4, samples=40, seeds=2, rates=(0.5, 1.0))


def trace(execution: Execution, rungs: list[Rung]) -> Outcome:
    """All trajectories, seed by seed.

    Raises:
        ConfigError: ``--only`` was given, and there are no runs to choose among.
    """
    refuse_only(execution.only, "flow")
    preset = execution.preset
    config = compose([*preset.all_words, *execution.overrides])
    parts = [
        follow(landscape(replace(config, seed=seed)), preset.rates, preset.time, preset.looks).assign(seed=seed)
        for seed in track(range(execution.seeds), "seeds", transient=True)
    ]
    table = pd.concat(parts, ignore_index=True).assign(figure="flow", git_revision=git_revision())
    return Outcome([], measurements=table, rungs=[])


def crossings(table: pd.DataFrame) -> pd.DataFrame:
    """A row a trajectory whose sharpness crosses 2 / h early enough: where descent is from the flow.

    ``time`` is that of the first look at or above 2 / h; ``at`` the relative distance there, ``later`` that at twice
    the time, ``doublings`` how often the plain distance doubled in between, and ``left`` the first look at which it is
    more than twice that at the crossing. A trajectory that begins there, or whose double time is not followed, is left
    out.
    """
    rows = []
    for (rate, seed), part in table.groupby(["rate", "seed"], sort=True):
        part = part.sort_values("time").set_index("time")
        above = part.index[part["sharpness"] >= 2 / rate]
        if len(above) and 0 < above[0] <= part.index[-1] / 2:
            relative = part["distance"] / part["travelled"].where(part["travelled"] > 0)
            later = part.index[np.abs(part.index - 2 * above[0]).argmin()]
            grown = part.loc[above[0] :, "distance"] > 2 * part.loc[above[0], "distance"]
            rows.append(
                {"rate": rate, "seed": seed, "time": above[0], "at": relative[above[0]], "later": relative[later],
                 "doublings": np.log2(part.loc[later, "distance"] / part.loc[above[0], "distance"]),
                 "left": grown.idxmax() if grown.any() else np.nan}
            )  # fmt: skip
    return pd.DataFrame(rows, columns=["rate", "seed", "time", "at", "later", "doublings", "left"])


def summarise(table: pd.DataFrame) -> Summary:
    """A row a learning rate."""
    found = crossings(table)
    numbers, rows = [], []
    for rate, all_of in table.groupby("rate"):
        part = found[found["rate"] == rate]
        numbers.append({"rate": rate, "n": len(part), **part[["time", "left", "at", "later", "doublings"]].mean()})

        def told(name: str, scale: float = 1.0, form: str = ".2f", part=part) -> str:
            values = scale * part[name]
            error = f" ± {values.std():{form}}" if len(part) > 1 else ""
            return f"{values.mean():{form}}{error}" if len(part) else UNKNOWN

        rows.append(
            {
                "rate": f"{rate:g}",
                "2 / h": f"{2 / rate:g}",
                "crossed": f"{len(part)} of {all_of['seed'].nunique()}",
                "at time": told("time", form=".0f"),
                "left at time": told("left", form=".0f"),
                "distance there %": told("at", 100),
                "distance at twice the time %": told("later", 100),
                "doublings": told("doublings"),
            }
        )
    return Summary(pd.DataFrame(numbers), rows, 1, [PARAGRAPH, revision_note(table)], metric="")


PARAGRAPH = (
    "Mean ± standard deviation over the seeds that crossed in the first half of the time. Time is learning rate times "
    "passes; the flow is integrated in double precision by Runge-Kutta of fourth order, with steps of at most "
    "one over its sharpness. Crossed: the first look at which the sharpness of descent is 2 / h or more. Left: the "
    "first look at which the distance is more than twice that at the crossing. Distances are between descent and flow "
    "at the same time, in percent of the way that the flow has come from the start; the last "
    "column is how often the plain distance doubled in between, once if it grew steadily."
)


def of_crossings(column: str, less: float = 0.0) -> Callable[[Evidence], list[Estimate]]:
    """A column of :func:`crossings` minus a number, its mean over the seeds, a case a learning rate.

    ``delay`` is the time at which descent left the flow over that of its crossing.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        if not len(evidence.measurements):
            return []
        found = []
        table = crossings(evidence.measurements)
        for rate, part in table.assign(delay=table["left"] / table["time"]).dropna().groupby("rate"):
            found.append(of_mean(part[column], evidence.level, f"rate {rate:g}", less))
        return found

    return estimates


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Sharpness of descent and flow with the thresholds, and their distance, over time."""
    import seaborn as sns

    figure, (left, right) = make_figure((14, 5), 1, 2)
    rates = sorted(table["rate"].unique())
    crossed = crossings(table).groupby("rate")["time"].mean()
    flow = table[table["rate"] == rates[0]]
    draw_band(left, flow, "time", "flow_sharpness", 1, color="0.35", label="gradient flow", linestyle="--")
    for rate, colour in zip(rates, sns.color_palette("viridis", len(rates) + 1), strict=False):
        part = table[table["rate"] == rate]
        part = part.assign(relative=100 * part["distance"] / part["travelled"].where(part["travelled"] > 0))
        draw_band(left, part, "time", "sharpness", 1, color=colour, label=f"h = {rate:g}")
        left.axhline(2 / rate, color=colour, linestyle=":", linewidth=1.4)
        draw_band(right, part, "time", "relative", 1, color=colour, label=f"h = {rate:g}")
        if rate in crossed:
            right.axvline(crossed[rate], color=colour, linestyle=":", linewidth=1.4)
    # The flow's may go far beyond.
    top = 1.05 * table["sharpness"].max()
    cut = (
        f"; the flow's (cut) goes up to {flow['flow_sharpness'].max():.3g}"
        if flow["flow_sharpness"].max() > top
        else ""
    )
    left.set(xlabel="time", ylabel="sharpness", ylim=(0, top), title=f"dotted: 2 / h{cut}")
    right.set(xlabel="time", ylabel="distance to the flow (% of its way)", title="dotted: sharpness crosses 2 / h")
    right.set_ylim(bottom=0)
    left.legend(fontsize="small", loc="upper left")
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


STUDY = Study(
    name="flow",
    family="edge_of_stability",
    title="Distance of descent from the gradient flow",
    about=__doc__,
    presets=PRESETS,
    rungs=traced_rungs,
    quick=quick,
    held=("optimizer.lr", "regime=", "regime.block_size", "precision"),
    execute=trace,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("beside the flow until the edge", "When its sharpness crosses 2 / h, descent is still close to the flow.",
              f"distance over the flow's way, at most {CLOSE:g}", of_crossings("at"), below(CLOSE), form="+.4f"),
        Claim("it leaves beyond the edge", "In as long a time again, the distance more than doubles.",
              "doublings of the distance from the crossing to twice its time, minus the 1 of a steady growth",
              of_crossings("doublings", 1.0), higher),
        Claim("it leaves at the crossing", f"It leaves the flow within {100 * SOON:g} % of the time of the crossing.",
              "time at which the distance is twice that at the crossing, over the crossing's, minus 1",
              of_crossings("delay", 1.0), within(SOON),
              "leaves 0 where the sharpness crosses 2 / h (Cohen et al. 2021)"),
    ),
)  # fmt: skip
