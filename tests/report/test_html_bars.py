"""Intervals of the report's table: read from its cells, drawn as bars on a scale."""

import math

import pytest

from fbgd.report.html.bars import MARGIN, WIDTH, Interval, first_number, own_bar, read_interval, scale_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+17.67 (7.9 to 27.4)", Interval(17.67, 7.9, 27.4)),
        ("-49.32, error × 14 (12 to 16)", Interval(14, 12, 16, True)),
        ("-3.93, error × 1.87 (0.00097 to 3.6e+03)", Interval(1.87, 0.00097, 3600, True)),
        ("-2.08, error × 0 (0 to 0.1)", None),
        ("87.48 to 101.73", Interval(None, 87.48, 101.73)),
        ("1,234.5 to 1,300.0", Interval(None, 1234.5, 1300)),
        ("2.7 (2-5)", Interval(2.7, 2, 5)),
        ("-0.06 (-6.4 to 6.3), p 1", Interval(-0.06, -6.4, 6.3)),
        ("10 (5.3e-16)", None),
        ("96.17 ± 0.51", None),
        ("from 3 to 4", None),
        ("–", None),
    ],
)
def test_intervals_are_read_from_cells(text, expected):
    assert read_interval(text) == expected


def test_numbers_that_cells_begin_with():
    texts = ["60,000", "2e-18", "-0.5 (1 to 2)", "3, 1 of 3 diverged", "none", "–", "", "5x", "0.15, published"]
    assert [first_number(text) for text in texts] == [60000, 2e-18, -0.5, 3, None, None, None, None, 0.15]


def test_bars_stand_where_their_numbers_say():
    scale = scale_of([Interval(1, 0, 2), Interval(3, 2, 4)], factor=False, about_zero=False)
    bar = scale.bar(Interval(2, 1, 3))
    assert bar.value == pytest.approx(WIDTH / 2)
    assert (bar.low - MARGIN) / (WIDTH - 2 * MARGIN) == pytest.approx((1 + 0.12) / 4.24, abs=0.01)
    assert not (bar.cut_low or bar.cut_high or bar.outside)
    ratios = scale_of([Interval(2, 1, 4, True), Interval(0.5, 0.25, 1, True)], factor=True, flipped=True)
    # On a flipped logarithmic scale half the error is as far right of 1 as twice the error is left of it.
    places = [ratios.bar(Interval(value, value, value, True)).value for value in (2, 1, 0.5)]
    assert places[0] < places[1] == ratios.place(0) < places[2]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.11)
    assert ratios.ticks[0][1].startswith("×4")


def test_one_row_far_away_does_not_press_the_others_together():
    near = [Interval(90 + index, 89.5 + index, 90.5 + index) for index in range(6)]
    scale = scale_of([*near, Interval(20, 15, 25)], factor=False, about_zero=False)
    assert scale.low > 80
    far = scale.bar(Interval(20, 15, 25))
    assert far.outside and far.cut_low and not far.cut_high and far.value is None
    wide = [Interval(0.1 * index, -1, 1 + index / 9) for index in range(20)]
    scale = scale_of([*wide, Interval(0.5, -500, 500)], factor=False)
    cut = scale.bar(Interval(0.5, -500, 500))
    assert cut.cut_low and cut.cut_high and cut.value is not None and scale.high < 10


def test_a_claim_s_bar_has_zero_in_the_middle():
    assert own_bar(1.0, 1.0, 1.0) is None
    assert own_bar(1.0, math.nan, math.nan) is None
    bar = own_bar(2.0, -1.0, 5.0)
    assert bar.reference == WIDTH / 2
    assert bar.low < bar.reference < bar.value < bar.high
