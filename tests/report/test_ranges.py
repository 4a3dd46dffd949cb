"""Shown intervals of accuracies end where an accuracy does, in tables and in figures; the numbers stay whole."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.report.gaps import with_gaps
from fbgd.report.group_plots import pairs_figure
from fbgd.report.pages import group_summary
from fbgd.report.ranges import CUT, within_range
from fbgd.report.statistics import t_interval
from fbgd.studies.noise_drawing import accuracy_figure

# Two seeds near an end: the t-interval of the mean reaches far beyond it.
HIGH, LOW = (0.96, 1.0), (0.0, 0.05)


def runs(**labels):
    """Two runs of a group at either end."""
    rows = [
        {"rung": name, "seed": seed, "status": "done", "test_accuracy": value, "test_loss": value, "error": None,
         "passes": 1, "gradient_evaluations": 1.0, "seconds": 1.0, **labels}
        for name, values in (("high", HIGH), ("low", LOW)) for seed, value in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [("test_accuracy", 0, 100), ("gap_accuracy", -100, 100), ("test_loss", -250, 250), ("gap_loss", -250, 250)],
)
def test_ends_by_metric(metric, low, high):
    assert (within_range(-250, metric), within_range(250, metric)) == (low, high)
    assert within_range(42.5, metric) == 42.5
    assert math.isnan(within_range(math.nan, metric))


def summary(table, metric="test_accuracy"):
    """The body of a page by rung."""
    return group_summary(Evidence(Description("A title", ["rung"], metric=metric), table))


def test_a_table_shows_intervals_up_to_the_ends_and_its_numbers_are_whole():
    body = summary(runs())
    whole = [t_interval(100 * np.array(values)) for values in (HIGH, LOW)]
    assert whole[0][1] > 100
    assert whole[1][0] < 0
    shown = [row["95 % interval"] for row in body.rows]
    assert shown == [f"{whole[0][0]:.2f} to 100.00", f"0.00 to {whole[1][1]:.2f}"]
    assert body.numbers["ci_high"].iloc[0] == pytest.approx(whole[0][1])
    assert body.numbers["ci_low"].iloc[1] == pytest.approx(whole[1][0])
    assert CUT in body.paragraphs
    losses = summary(runs(), "test_loss")
    assert CUT not in losses.paragraphs
    assert losses.rows[1]["95 % interval"].startswith("-")


def test_a_group_without_an_interval_keeps_its_dash():
    assert summary(runs().drop(index=[0])).rows[0]["95 % interval"] == "–"


def test_a_gap_may_be_negative():
    table = with_gaps(runs().assign(train_accuracy=[0.9, 0.95, 0.0, 0.0]), ["gap_accuracy"])
    body = summary(table, "gap_accuracy")
    assert body.rows[1]["95 % interval"].startswith("-")
    assert CUT not in body.paragraphs


def vertical(line):
    """Whether a line of two points is an interval along y."""
    return len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]


def test_intervals_side_by_side_end_where_accuracies_do():
    pairs = pd.concat([runs(regime="SGD"), runs(regime="full batch")])
    (axes,) = pairs_figure(pairs, "rung", "regime", "title").axes
    ends = [value for line in axes.lines for value in line.get_xdata() if len(line.get_xdata()) == 2]
    assert (min(ends), max(ends)) == (0, 100)


def noisy():
    """Runs of the study of noise: SGD at the upper end, two shapes below it."""
    rows = [("SGD", "1", HIGH), ("no noise", "0", (0.9, 0.9)), ("isotropic", "1", LOW)]
    rows += [(name, "1", (0.5, 0.6)) for name in ("diagonal", "covariance", "leading")]
    return pd.DataFrame(
        [
            {"structure": name, "trace": trace, "seed": seed, "status": "done", "test_accuracy": value}
            for name, trace, values in rows
            for seed, value in enumerate(values)
        ]
    )


def test_intervals_of_noise_end_where_accuracies_do_and_no_shape_has_a_reference_s_colour():
    (axes,) = accuracy_figure(Evidence(Description("A title", ["structure", "trace"]), noisy())).axes
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert band.ymax == pytest.approx(100)
    ends = [value for line in axes.lines if vertical(line) and line.get_xdata()[0] != 0 for value in line.get_ydata()]
    assert min(ends) == 0
    colours = [handle.get_color() for handle in axes.get_legend().legend_handles]
    assert len({to_hex(colour) for colour in colours}) == len(colours) == 6
