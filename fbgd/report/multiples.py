"""Many groups in one figure: a panel each, before all others in grey."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.paper import points
from fbgd.report.plots import legend_below, make_figure, palette_of
from fbgd.report.tables import is_fraction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = "0.8"


def multiples(count: int) -> "tuple[Figure, list[Axes]]":
    """So many panels with the same axes, at most six in a row; the lowest of a column has the ticks' labels."""
    columns = min(6, count)
    rows = -(-count // columns)
    figure, panels = make_figure((2.6 * columns, 2.3 * rows + 0.8), rows, columns, sharex=True, sharey=True)
    for axes in panels[count:]:
        axes.set_axis_off()
    for axes in panels[max(0, count - columns) : count]:
        axes.tick_params(axis="x", labelbottom=True)
    return figure, panels[:count]


def multiples_figure(
    curves: pd.DataFrame,
    order: list[str],
    title: str,
    by: str,
    hue: str = "",
    column: str = "test_accuracy",
    x: str = "gradient_evaluations",
) -> "Figure":
    """A recorded column over its cost, a panel for each value of ``by``: mean and range over seeds.

    Args:
        curves: recorded rows of runs, with their labels.
        order: of the panels.
        title: of the figure.
        by: the label whose values are too many for colours.
        hue: another label, a colour a value; empty for none.
        column: what is drawn, fractions in percent.
        x: over what.
    """
    import seaborn as sns

    labels = [by, *filter(None, [hue])]
    shown = curves.dropna(subset=[column])
    shown = shown.assign(shown=shown[column] * (100 if is_fraction(column) else 1))
    means = shown.groupby([*labels, x], sort=False, as_index=False)["shown"].mean()
    palette = palette_of(shown[hue]) if hue else None
    figure, panels = multiples(len(order))
    for axes, name in zip(panels, order, strict=True):
        for _, other in means[means[by] != name].groupby(labels, sort=False):
            axes.plot(other[x], other["shown"], color=OTHERS, lw=points(0.8), zorder=1)
        axes.set(title=name, xlabel="", ylabel="")
        mine = shown[shown[by] == name]
        if not len(mine):
            continue
        options = {"hue": hue, "palette": palette} if hue else {"color": sns.color_palette("colorblind")[0]}
        sns.lineplot(mine, x=x, y="shown", errorbar=("pi", 100), legend=False, zorder=3, ax=axes, **options)
        axes.set(xlabel="", ylabel="")
    unit = " (%)" if is_fraction(column) else ""
    figure.supylabel(column.replace("_", " ") + unit)
    figure.supxlabel(x.replace("_", " "))
    if palette:
        legend_below(figure, palette)
    figure.suptitle(f"{title}: mean and range over seeds, all others in grey")
    return figure
