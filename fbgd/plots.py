"""Figures of a study: what one looks at before reading a table."""

from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

PANELS = (
    ("loss", "training loss", "log"),
    ("test_accuracy", "test accuracy (%)", "linear"),
    ("gradient_norm", "norm of the mean gradient", "log"),
    ("learning_rate", "learning rate", "linear"),
)


def ladder_figure(runs: pd.DataFrame, table: pd.DataFrame, title: str) -> Figure:
    """Accuracy by rung: a dot a seed, the mean with its 95 % interval, and published values where there are any."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure = Figure(figsize=(9, 0.62 * len(table) + 1.6), layout="constrained")
    axes = figure.subplots()
    palette = dict(zip(table["rung"], sns.color_palette("colorblind", len(table)), strict=True))
    counted = runs.dropna(subset=["test_accuracy"]).assign(percent=lambda frame: 100 * frame["test_accuracy"])
    sns.stripplot(
        counted,
        x="percent",
        y="rung",
        order=list(table["rung"]),
        hue="rung",
        palette=palette,
        legend=False,
        size=6,
        linewidth=0.8,
        edgecolor="black",
        jitter=False,
        zorder=5,
        ax=axes,
    )
    for position, row in enumerate(table.to_dict("records")):
        if row["ci_low"] == row["ci_low"]:
            axes.plot([row["ci_low"], row["ci_high"]], [position] * 2, color=palette[row["rung"]], lw=2.5, zorder=3)
        axes.plot(row["mean"], position, "|", color=palette[row["rung"]], ms=18, mew=3, zorder=4)
        axes.annotate(f"{row['mean']:.2f}", (row["mean"], position), (0, 12), textcoords="offset points", ha="center")
    known = table.dropna(subset=["published"])
    if len(known):
        axes.plot(known["published"], known.index, "D", mfc="none", color="black", ms=8, label="published")
        axes.legend(loc="lower left")
    # The interval of two seeds may reach far beyond anything that an accuracy can be.
    intervals = table[["ci_low", "ci_high"]].stack().clip(0, 100)
    shown = pd.concat([counted["percent"], known["published"], intervals])
    margin = 0.03 * (shown.max() - shown.min()) + 1
    axes.set(xlim=(shown.min() - margin, shown.max() + margin), ylim=(len(table) - 0.4, -0.8))
    axes.set(xlabel="test accuracy (%): seeds, mean, 95 % t-interval", ylabel="", title=title)
    return figure


def curves_figure(curves: pd.DataFrame, order: list[str], title: str) -> Figure:
    """Loss, accuracy, gradient norm and learning rate over passes (logarithmic), a line a rung, a band over seeds."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure = Figure(figsize=(13, 8), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True).flat
    for index, (axes, (column, label, scale)) in enumerate(zip(panels, PANELS, strict=True)):
        shown = curves.dropna(subset=[column])
        if column == "test_accuracy":
            shown = shown.assign(test_accuracy=100 * shown["test_accuracy"])
        sns.lineplot(
            shown,
            x="passes",
            y=column,
            hue="rung",
            hue_order=order,
            style="rung",
            style_order=order,
            palette="colorblind",
            errorbar=("pi", 100),
            legend=index == 0,
            ax=axes,
        )
        axes.set(xscale="log", yscale=scale, xlabel="passes over the training set", ylabel=label)
        if index == 0:
            sns.move_legend(axes, "lower left", title=None, fontsize="small")
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without a date in it, so that equal figures are equal files."""
    figure.savefig(path, dpi=110, metadata={"Software": None})
