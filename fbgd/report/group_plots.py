"""Figures of groups: a dot a seed, means with their intervals, and what was published."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.paper import points
from fbgd.report.plots import MOST_COLOURS, make_figure, palette_of, with_few_hues, with_shown
from fbgd.report.ranges import shown_interval, within_range
from fbgd.report.tables import is_fraction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ladder_figure(
    runs: pd.DataFrame, table: pd.DataFrame, title: str, by: str = "rung", metric: str = "test_accuracy"
) -> "Figure":
    """Accuracy by rung: a dot a seed, the mean with its 95 % interval, and published values where there are any.

    Args:
        runs: a row a run.
        table: a row a rung.
        title: of the figure.
        by: the label of the rungs.
        metric: of runs and table.
    """
    upper = upper_rows(table)
    figure, panels = make_figure((14 if upper.any() else 9, 0.62 * len(table) + 1.6), 1, 2 if upper.any() else 1)
    for axes in panels:
        draw_groups(axes, runs, table, by, metric)
    if upper.any():
        names = table.loc[upper, by]
        panels[1].set(xlim=limits(runs[runs[by].isin(names)], table[upper], metric), yticklabels=[])
        panels[1].set_title("the upper rows, enlarged")
        if (legend := panels[1].get_legend()) is not None:
            legend.remove()
    figure.suptitle(title)
    return figure


def upper_rows(table: pd.DataFrame) -> pd.Series:
    """The rows whose means lie together above a gap of more than half of all means' range; none without such a gap."""
    ordered = table["mean"].dropna().sort_values()
    gaps = ordered.diff()
    if len(ordered) < 4 or not gaps.max() > 0.5 * (ordered.iloc[-1] - ordered.iloc[0]):
        return table["mean"] > float("inf")
    upper = table["mean"] >= ordered[gaps.idxmax()]
    return upper if upper.sum() >= 3 else upper & False


def panels_figure(
    runs: pd.DataFrame, table: pd.DataFrame, by: str, panel: str, title: str, metric: str = "test_accuracy"
) -> "Figure":
    """:func:`ladder_figure` by the label ``by``, in a panel for each value of the label ``panel``."""
    values = list(dict.fromkeys(table[panel]))
    rows = max(int((table[panel] == value).sum()) for value in values)
    figure, panels = make_figure((7.5 * len(values), 0.45 * rows + 1.8), 1, len(values))
    for axes, value in zip(panels, values, strict=True):
        draw_groups(axes, runs[runs[panel] == value], table[table[panel] == value].reset_index(drop=True), by, metric)
        axes.set(title=value)
    figure.suptitle(title)
    return figure


def draw_groups(axes: "Axes", runs: pd.DataFrame, table: pd.DataFrame, by: str, metric: str = "test_accuracy") -> None:
    """A row a group: a dot a seed, the mean with its 95 % interval, the published value."""
    import seaborn as sns

    palette = row_colours(list(table[by]))
    counted, name = with_shown(runs.dropna(subset=[metric]), metric)
    sns.stripplot(
        counted,
        x="shown",
        y=by,
        order=list(table[by]),
        hue=by,
        palette=palette,
        legend=False,
        size=points(6),
        linewidth=points(0.8),
        edgecolor="black",
        jitter=False,
        zorder=5,
        ax=axes,
    )
    for position, row in enumerate(table.to_dict("records")):
        if row["ci_low"] == row["ci_low"]:
            ends = [within_range(row[end], metric) for end in ("ci_low", "ci_high")]
            axes.plot(ends, [position] * 2, color=palette[row[by]], lw=points(2.5), zorder=3)
        axes.plot(row["mean"], position, "|", color=palette[row[by]], ms=points(18), mew=points(3), zorder=4)
        if row["n"]:
            place = (row["mean"], position)
            axes.annotate(
                f"{row['mean']:.2f}" if is_fraction(metric) else f"{row['mean']:.4g}",
                place,
                (0, points(11)),
                textcoords="offset points",
                ha="center",
                fontsize="small",
            )
    known = table.dropna(subset=["published"])
    if len(known):
        axes.plot(known["published"], known.index, "D", mfc="none", color="black", ms=points(8), label="published")
        axes.legend(loc="lower left")
    axes.set(xlim=limits(runs, table, metric), ylim=(len(table) - 0.4, -0.8))
    axes.set(xlabel=f"{name}: seeds, mean, 95 % t-interval", ylabel="")


def row_colours(names: list[str]) -> dict[str, object]:
    """A colour a row; of many rows, which are named beside the axis and need none, one colour for all."""
    import seaborn as sns

    colours = sns.color_palette("colorblind", MOST_COLOURS)
    few = len(names) <= MOST_COLOURS
    return {name: colours[place if few else 0] for place, name in enumerate(names)}


def limits(runs: pd.DataFrame, table: pd.DataFrame, metric: str) -> tuple[float, float]:
    """An axis that holds all values, means' intervals and published values of these rows."""
    counted, _ = with_shown(runs.dropna(subset=[metric]), metric)
    intervals = table[["ci_low", "ci_high"]].stack().map(lambda value: within_range(value, metric))
    shown = pd.concat([counted["shown"], table["published"].dropna(), intervals])
    spread = shown.max() - shown.min()
    least = min(1, 0.1 * spread + 0.1) if is_fraction(metric) else 0.01 * shown.abs().max()
    margin = 0.03 * spread + least
    return shown.min() - margin, shown.max() + margin


def pairs_figure(runs: pd.DataFrame, by: str, across: str, title: str, metric: str = "test_accuracy") -> "Figure":
    """Accuracy by group, for the values of ``across`` next to each other: a dot a seed, mean and 95 % t-interval.

    Where ``across`` has more values than there are colours, it changes places with the rows, or gets rows of its own.
    """
    import seaborn as sns

    runs, _, by, across = with_few_hues((runs, runs), by, across, "mean, 95 % t-interval")
    order = list(dict.fromkeys(runs[by]))
    shown, name = with_shown(runs.dropna(subset=[metric]), metric)
    palette = palette_of(shown[across])
    count = max(1, len(palette))
    figure, (axes,) = make_figure((9, max(0.75, 0.25 * count) * len(order) + 1.8), 1, 1)
    options = {"x": "shown", "y": by, "hue": across, "order": order, "palette": palette, "ax": axes}
    dots = {"size": points(5), "linewidth": points(0.6), "edgecolor": "black", "alpha": 0.6, "jitter": False}
    sns.stripplot(shown, dodge=True, legend=False, **dots, **options)
    sns.pointplot(
        shown,
        dodge=0.8 * (count - 1) / count,
        linestyle="none",
        marker="D",
        markersize=points(6),
        errorbar=lambda values: shown_interval(values, metric),
        err_kws={"linewidth": points(2)},
        **options,
    )
    sns.move_legend(axes, "lower left", title=None)
    axes.set(xlabel=f"{name}: seeds, mean, 95 % t-interval", ylabel="")
    figure.suptitle(title)
    return figure
