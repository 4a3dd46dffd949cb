"""Figures of the probed ladder: a panel a rung, before all others in grey; the effective rate against the sharpness."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from fbgd.report.evidence import Evidence
from fbgd.report.multiples import multiples_figure
from fbgd.report.paper import points
from fbgd.report.plots import make_figure
from fbgd.studies.ladder_probed.claims import CLIPPED, EDGE, of_rung
from fbgd.studies.ladder_probed.looks import BATCH, signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PASSES = "passes over the training set"


class Thresholds(NamedTuple):
    """Up to where the sharpness is stable at a rate, which its column names, and how that is drawn."""

    rate: str
    line: str


LIMITS = (Thresholds("lr", ":"), Thresholds("effective_rate", "--"))


def over_passes(evidence: Evidence, column: str, label: str, about: str, scale: str = "linear") -> "Figure":
    """A column of the looks over passes: mean and range over seeds, a panel a rung.

    Args:
        evidence: with the looks as measurements.
        column: of the looks.
        label: what it is.
        about: goes below the title; empty for nothing.
        scale: of the column's axis.
    """
    looks = evidence.measurements
    figure = multiples_figure(looks, rungs_of(looks), evidence.title, "rung", column=column, x="passes")
    figure.suptitle("\n".join(filter(None, [figure.get_suptitle(), about])))
    figure.supylabel(label)
    figure.supxlabel(PASSES)
    for axes in figure.axes:
        axes.set(yscale=scale)
    return figure


def rungs_of(looks: pd.DataFrame) -> list[str]:
    """The rungs, in their order."""
    return list(dict.fromkeys(looks["rung"]))


def draw_sharpness(evidence: Evidence) -> "Figure":
    """The sharpness over passes, with the thresholds of the learning rate and of what clipping makes of it."""
    looks = evidence.measurements
    about = "dotted: its threshold at the learning rate, dashed: at the effective rate"
    figure = over_passes(evidence, "sharpness", "sharpness", about, "log")
    for axes, rung in zip(figure.axes, rungs_of(looks), strict=False):
        own = of_rung(evidence, rung)
        for limit in LIMITS if rung in CLIPPED else LIMITS[:1]:
            rates = np.exp(np.log(own[limit.rate].where(own[limit.rate] > 0)).groupby(own["passes"]).mean())
            axes.plot(rates.index, EDGE / rates, limit.line, color="black", lw=points(1.3), zorder=4)
    # A rate that is annealed to nothing has a threshold far above all that was seen.
    figure.axes[0].set_ylim(0.7 * looks["sharpness"].min(), 1.4 * looks["sharpness"].max())
    return figure


def draw_signal(evidence: Evidence) -> "Figure":
    """The share of signal in a batch, which tells the noise scale at every look, also where noise drowns the signal."""
    looks = evidence.measurements
    about = f"50 %: a noise scale of {BATCH} samples; dotted: where the gradient of the whole training set vanishes"
    shown = Evidence(evidence.description, measurements=looks.assign(signal=100 * signal(looks)))
    figure = over_passes(shown, "signal", f"signal in a batch of {BATCH} (%)", about)
    samples = evidence.runs["train_size"].dropna().mean()
    levels = {0.0: "-", 50.0: "-"}
    if samples > 2 * BATCH:
        levels[-100 * BATCH / (samples - BATCH)] = ":"
    for axes in figure.axes[: len(rungs_of(looks))]:
        for level, line in levels.items():
            axes.axhline(level, color="black", linestyle=line, lw=points(0.8), zorder=2)
    figure.axes[0].set_ylim(-52, 104)
    return figure


def draw_clipped(evidence: Evidence) -> "Figure":
    """The share of clipped steps over passes, of the rungs that clip."""
    looks = evidence.measurements
    looks = looks[looks["rung"].isin(CLIPPED)]
    shown = Evidence(evidence.description, measurements=looks.assign(clipped=100 * looks["clipped"]))
    return over_passes(shown, "clipped", "clipped steps (%)", "of the steps since the last look")


def draw_rates(evidence: Evidence) -> "Figure":
    """The effective rate against the sharpness, a panel a clipped rung, a point a look at a run."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    looks = evidence.measurements
    rungs = [rung for rung in rungs_of(looks) if rung in CLIPPED]
    columns = min(3, max(1, len(rungs)))
    rows = max(1, -(-len(rungs) // columns))
    figure, panels = make_figure((4.2 * columns + 1.2, 3.6 * rows + 0.6), rows, columns, sharex=True, sharey=True)
    colours = ScalarMappable(Normalize(0, looks["passes"].max()), colormaps["viridis"])
    for axes in panels[len(rungs) :]:
        axes.set_axis_off()
    for axes, rung in zip(panels, rungs, strict=False):
        rates_of(axes, of_rung(evidence, rung), colours.to_rgba)
        axes.set(title=rung, xscale="log", yscale="log")
    clipped = looks[looks["rung"].isin(rungs)]
    if len(clipped):
        panels[0].set_xlim(0.8 * clipped["sharpness"].min(), 1.25 * clipped["sharpness"].max())
        panels[0].set_ylim(0.8 * clipped["effective_rate"].min(), 1.25 * clipped["lr"].max())
    figure.colorbar(colours, ax=panels, label=PASSES)
    figure.supxlabel("sharpness")
    figure.supylabel("rate")
    figure.suptitle(
        f"{evidence.title}: effective rate (points) and learning rate (crosses) at the looks of all seeds;\n"
        f"above the line {EDGE:.3f} / sharpness steps are unstable on a quadratic"
    )
    return figure


def rates_of(axes: "Axes", looks: pd.DataFrame, colour) -> None:
    """The learning rate and what clipping makes of it, over the sharpness, and the edge of stability."""
    colours = colour(looks["passes"])
    axes.scatter(looks["sharpness"], looks["lr"], marker="x", s=points(18), color="0.65", linewidths=points(1))
    axes.scatter(looks["sharpness"], looks["effective_rate"], s=points(22), color=colours, zorder=3)
    sharpness = np.geomspace(looks["sharpness"].min() / 10, looks["sharpness"].max() * 10, 50)
    axes.plot(sharpness, EDGE / sharpness, color="black", lw=points(1.3), zorder=2)


FIGURES = {
    "sharpness.png": draw_sharpness,
    "noise.png": lambda evidence: over_passes(evidence, "trace", "trace of the gradients' covariance", "", "log"),
    "noise_scale.png": draw_signal,
    "clipped.png": draw_clipped,
    "rate_and_sharpness.png": draw_rates,
}
