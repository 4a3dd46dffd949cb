"""Figures of what a sweep chooses from: curves over one number, a map of two, a dot a setting over more."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from fbgd.report.multiples import OTHERS
from fbgd.report.paper import points
from fbgd.report.plots import (
    ALONE,
    MOST_COLOURS,
    legend_below,
    make_figure,
    palette_of,
    powers_of_ten,
    search_figure,
    with_shown,
)
from fbgd.studies.sweep.choice import Selection
from fbgd.studies.sweep.grammar import Axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, LINE, GROUP = "panel", "line", "group"


def search_plot(
    selection: Selection, axes: Sequence[Axis], runs: pd.DataFrame, title: str, *, grid: bool
) -> "Figure | None":
    """The metric over the settings that are chosen, the chosen ones ringed; nothing where none is a number.

    Args:
        selection: what is chosen.
        axes: the chosen settings.
        runs: a row a run of the search.
        title: of the study.
        grid: whether every combination was run.
    """
    chosen = selection.keep(runs, selection.choose(runs).values())
    if not len(chosen):
        return None
    runs, chosen = (with_places(selection, table) for table in (runs, chosen))
    title = f"{title}\n{selection.metric.replace('_', ' ')}, mean over seeds, the chosen setting ringed"
    numbers = [axis for axis in axes if axis.numeric]
    if len(axes) == len(numbers) == 1 and grid:
        name = {axes[0].label: "candidate"}
        searched, rings = (table.rename(columns=name) for table in (runs, chosen.drop(columns=[selection.metric])))
        rings = rings[[PANEL, LINE, "candidate"]].drop_duplicates()
        return search_figure(searched, rings, PANEL, LINE, axes[0].key, title, metric=selection.metric)
    if len(axes) == len(numbers) == 2 and grid:
        return map_figure(selection, axes, runs, chosen, title)
    return dots_figure(selection, numbers, runs, chosen, title) if numbers else None


def with_places(selection: Selection, runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with a column for the panel and one for the line of their group: the last label, where there are two."""
    groups = list(selection.groups)
    panels, lines = (groups[:-1], groups[-1:]) if len(groups) > 1 else (groups, [])

    def joined(labels: list[str], default: str) -> pd.Series:
        if not labels:
            return pd.Series(default, runs.index)
        return runs[labels].astype(str).agg(" / ".join, axis=1)

    return runs.assign(**{PANEL: joined(panels, "all runs"), LINE: joined(lines, ALONE)})


def map_figure(
    selection: Selection, axes: Sequence[Axis], runs: pd.DataFrame, chosen: pd.DataFrame, title: str
) -> "Figure":
    """The mean over seeds of two settings, a map for each group."""
    import seaborn as sns

    runs, _ = with_shown(runs, selection.metric)
    groups = list(dict.fromkeys(zip(runs[PANEL], runs[LINE], strict=True)))
    count = min(4, len(groups))
    rows = -(-len(groups) // count)
    figure, panels = make_figure((max(7.4, 3.6 * count + 1), 3.0 * rows + 0.6), rows, count)
    across, down = (axis.label for axis in axes)
    low, high = runs.groupby([PANEL, LINE, across, down])["shown"].mean().agg(["min", "max"])
    for index, panel in enumerate(panels):
        if index >= len(groups):
            panel.set_axis_off()
            continue
        mine, best = (
            table[(table[PANEL] == groups[index][0]) & (table[LINE] == groups[index][1])] for table in (runs, chosen)
        )
        # A mean over some of the seeds is none to compare.
        means = mine.pivot_table(index=down, columns=across, values="shown", aggfunc=lambda own: own.mean(skipna=False))
        means = means.sort_index(key=lambda values: values.astype(float), ascending=False)
        means = means.sort_index(key=lambda values: values.astype(float), axis=1)
        sns.heatmap(means, vmin=low, vmax=high, annot=True, fmt=".3g", cmap="viridis", cbar=False, ax=panel)
        for place in {(row[across], row[down]) for row in best.to_dict("records")}:
            x, y = list(means.columns).index(place[0]) + 0.5, list(means.index).index(place[1]) + 0.5
            panel.plot(x, y, "o", mfc="none", mec="#d55e00", ms=30, mew=2.5)
        names = [groups[index][0]] + [groups[index][1]] * (len(selection.groups) > 1)
        panel.set(title=" / ".join(names), xlabel=axes[0].key, ylabel=axes[1].key)
    figure.suptitle(title)
    return figure


def dots_figure(
    selection: Selection, axes: Sequence[Axis], runs: pd.DataFrame, chosen: pd.DataFrame, title: str
) -> "Figure":
    """A panel for every number: the mean over seeds of every setting that was tried, a colour a group.

    More groups than there are colours have panels of their own, with all others in grey.
    """
    labels = [*selection.groups, *selection.over]
    runs, name = with_shown(runs, selection.metric)
    names = runs[list(selection.groups)].astype(str).agg(" / ".join, axis=1) if selection.groups else "all runs"
    means = runs.assign(**{GROUP: names}).groupby([GROUP, *labels], sort=False, as_index=False)["shown"].mean()
    rings = chosen[labels].drop_duplicates().merge(means, on=labels)
    palette = palette_of(means[GROUP])
    few = len(palette) <= MOST_COLOURS
    groups = [list(palette)] if few else [[group] for group in palette]
    # The panels of a group stay in one row.
    columns = len(axes) if few else max(1, 6 // len(axes)) * len(axes)
    count = len(groups) * len(axes)
    rows = -(-count // columns)
    size = (max(7.4, 4.2 * columns + 1), 4.2) if few else (2.6 * columns + 0.6, 2.5 * rows + 0.8)
    figure, panels = make_figure(size, rows, columns, sharey=True)
    for place, panel in enumerate(panels):
        if place >= count:
            panel.set_axis_off()
            continue
        shown, axis = groups[place // len(axes)], axes[place % len(axes)]
        draw_dots(panel, means, rings, axis, {group: palette[group] for group in shown})
        panel.set(title="" if few else shown[0], xlabel=axis.key if place >= count - columns else "")
    if few and len(palette) > 1:
        legend_below(figure, palette)
    figure.supylabel(name)
    figure.suptitle(title if few else f"{title}; all others in grey")
    return figure


def draw_dots(panel: "Axes", means: pd.DataFrame, rings: pd.DataFrame, axis: Axis, palette: dict[str, object]) -> None:
    """The settings of the groups in ``palette`` over one number, the chosen ones ringed; those of others in grey."""
    others = means[~means[GROUP].isin(palette)]
    if len(others):
        panel.scatter(others[axis.label].astype(float), others["shown"], s=points(points(12)), color=OTHERS, lw=0)
    for group, colour in palette.items():
        own, ringed = (table[table[GROUP] == group] for table in (means, rings))
        panel.scatter(own[axis.label].astype(float), own["shown"], s=points(points(40)), alpha=0.8, color=colour)
        ring: dict[str, Any] = {
            "s": points(points(220)),
            "facecolors": "none",
            "edgecolors": [colour],
            "lw": points(1.8),
        }
        panel.scatter(ringed[axis.label].astype(float), ringed["shown"], **ring, clip_on=False)
    values = means[axis.label].astype(float)
    if axis.range.log if axis.range else values.min() > 0:
        powers_of_ten(panel, values)
    else:
        panel.locator_params(axis="x", nbins=4)
        panel.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
