"""What the figures of double descent are drawn with."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

STYLES = {
    "train": {"color": "C0", "linestyle": "--"},
    "test": {"color": "C3", "linestyle": "-"},
    "test, stopped early": {"color": "C2", "linestyle": "-."},
    "test, ensemble of the seeds": {"color": "C4", "linestyle": ":"},
}


def error_axes(axes: "Axes", table: pd.DataFrame, x: str, curves: Mapping[str, str], *, legend: bool) -> None:
    """Errors in percent over a logarithmic axis, with a band over the seeds.

    Args:
        axes: drawn on.
        table: a row a run.
        x: the column on the horizontal axis.
        curves: name to column.
        legend: whether there is one.
    """
    import seaborn as sns

    for name, column in curves.items():
        sns.lineplot(
            table.assign(error=100 * table[column]),
            x=x,
            y="error",
            errorbar=("pi", 100),
            marker="o",
            markersize=4,
            label=name if legend else None,
            legend=legend,
            ax=axes,
            **STYLES[name],
        )
    axes.set(xscale="log", xlabel=x.replace("_", " "), ylabel="error (%)")
    plain_ticks(axes, sorted(table[x].unique()))


def plain_ticks(axes: "Axes", values: list[float], most: int = 8) -> None:
    """Numbers as they are on a logarithmic horizontal axis, at some of ``values``."""
    plain_numbers(axes.xaxis, values[:: -(-len(values) // most)])


def plain_numbers(axis: "Axis", values: list[float] | None = None) -> None:
    """Numbers as they are on a logarithmic axis, at ``values`` or at 1, 2, 5 times the powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if values is None else FixedLocator(values))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def mark_threshold(axes: "Axes", position: float, color: object = "0.3") -> None:
    """A dotted vertical line, where there is a position."""
    if not math.isnan(position):
        axes.axvline(position, color=color, linestyle=":", linewidth=1.5)


def width_colours(widths: list[int]) -> dict[int, object]:
    """A colour a width, from one scale by the logarithm, the same in every panel."""
    import seaborn as sns
    from matplotlib.colors import LogNorm

    scale, norm = sns.color_palette("viridis", as_cmap=True), LogNorm(min(widths), 1.15 * max(widths))
    return {width: scale(norm(width)) for width in widths}


def draw_band(axes: "Axes", table: pd.DataFrame, x: str, column: str, scale: float = 100, **style) -> None:
    """The mean over the seeds, and their range, of a fraction in percent, or of a column at another ``scale``."""
    groups = (scale * table.set_index(x)[column]).groupby(level=0)
    axes.plot(groups.mean(), linewidth=1.8, **style)
    axes.fill_between(groups.min().index, groups.min(), groups.max(), color=style["color"], alpha=0.18, linewidth=0)


def passes_axis(axes: "Axes", most: float) -> None:
    """A logarithmic axis over passes."""
    axes.set(xscale="log", xlim=(1, most), xlabel="passes over the training set")
    plain_numbers(axes.xaxis)


def mark_map(axes: "Axes", train_error: pd.DataFrame, epsilon: float) -> None:
    """Logarithmic axes for a map over width (rows) and passes (columns), and the line where the train error crosses."""
    if train_error.to_numpy().min() < epsilon < train_error.to_numpy().max():
        axes.contour(train_error.columns, train_error.index, train_error, levels=[epsilon], colors="C0")
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        plain_numbers(axis)
    axes.grid(False)
