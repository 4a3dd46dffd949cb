"""Figures of more groups than there are colours, and axes, legends and marks that can be read whole."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb

from fbgd.report.group_plots import pairs_figure
from fbgd.report.multiples import OTHERS
from fbgd.report.paper import on_paper
from fbgd.report.plots import (
    MOST_COLOURS,
    REGIMES,
    legend_below,
    make_figure,
    palette_of,
    powers_of_ten,
    search_figure,
)
from fbgd.studies.sweep.choice import Selection
from fbgd.studies.sweep.grammar import Axis
from fbgd.studies.sweep.plots import search_plot

MANY = [f"optimizer {place}" for place in range(13)]


def many_runs(groups, rates=(0.01, 0.1, 1.0), **labels):
    """Two seeds of every group at every rate, the best at 0.1, worse from group to group."""
    return pd.DataFrame(
        [
            {**group, **labels, "lr": f"{rate:g}", "seed": seed, "status": "done",
             "validation_accuracy": 0.9 - 0.1 * abs(math.log10(rate) + 1) - 0.01 * place + 0.001 * seed}
            for place, group in enumerate(groups) for rate in rates for seed in (0, 1)
        ]
    )  # fmt: skip


def seen(figure):
    """The panels of a figure that hold something."""
    return [panel for panel in figure.axes if panel.axison]


def hues(panel):
    """The colours of a panel's lines, dots left out."""
    return {to_hex(line.get_color()) for line in panel.lines if len(line.get_xdata()) > 1}


class TestManyGroups:
    RATE = Axis("optimizer.lr", "lr", ("0.01", "0.1", "1"))

    def test_lines_change_places_with_panels(self):
        groups = [{"regime": regime, "optimizer": name} for regime in ("SGD", "full batch") for name in MANY]
        selection = Selection("validation_accuracy", ("lr",), ("regime", "optimizer"), numeric=("lr",))
        figure = search_plot(selection, [self.RATE], many_runs(groups), "title", grid=True)
        assert [panel.get_title() for panel in seen(figure)] == MANY
        assert all(len(hues(panel)) == 2 for panel in seen(figure))
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["SGD", "full batch"]

    @pytest.mark.slow
    def test_where_both_are_too_many_each_has_a_panel(self):
        groups = [{"model": f"model {place}", "optimizer": name} for place in range(11) for name in MANY[:11]]
        selection = Selection("validation_accuracy", ("lr",), ("model", "optimizer"), numeric=("lr",))
        figure = search_plot(selection, [self.RATE], many_runs(groups), "title", grid=True)
        assert len({panel.get_title() for panel in seen(figure)}) == 121
        assert all(len(hues(panel)) == 1 for panel in seen(figure))

    @pytest.mark.parametrize("numbers", [1, 2])
    def test_dots_have_a_panel_a_group_before_all_others_in_grey(self, numbers):
        axes = [self.RATE, Axis("optimizer.decay", "decay", ("0", "0.1"))][:numbers]
        runs = many_runs([{"optimizer": name} for name in MANY], decay="0")
        selection = Selection("validation_accuracy", tuple(axis.label for axis in axes), ("optimizer",), numeric=())
        figure = search_plot(selection, axes, runs, "title", grid=False)
        assert [panel.get_title() for panel in seen(figure)] == [name for name in MANY for _ in axes]
        for panel in seen(figure):
            others, own, ring = panel.collections
            assert (len(others.get_offsets()), len(own.get_offsets()), len(ring.get_offsets())) == (36, 3, 1)
            assert to_hex(others.get_facecolor()[0]) == to_hex(OTHERS) != to_hex(own.get_facecolor()[0])
        assert not figure.legends

    def test_few_groups_of_dots_have_a_colour_each_and_ticks_written_out(self):
        runs = many_runs([{"optimizer": name} for name in MANY[:10]])
        selection = Selection("validation_accuracy", ("lr",), ("optimizer",), numeric=())
        figure = search_plot(selection, [self.RATE], runs, "title", grid=False)
        (panel,) = figure.axes
        assert len({to_hex(dots.get_edgecolor()[0]) for dots in panel.collections}) == 10
        assert figure.legends[0]._ncols <= 6
        figure.draw_without_rendering()
        low, high = panel.get_xlim()
        ticks = [text.get_text() for place, text in zip(panel.get_xticks(), panel.get_xticklabels(), strict=True)
                 if low <= place <= high]  # fmt: skip
        assert ticks == ["0.01", "0.03", "0.1", "0.3", "1"]


