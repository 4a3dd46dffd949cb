"""Figures: gaps against measures, correlations, lines and the plane."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.evidence import Evidence
from fbgd.report.plots import make_figure
from fbgd.studies.minima.claims import runs_of
from fbgd.studies.minima.correlation import ALL, FITTED_RUNS, SAME_RATE, grouped
from fbgd.studies.minima.endings import MEASURES
from fbgd.studies.minima.geometry import CORRECTED, LARGE, SMALL

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

COLOURS = {SMALL: "#d55e00", LARGE: "#0072b2", CORRECTED: "#009e73"}


def draw_measures(evidence: Evidence) -> "Figure | None":
    """The gap against every measure, a colour a batch size, a marker a rule; crosses have equal steps."""
    import seaborn as sns

    runs = runs_of(evidence.measurements)
    if not len(runs):
        return None
    known = [name for name in MEASURES if name in runs and runs[name].notna().any()]
    figure, panels = make_figure((18, 10.5), 3, 5, sharey=True)
    shown = runs.assign(
        batch=runs["batch"].astype(int),
        setting=runs["rule"].where(runs["budget"] == "equal passes", runs["rule"] + ", equal steps"),
    )
    settings = [f"{rule}{steps}" for steps in ("", ", equal steps") for rule in ("none", "sqrt", "linear")]
    markers = dict(zip(settings, ("o", "s", "D", "X", "P", "*"), strict=True))
    present = [setting for setting in settings if (shown["setting"] == setting).any()]
    for axes, name in zip(panels, known, strict=False):
        first = name == known[0]
        sns.scatterplot(
            shown, x=name, y="gap", hue="batch", style="setting", style_order=present, markers=markers,
            palette=sns.color_palette("viridis", shown["batch"].nunique()), s=42, alpha=0.75, legend=first, ax=axes,
        )  # fmt: skip
        over, same, fitted = (grouped(runs, name, "gap", group).tau for group in (ALL, SAME_RATE, FITTED_RUNS))
        low, high = shown[name].quantile([0.02, 0.96])
        positive = shown[name].min() > 0 and high > 5 * low
        axes.set(xlabel="", ylabel="gap (points)", xscale="log" if positive else "linear")
        axes.set_title(f"{name}\nτ {over:+.2f}, same rate {same:+.2f}, fitted {fitted:+.2f}", fontsize=11)
        axes.set_xlim(*most(shown[name], positive))
        if positive:
            few_numbers(axes.xaxis)
        if first:
            handles, labels = axes.get_legend_handles_labels()
            if (legend := axes.get_legend()) is not None:
                legend.remove()
            figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")
    for axes in panels[len(known) :]:
        axes.set_axis_off()
    about = "training minus test accuracy against every measure, a point a run; an axis holds 94 % of them"
    figure.suptitle(f"{evidence.title}: {about}")
    return figure


def most(values: pd.Series, logarithmic: bool) -> tuple[float, float]:
    """A range of 94 % of the values and a margin: runs that blew up lie decades away."""
    low, high = values.quantile([0.02, 0.96])
    if logarithmic:
        return low / (high / low) ** 0.1, high * (high / low) ** 0.1
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


def few_numbers(axis: "Axis") -> None:
    """Three round numbers at most on a logarithmic axis."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    places = np.geomspace(*axis.get_view_interval(), 5)[1:-1]
    axis.set_major_locator(FixedLocator(sorted({float(f"{place:.1g}") for place in places})))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def draw_correlations(evidence: Evidence) -> "Figure | None":
    """Kendall's tau of every measure with both gaps and the test error, each with its 95 %."""
    runs = runs_of(evidence.measurements)
    if not len(runs):
        return None
    known = [name for name in MEASURES if name in runs and runs[name].notna().any()]
    groups = {ALL: "all runs", SAME_RATE: "of one rate", FITTED_RUNS: "fitted"}
    gaps = {"gap": "gap in accuracy", "loss_gap": "gap in loss", "test_error": "test error"}
    figure, panels = make_figure((15, 6), 1, 3, sharey=True)
    for axes, (gap, title) in zip(panels, gaps.items(), strict=True):
        for index, (group, label) in enumerate(groups.items()):
            found = [grouped(runs, name, gap, group) for name in known]
            places = np.arange(len(known)) + 0.22 * (index - 1)
            taus = np.array([own.tau for own in found])
            half = np.nan_to_num(np.array([own.high - own.tau for own in found]))
            axes.errorbar(taus, places, xerr=half, fmt="o", ms=5, capsize=2, label=label, color=f"C{index}")
        axes.axvline(0, color="0.4", lw=1)
        axes.set(yticks=np.arange(len(known)), yticklabels=known, xlim=(-1.05, 1.05), xlabel="Kendall's τ", title=title)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(f"{evidence.title}: does the measure go with the gap? (95 %, each its own)")
    return figure


def of_kind(evidence: Evidence, kind: str) -> pd.DataFrame:
    """The rows of one kind."""
    table = evidence.measurements
    return table[table["kind"] == kind] if "kind" in table else table


def draw_lines(evidence: Evidence) -> "Figure | None":
    """Loss along the lines between minima, and along a random direction from each of them."""
    lines, directions = of_kind(evidence, "line"), of_kind(evidence, "direction")
    if not len(lines):
        return None
    figure, panels = make_figure((15, 5.2), 1, 3)
    for axes, name in zip(panels, (LARGE, CORRECTED), strict=False):
        own = lines[lines["name"] == name]
        for column, style in (("train_loss", "-"), ("test_loss", "--")):
            for number, (_, part) in enumerate(own.groupby("seed")):
                label = column.replace("_", " ") if not number else None
                axes.plot(part["x"], part[column], style, color=COLOURS[name], alpha=0.8, label=label)
        for place in (0, 1):
            axes.axvline(place, color="0.5", lw=1, ls=":")
        axes.set(yscale="log", xlabel="0: small batch, 1: the other", title=f"to: {name}", ylabel="loss")
        axes.legend(fontsize="small")
    for name, part in directions.groupby("name", sort=False):
        for number, (_, own) in enumerate(part.groupby("seed")):
            panels[2].plot(own["x"], own["train_loss"], color=COLOURS[name], label=None if number else name, alpha=0.8)
    panels[2].set(yscale="log", xlabel="share of the weights", title="a random direction, filter-normalised",
                  ylabel="training loss")  # fmt: skip
    figure.legend(*panels[2].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    figure.suptitle(f"{evidence.title}: the loss between and around minima, a line a seed")
    return figure
