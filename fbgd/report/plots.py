"""Figures of a study: what one looks at before reading a table."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fbgd.report.paper import points, sheet, without_title
from fbgd.report.tables import is_fraction
from fbgd.runs.directory import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = (
    ("loss", "training loss", "log"),
    ("test_accuracy", "test accuracy (%)", "linear"),
    ("gradient_norm", "norm of the mean gradient", "log"),
    ("learning_rate", "learning rate", "linear"),
)


DASHES = ("", (4, 1.5), (1, 1), (3, 1, 1.5, 1), (5, 1, 1, 1, 1, 1))
# More hues nobody tells apart.
MOST_COLOURS = 10
# What a line is where every group has a panel.
ALONE = "mean, standard error"
REGIMES = {"SGD": "#d55e00", "full batch": "#0072b2"}
# Where the palette "colorblind" has colours that look like these.
REGIME_PLACES = {"SGD": 3, "full batch": 0}


def with_shown(runs: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, str]:
    """The runs with a metric as the column ``shown``, and its name: fractions in percent."""
    percent = is_fraction(metric)
    shown = runs.assign(shown=runs[metric].astype(float) * (100 if percent else 1))
    return shown, metric.replace("_", " ") + (" (%)" if percent else "")


def search_figure(
    searched: pd.DataFrame,
    chosen: pd.DataFrame,
    by: str,
    hue: str,
    key: str,
    title: str,
    columns: int = 5,
    metric: str = "validation_accuracy",
) -> "Figure":
    """Validation accuracy over the candidates for a setting, in few hues: how forgiving each group is.

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
    import seaborn as sns

    searched, chosen, by, hue = with_few_hues([searched, chosen], by, hue)
    names = list(dict.fromkeys(searched[by]))
    count = min(columns, len(names))
    rows = -(-len(names) // count)
    figure, panels = make_figure((max(7.4, 3.1 * count), 2.5 * rows + 0.6), rows, count, sharey=True)
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
        sns.lineplot(mine, **line, legend=False, ax=axes)
        for ring in ringed.to_dict("records"):
            size = 13 * ring.get("share", 1) ** 0.5
            # A ring at an end of the axis is whole.
            edge = {"mfc": "none", "mec": palette[ring[hue]], "mew": points(1.8), "clip_on": False}
            axes.plot(ring["value"], ring["shown"], "o", ms=points(size), **edge)
        values = sorted(set(mine["value"]))
        axes.set(title=names[index])
        if min(values, default=1) > 0:
            powers_of_ten(axes, values)
        if is_fraction(metric):
            # Room for the marks of 0 and 100.
            axes.set(ylim=(-4, 104))
        axes.set(xlabel=key if index >= len(names) - count else "", ylabel="")
    legend_below(figure, palette)
    figure.supylabel(name)
    figure.suptitle(title)
    return figure


def with_few_hues(
    tables: Sequence[pd.DataFrame], by: str, hue: str, alone: str = ALONE
) -> tuple[pd.DataFrame, pd.DataFrame, str, str]:
    """Two tables of groups, the label of their panels and that of their lines, no more of these than colours.

    Args:
        tables: with the labels ``by`` and ``hue``; the first has all groups.
        by: the label that is to be the panels'.
        hue: the label that is to be the lines'.
        alone: what a line is called where every group has a panel.
    """
    first, second = tables
    if first[hue].nunique() <= MOST_COLOURS:
        return first, second, by, hue
    if first[by].nunique() <= MOST_COLOURS:
        return first, second, hue, by
    first, second = (
        table.assign(**{by: table[by].astype(str) + " / " + table[hue].astype(str), hue: alone}) for table in tables
    )
    return first, second, by, hue


def powers_of_ten(axes: "Axes", values: Iterable[float]) -> None:
    """A logarithmic axis of settings: few ticks, written out, and marks between them.

    Args:
        axes: whose x axis it is.
        values: that are drawn; over less than two decades there are ticks between the powers of ten.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    known = list(values)
    decades = math.log10(max(known) / min(known))
    between = (1, 2, 5) if decades < 1.3 else (1, 3) if decades < 2.3 else (1,)
    axes.set(xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=between, numticks=5 * len(between)))
    axes.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def legend_below(figure: "Figure", colours: Mapping[str, Any]) -> None:
    """One legend for all panels, at the figure's lower edge, in as many columns as there is room for, at most six."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, lw=points(2)) for colour in colours.values()]
    # Inches of the longest entry.
    entry = points(1) * (0.1 * max(map(len, map(str, colours)), default=0) + 0.7)
    columns = max(1, min(6, len(colours), int(figure.get_size_inches()[0] / entry)))
    figure.legend(handles, list(colours), loc="outside lower center", ncols=columns, frameon=False)


def with_numbers(searched: pd.DataFrame) -> pd.DataFrame:
    """Rows of a search with the candidate as the number ``value``."""
    return searched.assign(value=searched["candidate"].astype(float)).drop(columns="candidate")


def palette_of(values: pd.Series) -> dict[str, Any]:
    """A colour a value: the regimes have their own; one for all where there are more than can be told apart."""
    import seaborn as sns

    names = list(dict.fromkeys(values))
    colours = sns.color_palette("colorblind", MOST_COLOURS)
    if len(names) > MOST_COLOURS:
        return dict.fromkeys(names, colours[0])
    # No other value gets a regime's colour.
    taken = [REGIME_PLACES[name] for name in names if name in REGIMES]
    free = iter([colour for place, colour in enumerate(colours) if place not in taken])
    return {name: REGIMES[name] if name in REGIMES else next(free) for name in names}


def curves_figure(curves: pd.DataFrame, order: list[str], title: str, hue: str = "rung") -> "Figure":
    """Loss, accuracy, gradient norm and learning rate over passes (logarithmic), a line a group, a band over seeds."""
    import seaborn as sns

    figure, panels = make_figure((13, 8), 2, 2, sharex=True)
    for index, (axes, (column, label, scale)) in enumerate(zip(panels, PANELS, strict=True)):
        draw_curves(axes, curves, column, hue, order, legend=index == 0)
        axes.set(xscale="log", yscale=scale, xlabel="passes over the training set", ylabel=label)
        if index == 0:
            sns.move_legend(axes, "lower left", title=None, fontsize="small")
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


def panel_curves_figure(curves: pd.DataFrame, order: list[str], title: str, hue: str, panel: str) -> "Figure":
    """Training loss and test accuracy over their cost: a row of panels for each value of the label ``panel``."""
    import seaborn as sns

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
    axes: "Axes", curves: pd.DataFrame, column: str, hue: str, order: list[str], *, legend: bool, x: str = "passes"
) -> None:
    """A recorded column over passes, or over another column, a line a group."""
    import seaborn as sns

    shown = curves.dropna(subset=[column])
    if column == "test_accuracy":
        shown = shown.assign(test_accuracy=100 * shown["test_accuracy"])
    sns.lineplot(
        shown,
        x=x,
        y=column,
        hue=hue,
        hue_order=order,
        style=hue,
        style_order=order,
        dashes=[DASHES[index % len(DASHES)] for index in range(len(order))],
        palette=sns.color_palette("colorblind", len(order)),
        errorbar=("pi", 100),
        legend=legend,
        ax=axes,
    )


def make_figure(size: tuple[float, float], rows: int, columns: int, **options) -> "tuple[Figure, list[Axes]]":
    """A figure in the common style and its axes, row by row; ``size`` in inches is that on screen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=sheet(size, columns), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


# What would tell one writing of a figure from another, by the kind of file.
UNDATED: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Creator": None, "Date": None},
}


def save(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG, PDF or SVG, by the file's ending, without a date, so that equal ones are equal files."""
    import matplotlib

    picture = io.BytesIO()
    # Text stays text, in fonts that are part of a PDF, and names within an SVG are no random ones.
    with matplotlib.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": path.name}):
        without_title(figure).savefig(picture, format=path.suffix[1:], dpi=110, metadata=UNDATED[path.suffix])
    write_atomically(path, picture.getvalue())
