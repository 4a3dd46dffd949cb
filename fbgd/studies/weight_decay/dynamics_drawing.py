"""The panels of the figure ``overparameterised``."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.studies.double_descent.drawing import draw_band, passes_axis, plain_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Two hues, the darker for the large learning rate; dashed without decay.
COLOURS = ("#56b4e9", "#d55e00")


def draw_curves(axes: "Axes", table: pd.DataFrame, column: str, label: str) -> None:
    """A column over passes, a colour a learning rate, dashed without decay."""
    rates = sorted(table["rate"].unique())
    for rate, colour in zip(rates, COLOURS, strict=False):
        for decay, part in table[table["rate"] == rate].groupby("decay"):
            style = "-" if decay else "--"
            name = f"rate {rate:g}, decay {decay:g}"
            draw_band(axes, part, "passes", column, scale=1, color=colour, linestyle=style, label=name)
    if len(table):
        passes_axis(axes, table["passes"].max())
    axes.set(ylabel=label, yscale="log")


def draw_errors(axes: "Axes", ends: pd.DataFrame) -> None:
    """A dot a run by regime and learning rate, filled with decay and open without; a line a seed."""
    names = []
    for place, ((regime, rate), part) in enumerate(ends.groupby(["regime", "rate"], sort=False)):
        names.append(f"{regime}\nrate {rate:g}")
        errors = 100 * part.pivot_table(index="seed", columns="tuned", values="test_error")
        both = errors.reindex(columns=[False, True])
        for _, pair in both.iterrows():
            axes.plot([place - 0.15, place + 0.15], pair, color="0.6", linewidth=1, zorder=1)
        axes.plot([place - 0.15] * len(both), both[False], "o", mfc="white", mec="C0", mew=1.8)
        axes.plot([place + 0.15] * len(both), both[True], "o", color="C0")
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="test error (%)", title="open: no decay, filled: the chosen decay")


def draw_map(figure: "Figure", axes: "Axes", cells: pd.DataFrame) -> None:
    """Test error over learning rate and decay; a diagonal has one product."""
    import seaborn as sns
    from matplotlib.colors import LogNorm

    errors = 100 * cells.pivot_table(index="decay", columns="rate", values="test_error").sort_index(ascending=False)
    named = errors.rename(index="{:g}".format, columns="{:g}".format)
    scale = LogNorm(max(0.1, errors.min(axis=None)), max(1.0, errors.max(axis=None)))
    sns.heatmap(
        named, annot=True, fmt=".1f", cmap="rocket_r", norm=scale, cbar_kws={"label": "test error (%)"}, ax=axes
    )
    if (colorbar := axes.collections[0].colorbar) is not None:
        plain_numbers(colorbar.ax.yaxis)
    axes.tick_params(axis="y", labelrotation=0)
    axes.set(xlabel="learning rate", ylabel="weight decay", title="SGD, mean over the search seeds")
