"""Figures of a study: what one looks at before reading a table."""

import io
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fbgd.report.statistics import t_interval
from fbgd.report.tables import is_fraction
from fbgd.runs.directory import write_atomically

PANELS = (
    ("loss", "training loss", "log"),
    ("test_accuracy", "test accuracy (%)", "linear"),
    ("gradient_norm", "norm of the mean gradient", "log"),
    ("learning_rate", "learning rate", "linear"),
)


DASHES = ("", (4, 1.5), (1, 1), (3, 1, 1.5, 1), (5, 1, 1, 1, 1, 1))
REGIMES = {"SGD": "#d55e00", "full batch": "#0072b2"}


def ladder_figure(
    runs: pd.DataFrame, table: pd.DataFrame, title: str, by: str = "rung", metric: str = "test_accuracy"
) -> Figure:
    """Accuracy by rung: a dot a seed, the mean with its 95 % interval, and published values where there are any.

    Args:
        runs: a row a run.
        table: a row a rung.
        title: of the figure.
        by: the label of the rungs.
        metric: of runs and table.
    """
    figure, (axes,) = make_figure((9, 0.62 * len(table) + 1.6), 1, 1)
    draw_groups(axes, runs, table, by, metric)
    axes.set(title=title)
    return figure


def panels_figure(
    runs: pd.DataFrame, table: pd.DataFrame, by: str, panel: str, title: str, metric: str = "test_accuracy"
) -> Figure:
    """:func:`ladder_figure` by the label ``by``, in a panel for each value of the label ``panel``."""
    values = list(dict.fromkeys(table[panel]))
    rows = max(int((table[panel] == value).sum()) for value in values)
    figure, panels = make_figure((7.5 * len(values), 0.45 * rows + 1.8), 1, len(values))
    for axes, value in zip(panels, values, strict=True):
        draw_groups(axes, runs[runs[panel] == value], table[table[panel] == value].reset_index(drop=True), by, metric)
        axes.set(title=value)
    figure.suptitle(title)
    return figure


def with_shown(runs: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, str]:
    """The runs with a metric as the column ``shown``, and its name: fractions in percent."""
    percent = is_fraction(metric)
    shown = runs.assign(shown=runs[metric].astype(float) * (100 if percent else 1))
    return shown, metric.replace("_", " ") + (" (%)" if percent else "")


