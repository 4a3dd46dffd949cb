"""The figure ``strength``: accuracy over the strength with the large rate's band, squared gradients, the search."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.evidence import Evidence
from fbgd.report.plots import make_figure
from fbgd.report.statistics import t_interval
from fbgd.studies.double_descent.drawing import plain_numbers
from fbgd.studies.implicit_bias.strength_claims import compared, whole_strengths
from fbgd.studies.implicit_bias.strength_measure import chosen_rates, searched_rates
from fbgd.studies.implicit_bias.strength_settings import LARGE, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"GD": "#0072b2", "SGD": "#d55e00"}
BANDS = {LARGE: "C2", SMALL: "0.5"}


def interval(values: pd.Series) -> tuple[float, float, float]:
    """Mean and 95 % interval; the mean alone of a single value."""
    low, high = t_interval(values.to_numpy())
    mean = values.mean()
    return mean, *((mean, mean) if np.isnan(low) else (low, high))


def strengths_of(table: pd.DataFrame) -> list[str]:
    """The settings that are strengths, ascending."""
    return sorted(set(table["setting"]) - {LARGE, SMALL}, key=float)


def tick_of(runs: pd.DataFrame, strength: str) -> str:
    """A strength, with how many of its runs were lost if any was."""
    status = runs.loc[runs["setting"] == strength, "status"]
    lost = int((status == "diverged").sum())
    return f"{strength}\n{lost} of {len(status)}\ndiverged" if lost else strength


def draw_accuracy(axes: "Axes", runs: pd.DataFrame, training: str) -> None:
    """Test and validation accuracy over the strengths that lost no run, and the references' bands."""
    names = strengths_of(runs)
    whole = [name for name in names if name in whole_strengths(runs)]
    places = [names.index(name) for name in whole]
    for column, marker, colour in (("test_accuracy", "o", COLOURS.get(training, "C0")),
                                   ("validation_accuracy", "s", "0.6")):  # fmt: skip
        cells = np.array([interval(100 * runs.loc[runs["setting"] == name, column]) for name in whole]).reshape(-1, 3)
        means, lows, highs = cells.T
        label = column.replace("_", " ").replace(" accuracy", "")
        axes.errorbar(places, means, [means - lows, highs - means], marker=marker, color=colour,
                      capsize=3, label=f"{label}, small rate with penalty")  # fmt: skip
    for setting, colour in BANDS.items():
        own = 100 * runs.loc[(runs["setting"] == setting) & (runs["status"] == "done"), "test_accuracy"]
        if len(own):
            mean, low, high = interval(own)
            axes.axhspan(low, high, color=colour, alpha=0.2, lw=0)
            axes.axhline(mean, color=colour, linestyle="--", label=f"test, {setting} {training}")
    if "1" in names:
        axes.axvline(names.index("1"), color="0.3", linestyle=":", label="the theory's strength")
    axes.set_xticks(range(len(names)), [tick_of(runs, name) for name in names])
    axes.set(xlim=(-0.5, len(names) - 0.5))
    axes.set(xlabel="strength, in units of large rate / 4", ylabel="accuracy (%)", title=training)
    axes.legend(fontsize="x-small")


def draw_squares(axes: "Axes", ends: pd.DataFrame, runs: pd.DataFrame) -> None:
    """The mean squared gradient of blocks over the strengths that lost no run, absolute and at equal loss."""
    for training, part in ends.groupby("training", sort=False):
        own = part[part["setting"].isin(whole_strengths(runs[runs["training"] == training]))]
        colour = COLOURS.get(str(training), "C0")
        for style, label, value in (("-", "", own["block_square"]),
                                    ("--", " / loss²", own["block_square"] / own["loss"] ** 2)):  # fmt: skip
            means = np.exp(np.log(value).groupby(own["setting"].astype(float)).mean())
            places = np.log2(1 + means.index)
            axes.plot(places, means, style, marker="o", color=colour, label=f"{training}: mean ‖∇L_B‖²{label}")
    shown = sorted(ends.loc[~ends["setting"].isin([LARGE, SMALL]), "setting"].astype(float).unique())
    axes.set_xticks(np.log2(1 + np.array(shown)), [f"{strength:g}" for strength in shown])
    axes.set(yscale="log", xlabel="strength, in units of large rate / 4", title="at the end of training")
    axes.legend(fontsize="x-small")


def draw_search(axes: "Axes", runs: pd.DataFrame) -> None:
    """Validation accuracy of the search seeds over the large rate, the chosen ones ringed."""
    chosen = chosen_rates(runs)
    for training, part in searched_rates(runs).groupby("training", sort=False):
        colour = COLOURS.get(str(training), "C0")
        means = 100 * part.groupby("rate")["accuracy"].mean()
        axes.plot(part["rate"], 100 * part["accuracy"], ".", color=colour)
        axes.plot(means, color=colour, label=str(training))
        if training in chosen:
            axes.plot(chosen[str(training)], means[chosen[str(training)]], "o", ms=14, mfc="none", mec=colour)
    axes.set(xscale="log", xlabel="large rate", ylabel="validation accuracy (%)", title="search; ringed: chosen")
    plain_numbers(axes.xaxis, sorted(searched_rates(runs)["rate"].unique()))
    axes.legend(fontsize="x-small")


def draw(evidence: Evidence) -> "Figure | None":
    """Two panels of accuracy, one of squared gradients, one of the search; nothing before there are counted runs."""
    mine = compared(evidence)
    runs = mine.runs
    trainings = list(dict.fromkeys(runs.loc[runs["status"] == "done", "training"]))
    if not trainings or not len(mine.measurements):
        return None
    figure, panels = make_figure((14, 10), 2, 2)
    for axes, training in zip(panels, trainings, strict=False):
        draw_accuracy(axes, runs[runs["training"] == training], training)
    draw_squares(panels[2], mine.measurements, runs)
    draw_search(panels[3], evidence.runs)
    figure.suptitle(f"{evidence.title}: mean and 95 % interval over seeds")
    return figure
