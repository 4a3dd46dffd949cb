"""The figure ``meter``: coefficients of all optimizers with the theory's lines, and those of a network in training."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.plots import make_figure
from fbgd.studies.implicit_bias.optimizers import NAMES, PLAIN, THEORY
from fbgd.studies.implicit_bias.problems import NETWORK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_bars(axes: "Axes", groups: dict[str, pd.DataFrame]) -> None:
    """Mean and range of the coefficient by optimizer, a colour a group, and a black line where the theory is."""
    import seaborn as sns

    width = 0.8 / len(groups)
    for index, ((name, own), colour) in enumerate(
        zip(groups.items(), sns.color_palette("colorblind", len(groups)), strict=True)
    ):
        values = own.groupby("optimizer")["coefficient"]
        means, lows, highs = (part.reindex(NAMES) for part in (values.mean(), values.min(), values.max()))
        places = np.arange(len(NAMES)) + (index - (len(groups) - 1) / 2) * width
        axes.bar(places, means, width, color=colour, label=name, yerr=[means - lows, highs - means],
                 error_kw={"elinewidth": 1, "capsize": 2})  # fmt: skip
    for place, name in enumerate(NAMES):
        if not np.isnan(THEORY[name]):
            # A name that begins with an underscore is not in the legend.
            label = "theory" if place == 0 else "_theory"
            axes.hlines(THEORY[name], place - 0.45, place + 0.45, color="black", linestyle="--", label=label)
    axes.set_xticks(range(len(NAMES)), [name.replace(" ", "\n") for name in NAMES], fontsize="x-small")
    axes.set_yscale("symlog", linthresh=1, linscale=0.5)
    ticks = [-10, -1, 0, 1, 3, 10, 19, 30]
    low, high = axes.get_ylim()
    axes.set_yticks(
        [tick for tick in ticks if low <= tick <= high], [f"{tick}" for tick in ticks if low <= tick <= high]
    )
    axes.minorticks_off()
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set_ylabel("coefficient, in units of h/4")
    axes.legend(fontsize="x-small")


def draw_training(axes: "Axes", table: pd.DataFrame) -> None:
    """The coefficients of GD and SGD over the steps of training, a line a step size."""
    shown = table[table["optimizer"].isin(PLAIN)]
    points = sorted(shown["point"].unique())
    for colour, name in zip(("#0072b2", "#d55e00"), PLAIN, strict=True):
        for style, (rate, own) in zip(("-", "--"), shown[shown["optimizer"] == name].groupby("rate"), strict=False):
            values = own.groupby("point")["ratio"]
            places = range(len(points))
            axes.plot(places, values.mean(), style, marker="o", color=colour, label=f"{name}, h = {rate:g}")
            axes.fill_between(places, values.min(), values.max(), color=colour, alpha=0.15, lw=0)
    axes.axhspan(0.9, 1.1, color="0.8", alpha=0.5, lw=0)
    axes.axhline(1, color="black", linestyle="--", linewidth=1, label="theory, ± 10 %")
    axes.set_xticks(range(len(points)), [str(point) for point in points])
    axes.set(xlabel="steps of training before the meter looks", ylabel="coefficient, in units of h/4")
    axes.legend(fontsize="x-small")


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Bars of the closed forms, bars of the network, and the network over its training.

    Args:
        table: the measurements with ``ratio``, the coefficient over the theory's.
        title: of the figure.
    """
    smallest = table[table["rate"] == table.groupby("problem")["rate"].transform("min")]
    closed = {str(name): own for name, own in smallest.groupby("problem", sort=False) if name != NETWORK}
    network = table[table["problem"] == NETWORK]
    figure, panels = make_figure((18, 5.5), 1, 3)
    if closed:
        draw_bars(panels[0], closed)
        panels[0].set_title("closed forms, smallest step size")
    if len(network):
        own = smallest[smallest["problem"] == NETWORK]
        ends = {own["point"].min(), own["point"].max()}
        draw_bars(panels[1], {f"after {point} steps": own[own["point"] == point] for point in sorted(ends)})
        panels[1].set_title(f"{NETWORK}, smallest step size")
        draw_training(panels[2], network)
        panels[2].set_title(NETWORK)
    figure.suptitle(f"{title}: mean and range over draws")
    return figure