PLENTY = MOST_COLOURS + 3


@pytest.mark.parametrize("count", [1, 4, MOST_COLOURS, PLENTY])
@pytest.mark.parametrize("first", [["SGD"], ["SGD", "full batch"], []])
def test_two_values_share_a_colour_only_where_all_do(count, first):
    """A regime has its own colour, and no other value one that looks like it."""
    names = [*first, *(f"value {place}" for place in range(count - len(first)))]
    palette = palette_of(pd.Series(names * 2))
    assert list(palette) == names
    colours = [np.array(to_rgb(colour)) for colour in palette.values()]
    distances = [np.abs(one - other).max() for one, other in itertools.combinations(colours, 2)]
    if len(names) > MOST_COLOURS:
        assert max(distances) == 0
    else:
        assert min(distances, default=1) > 0.1
        assert all(palette[name] == REGIMES[name] for name in first)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.4, 1.6, 6.4], ["0.5", "1", "2", "5"]),
        ([0.2, 13], ["0.3", "1", "3", "10"]),
        ([1e-5, 1], ["0.0001", "0.01", "1"]),
    ],
)
def test_a_short_axis_has_ticks_between_powers_of_ten(values, shown):
    figure, (axes,) = make_figure((3, 2.5), 1, 1)
    axes.plot(values, values)
    powers_of_ten(axes, values)
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    labels = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    assert [text.get_text() for place, text in labels if low <= place <= high] == shown


@pytest.mark.parametrize("columns", [0, 1])
def test_the_legend_below_is_no_wider_than_the_figure(columns):
    with on_paper(columns):
        figure, _ = make_figure((7, 3), 1, 1)
        legend_below(figure, palette_of(pd.Series([f"a name of some length {place}" for place in range(9)])))
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1


def pairs(rows, columns):
    """Two runs of every pair."""
    return pd.DataFrame(
        [
            {"rung": f"rung {row}", "regime": f"regime {column}", "seed": seed, "status": "done",
             "test_accuracy": 0.5 + 0.01 * (row + column + seed)}
            for row in range(rows) for column in range(columns) for seed in (0, 1)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "columns", "names", "legend"), [(3, PLENTY, PLENTY, 3), (PLENTY, 3, PLENTY, 3), (11, 11, 121, 1)]
)
def test_side_by_side_has_no_more_hues_than_colours(rows, columns, names, legend):
    (axes,) = pairs_figure(pairs(rows, columns), "rung", "regime", "title").axes
    assert len(axes.get_yticklabels()) == names
    assert len(axes.get_legend().get_texts()) == legend


def test_means_stand_on_their_seeds():
    figure = pairs_figure(pairs(1, 3), "rung", "regime", "title")
    (axes,) = figure.axes
    dots = sorted({round(float(y), 6) for entry in axes.collections for _, y in entry.get_offsets()})
    means = sorted({round(float(y), 6) for line in axes.lines for y in line.get_ydata() if y == y})
    assert dots == pytest.approx(means)
    assert len(dots) == 3
    same = pairs_figure(pairs(1, 3), "rung", "regime", "title").axes[0]
    assert [entry.get_offsets().tolist() for entry in same.collections] == [
        entry.get_offsets().tolist() for entry in axes.collections
    ]


def test_marks_of_every_value_are_whole():
    """Rings at an end of the scale are drawn over the frame, and dots and standard errors lie within it."""
    runs = pd.DataFrame(
        [{"rung": "a", "line": "b", "candidate": rate, "seed": seed, "validation_accuracy": value}
         for rate, values in {"0.1": (1, 1, 0), "1": (1, 1, 1), "10": (0, 0, 0)}.items() for seed, value in
         enumerate(values)]
    )  # fmt: skip
    chosen = pd.DataFrame({"rung": "a", "line": "b", "candidate": ["1", "10"]})
    figure = search_figure(runs, chosen, "rung", "line", "lr", "title")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    rings = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert len(rings) == 2
    assert not any(ring.get_clip_on() for ring in rings)
    frame = axes.get_window_extent()
    (line,) = (line for line in axes.lines if len(line.get_xdata()) == 3)
    dots = axes.transData.transform(np.column_stack(line.get_data()))
    radius = line.get_markersize() / 2 * figure.dpi / 72
    assert dots[:, 1].min() - radius >= frame.y0
    assert dots[:, 1].max() + radius <= frame.y1
    low, high = axes.get_ylim()
    ends = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert low < ends.min() <= ends.max() < high