def draw_groups(axes: Axes, runs: pd.DataFrame, table: pd.DataFrame, by: str, metric: str = "test_accuracy") -> None:
    """A row a group: a dot a seed, the mean with its 95 % interval, the published value."""
    palette = dict(
        zip(table[by], sns.color_palette("husl" if len(table) > 10 else "colorblind", len(table)), strict=True)
    )
    counted, name = with_shown(runs.dropna(subset=[metric]), metric)
    sns.stripplot(
        counted,
        x="shown",
        y=by,
        order=list(table[by]),
        hue=by,
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
            axes.plot([row["ci_low"], row["ci_high"]], [position] * 2, color=palette[row[by]], lw=2.5, zorder=3)
        axes.plot(row["mean"], position, "|", color=palette[row[by]], ms=18, mew=3, zorder=4)
        if row["n"]:
            place = (row["mean"], position)
            axes.annotate(
                f"{row['mean']:.2f}" if is_fraction(metric) else f"{row['mean']:.4g}",
                place,
                (0, 9),
                textcoords="offset points",
                ha="center",
                fontsize="small",
            )
    known = table.dropna(subset=["published"])
    if len(known):
        axes.plot(known["published"], known.index, "D", mfc="none", color="black", ms=8, label="published")
        axes.legend(loc="lower left")
    # The interval of two seeds may reach far beyond anything that an accuracy can be.
    intervals = table[["ci_low", "ci_high"]].stack().clip(0, 100 if is_fraction(metric) else None)
    shown = pd.concat([counted["shown"], known["published"], intervals])
    margin = 0.03 * (shown.max() - shown.min()) + (1 if is_fraction(metric) else 0.01 * shown.abs().max())
    axes.set(xlim=(shown.min() - margin, shown.max() + margin), ylim=(len(table) - 0.4, -0.8))
    axes.set(xlabel=f"{name}: seeds, mean, 95 % t-interval", ylabel="")


def pairs_figure(runs: pd.DataFrame, by: str, across: str, title: str, metric: str = "test_accuracy") -> Figure:
    """Accuracy by group, for the values of ``across`` next to each other: a dot a seed, mean and 95 % t-interval."""
    order = list(dict.fromkeys(runs[by]))
    figure, (axes,) = make_figure((9, 0.75 * len(order) + 1.8), 1, 1)
    shown, name = with_shown(runs.dropna(subset=[metric]), metric)
    options = {"x": "shown", "y": by, "hue": across, "order": order, "palette": palette_of(shown[across]), "ax": axes}
    sns.stripplot(shown, dodge=True, size=5, linewidth=0.6, edgecolor="black", alpha=0.6, legend=False, **options)
    sns.pointplot(
        shown,
        dodge=0.4,
        linestyle="none",
        marker="D",
        markersize=6,
        errorbar=lambda values: t_interval(values.to_numpy()),
        err_kws={"linewidth": 2},
        **options,
    )
    sns.move_legend(axes, "lower left", title=None)
    axes.set(xlabel=f"{name}: seeds, mean, 95 % t-interval", ylabel="", title=title)
    return figure


def search_figure(
    searched: pd.DataFrame,
    chosen: pd.DataFrame,
    by: str,
    hue: str,
    key: str,
    title: str,
    columns: int = 5,
    metric: str = "validation_accuracy",
) -> Figure:
    """Validation accuracy over the candidates for a setting: how forgiving each group is.

    Args:
        searched: a row a candidate, with the labels ``by`` and ``hue`` and the column ``candidate``.
        chosen: the labels and the column ``candidate`` of what was chosen, which gets a ring; where several were, the
            column ``share`` says how often each, which is the ring's area.
        by: a panel for each of its values.
        hue: a line for each of its values.
        key: the name of the setting.
        title: of the figure.
        columns: panels in a row.
        metric: what was chosen by.
    """
    names = list(dict.fromkeys(searched[by]))
    count = min(columns, len(names))
    rows = -(-len(names) // count)
    figure, panels = make_figure((max(6.2, 3.1 * count), 2.5 * rows + 0.6), rows, count, sharey=True)
    shown, name = with_shown(with_numbers(searched), metric)
    means = shown.groupby([by, hue, "value"], sort=False, as_index=False)["shown"].mean()
    rings = with_numbers(chosen).merge(means, on=[by, hue, "value"])
    palette = palette_of(searched[hue])
    for index, axes in enumerate(panels):
        if index >= len(names):
            axes.set_axis_off()
            continue
        mine, ringed = (frame[frame[by] == names[index]] for frame in (shown, rings))
        line = {"x": "value", "y": "shown", "hue": hue, "palette": palette, "marker": "o", "errorbar": "se"}
        sns.lineplot(mine, **line, legend=index == 0, ax=axes)
        for ring in ringed.to_dict("records"):
            size = 13 * ring.get("share", 1) ** 0.5
            axes.plot(ring["value"], ring["shown"], "o", mfc="none", mec=palette[ring[hue]], ms=size, mew=1.8)
        values = sorted(set(mine["value"]))
        axes.set(xscale="log" if min(values, default=1) > 0 else "linear", title=names[index])
        if is_fraction(metric):
            axes.set(ylim=(0, 104))
        axes.set_xticks(values, [f"{value:g}" for value in values], fontsize="small", rotation=30)
        axes.minorticks_off()
        axes.set(xlabel=key if index >= len(names) - count else "", ylabel="")
        if index == 0:
            sns.move_legend(axes, "lower center", title=None, fontsize="small")
    figure.supylabel(name)
    figure.suptitle(title)
    return figure


def with_numbers(searched: pd.DataFrame) -> pd.DataFrame:
    """Rows of a search with the candidate as the number ``value``."""
    return searched.assign(value=searched["candidate"].astype(float)).drop(columns="candidate")


def palette_of(values: pd.Series) -> dict[str, object]:
    """A colour a value: the regimes have their own."""
    names = list(dict.fromkeys(values))
    return {
        name: REGIMES.get(name, colour)
        for name, colour in zip(names, sns.color_palette("colorblind", len(names)), strict=True)
    }


def curves_figure(curves: pd.DataFrame, order: list[str], title: str, hue: str = "rung") -> Figure:
    """Loss, accuracy, gradient norm and learning rate over passes (logarithmic), a line a group, a band over seeds."""
    figure, panels = make_figure((13, 8), 2, 2, sharex=True)
    for index, (axes, (column, label, scale)) in enumerate(zip(panels, PANELS, strict=True)):
        draw_curves(axes, curves, column, hue, order, legend=index == 0)
        axes.set(xscale="log", yscale=scale, xlabel="passes over the training set", ylabel=label)
        if index == 0:
            sns.move_legend(axes, "lower left", title=None, fontsize="small")
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


def panel_curves_figure(curves: pd.DataFrame, order: list[str], title: str, hue: str, panel: str) -> Figure:
    """Training loss and test accuracy over their cost: a row of panels for each value of the label ``panel``."""
    values = list(dict.fromkeys(curves[panel]))
    figure, panels = make_figure((14, 5 * len(values)), len(values), 2)
    for index, axes in enumerate(panels):
        value, (column, label, scale) = values[index // 2], PANELS[index % 2]
        mine = curves[curves[panel] == value]
        draw_curves(axes, mine, column, hue, order, legend=index == 1, x="gradient_evaluations")
        axes.set(yscale=scale, xlabel="gradient evaluations", ylabel=label, title=value)
        if index == 1:
            sns.move_legend(axes, "upper left", bbox_to_anchor=(1, 1), title=None, fontsize="small")
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


def draw_curves(
    axes: Axes, curves: pd.DataFrame, column: str, hue: str, order: list[str], *, legend: bool, x: str = "passes"
) -> None:
    """A recorded column over passes, or over another column, a line a group."""
    shown = curves.dropna(subset=[column])
    if column == "test_accuracy":
        shown = shown.assign(test_accuracy=100 * shown["test_accuracy"])
    many = len(order) > 10
    sns.lineplot(
        shown,
        x=x,
        y=column,
        hue=hue,
        hue_order=order,
        style=hue,
        style_order=order,
        dashes=[DASHES[index % len(DASHES)] for index in range(len(order))],
        palette=sns.color_palette("husl" if many else "colorblind", len(order)),
        errorbar=("pi", 100),
        legend=legend,
        ax=axes,
    )


def make_figure(size: tuple[float, float], rows: int, columns: int, **options) -> tuple[Figure, list[Axes]]:
    """A figure in the common style and its axes, row by row."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without a date in it, so that equal figures are equal files."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    write_atomically(path, picture.getvalue())
