"""Panels that many lines share: few hues, legends beside the curves, and a word where a panel is cut."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from fbgd.report.plots import MOST_COLOURS, make_figure
from fbgd.studies.edge_of_stability import central_drawing, drawing
from fbgd.studies.weight_decay.schedule_drawing import effective_rates, layer_colours, layer_of


def test_matrices_of_a_layer_share_its_hue():
    names = ["embedding", "positions", "residuals.0.branch.query.weight", "residuals.0.branch.key.weight",
             "residuals.1.branch.0.weight", "residuals.1.norm.weight", "matrices"]  # fmt: skip
    cosine = pd.DataFrame(
        [{"weight_decay": decay, "step": step, "learning_rate": 0.1, **{f"norm/{name}": 1.0 + step for name in names}}
         for decay in (0.0, 0.5) for step in (1, 2)]
    )  # fmt: skip
    _, (axes,) = make_figure((4, 4), 1, 1)
    effective_rates(axes, cosine, [0.0, 0.5])
    assert len(axes.lines) == 10
    assert len({to_hex(line.get_color()) for line in axes.lines}) == 4
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["embedding", "positions", "layer 1", "layer 2"]
    assert layer_of("norm/residuals.11.branch.query.weight") == "layer 12"


@pytest.mark.parametrize("count", [3, MOST_COLOURS, 30])
def test_layers_differ_in_hue(count):
    colours = layer_colours([f"layer {place}" for place in range(count)])
    assert len({to_hex(colour) for colour in colours.values()}) == count


def sharpness(highest):
    """A method at two rates, of whose 200 values one is so high."""
    passes = np.arange(100)
    tables = [pd.DataFrame({"method": "GD", "rate": rate, "seed": 0, "passes": passes, "ratio": 1.0, "plain": 1.0})
              for rate in (0.1, 0.2)]  # fmt: skip
    tables[0].loc[3, "ratio"] = highest
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize(("highest", "title"), [(2.5, "GD (cut: up to 2.5)"), (1.2, "GD")])
def test_a_panel_that_is_cut_says_so_and_no_legend_covers_it(highest, title):
    figure = drawing.draw(sharpness(highest), "title")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_title().splitlines()[0] == title
    assert (axes.get_ylim()[1] < highest) == ("cut" in title)
    legend = axes.get_legend()
    assert legend.get_window_extent().y1 <= axes.get_window_extent().y0


def test_rates_of_the_central_flow_do_not_cover_each_other():
    columns = ["sharpness", "central_sharpness", "flow_sharpness", "central_distance", "flow_distance", "variance",
               "predicted_variance", "loss", "flow_loss", "predicted_loss", "way"]  # fmt: skip
    table = pd.DataFrame(
        [{"begin": begin, "rate": rate, "seed": seed, "share": share, **dict.fromkeys(columns, 1.0 + seed)}
         for begin in ("start", "edge") for rate in (0.3, 0.4) for seed in (0, 1) for share in (0.5, 1.0)]
    )  # fmt: skip
    figure = central_drawing.draw(table, "title")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[::4] == ["start, h = 0.3", "start, h = 0.4", "edge, h = 0.3", "edge, h = 0.4"]
    assert all(len(axes.collections) <= 3 for axes in figure.axes)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(central_drawing.LINES)
