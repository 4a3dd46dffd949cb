"""Figures of what a sweep chooses from: curves over one number, a map of two, a dot a setting over more."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.plots import make_figure, palette_of, search_figure, with_shown
from fbgd.studies.sweep.choice import Selection
from fbgd.studies.sweep.grammar import Axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL, LINE = "panel", "line"


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

    return runs.assign(**{PANEL: joined(panels, "all runs"), LINE: joined(lines, "mean, standard error")})


def map_figure(
    selection: Selection, axes: Sequence[Axis], runs: pd.DataFrame, chosen: pd.DataFrame, title: str
) -> "Figure":
    """The mean over seeds of two settings, a map for each group."""
    import seaborn as sns

    runs, _ = with_shown(runs, selection.metric)
    groups = list(dict.fromkeys(zip(runs[PANEL], runs[LINE], strict=True)))
    count = min(4, len(groups))
    rows = -(-len(groups) // count)
    figure, panels = make_figure((max(6.4, 3.6 * count + 1), 3.0 * rows + 0.6), rows, count)
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
    """A panel for every number: the mean over seeds of every setting that was tried, a colour a group."""
    labels = [*selection.groups, *selection.over]
    hue = "group"
    runs, name = with_shown(runs, selection.metric)
    names = runs[list(selection.groups)].astype(str).agg(" / ".join, axis=1) if selection.groups else "all runs"
    means = runs.assign(**{hue: names}).groupby([hue, *labels], sort=False, as_index=False)["shown"].mean()
    rings = chosen[labels].drop_duplicates().merge(means, on=labels)
    palette = palette_of(means[hue])
    figure, panels = make_figure((max(6.4, 4.2 * len(axes) + 1), 4.2), 1, len(axes), sharey=True)
    for index, (panel, axis) in enumerate(zip(panels, axes, strict=True)):
        for table, options in ((means, {"s": 40, "alpha": 0.8}), (rings, {"s": 220, "facecolors": "none", "lw": 1.8})):
            for group, own in table.groupby(hue, sort=False):
                edge = {"edgecolors": palette[group]} if table is rings else {"color": palette[group], "label": group}
                panel.scatter(own[axis.label].astype(float), own["shown"], **options, **edge)
        values = means[axis.label].astype(float)
        logarithmic = axis.range.log if axis.range else values.min() > 0
        panel.set(xlabel=axis.key, xscale="log" if logarithmic else "linear", ylabel=name if index == 0 else "")
    panels[0].legend(fontsize="small", loc="best")
    figure.suptitle(title)
    return figure
