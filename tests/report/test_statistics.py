"""Tests of differences: by hand and against scipy; which test the data get; the level that they keep."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fbgd.report.dunnett import critical_value, dunnett, probability_within
from fbgd.report.families import against_one
from fbgd.report.statistics import difference, is_copy, t_interval


def test_welch_by_hand():
    """Welch's own formula; pairing three seeds never pays."""
    left, right = pd.Series([0.70, 0.74, 0.71]), pd.Series([0.95, 0.96, 0.98, 0.91])
    errors = left.var() / 3, right.var() / 4
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 2 + errors[1] ** 2 / 3)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(errors))
    mean = left.mean() - right.mean()
    found = difference(left, right)
    assert found[:3] == pytest.approx((mean, mean - half, mean + half))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(mean) / math.sqrt(sum(errors)), freedom))
    assert found.test == "Welch"
    assert difference(left, left + pd.Series([0.1, 0.11, 0.1])).test == "Welch"


def test_the_interval_of_a_mean_by_hand():
    """t(0.975, 1) = 12.7062 and t(0.95, 1) = 6.3138 from the printed tables; one value has none."""
    values = np.array([0.8, 1.0])
    assert t_interval(values) == pytest.approx((0.9 - 12.7062 * 0.1, 0.9 + 12.7062 * 0.1), rel=1e-5)
    assert t_interval(values, 0.9) == pytest.approx((0.9 - 6.3138 * 0.1, 0.9 + 6.3138 * 0.1), rel=1e-4)
    assert all(map(math.isnan, t_interval(values[:1])))


@pytest.mark.parametrize("constant", ["left", "right"])
def test_welch_with_one_side_that_never_varies(constant):
    """Its mean is known exactly: what is left is Student's test of the other side against a number."""
    values, number = pd.Series([0.70, 0.74, 0.71, 0.69]), pd.Series([0.9] * 3)
    sides = (number, values) if constant == "left" else (values, number)
    found = difference(*sides)
    oracle = stats.ttest_1samp(values, 0.9)
    sign = -1 if constant == "left" else 1
    assert found.test == "Welch"
    assert found.p_value == pytest.approx(oracle.pvalue)
    low, high = oracle.confidence_interval(0.95)
    assert sorted([sign * (found.low), sign * (found.high)]) == pytest.approx([low - 0.9, high - 0.9])
    assert found.delta == pytest.approx(sign * (values.mean() - 0.9))
    # Both without spread: nothing is known.
    assert math.isnan(difference(number, number + 0.1).p_value)


@given(st.permutations(range(6)), st.permutations(range(6)), st.booleans())
def test_pairs_are_of_seeds_and_not_of_places(left_order, right_order, pairs):
    """Every order of the rows gives the same difference, the same copies and the same test of a family."""
    generator = np.random.default_rng(5)
    shared = generator.normal(size=6)
    left, right = (pd.Series(shared + 0.05 * generator.normal(size=6)) for _ in range(2))
    moved, other = left.loc[list(left_order)], right.loc[list(right_order)]
    expected, found = difference(left, right, pairs=pairs), difference(moved, other, pairs=pairs)
    assert found.test == expected.test == "paired t"
    assert found[:4] == pytest.approx(expected[:4])
    assert is_copy(moved, (left + 0.5).loc[list(right_order)])
    assert not is_copy(moved, other)
    family = against_one({"a": moved}, other)["a"]
    assert family[:4] == pytest.approx(against_one({"a": left}, right)["a"][:4])
    # Other seeds are no partners, whatever their place.
    assert difference(left, right.set_axis(range(1, 7)), pairs=pairs).test == "Welch"


def test_pairs_by_design_by_hand():
    """t(0.975, 2) = 4.302653 from the printed tables."""
    left, right = pd.Series([0.70, 0.74, 0.71]), pd.Series([0.95, 0.96, 0.98])
    gaps = [-0.25, -0.22, -0.27]
    mean = sum(gaps) / 3
    half = 4.302653 * math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / 2 / 3)
    found = difference(left, right, pairs=True)
    assert found[:3] == pytest.approx((mean, mean - half, mean + half), rel=1e-6)
    assert found.p_value == pytest.approx(stats.ttest_rel(left, right).pvalue)
    # Seeds that are given twice, as in a row over two settings, are no pairs.
    twice = pd.Series([1.0, 2.0, 3.0, 5.0], [0, 1, 0, 1])
    assert difference(twice, pd.Series([1.0, 4.0], [0, 1]), pairs=True).test == "Welch"


@pytest.mark.parametrize("counts", [(3359, 3361), (3351, 3402, 3500)])
def test_equal_differences_are_undefined_whatever_rounding_makes_of_them(counts):
    left, right = (pd.Series([(count - shift) / 4000 for count in counts]) for shift in (0, 7))
    assert math.isnan(difference(left, right, pairs=True).p_value)
    assert math.isnan(difference(left * 0 + 1, right * 0).p_value)


def test_seeds_are_paired_only_where_they_surely_go_together():
    generator = np.random.default_rng(0)
    shared, own = generator.normal(size=(2, 10))
    reference = pd.Series(shared)
    together = pd.Series(shared + 0.1 * own)
    assert against_one({"a": together}, reference)["a"].test == "paired t"
    oracle = stats.ttest_rel(together, reference)
    assert difference(together, reference).p_value == pytest.approx(oracle.pvalue)
    # The same values in another order of seeds.
    assert difference(together[::-1], reference).p_value == pytest.approx(oracle.pvalue)
    apart = pd.Series(0.5 * shared + own)
    assert against_one({"a": apart}, reference)["a"].test == "Welch"


def test_a_copy_of_the_baseline_is_no_evidence_and_changes_no_other_test():
    """An ingredient that never acted gives the baseline's runs again."""
    generator = np.random.default_rng(4)
    reference, *others = (pd.Series(generator.normal(size=10)) for _ in range(4))
    alone = against_one(dict(enumerate(others)), reference)
    beside = against_one(dict(enumerate([*others, reference.copy()])), reference)
    assert {key: beside[key] for key in alone} == alone
    assert beside[3].delta == 0
    assert math.isnan(beside[3].p_value)


@pytest.mark.parametrize(("sizes", "control"), [((3, 3), 3), ((10,) * 6, 10), ((4, 6, 9), 5)])
def test_dunnett_against_scipy(sizes, control):
    generator = np.random.default_rng(1)
    groups = [generator.normal(0.4 * index, 1, size) for index, size in enumerate(sizes)]
    values = generator.normal(0, 1, control)
    found = dunnett(groups, values)
    # scipy integrates by random points: equal to their error.
    oracle = stats.dunnett(*groups, control=values, rng=np.random.default_rng(0))
    limits = oracle.confidence_interval(0.95)
    assert [change.p_value for change in found] == pytest.approx(oracle.pvalue, abs=1e-3)
    assert [change.low for change in found] == pytest.approx(limits.low, abs=5e-3)
    assert [change.high for change in found] == pytest.approx(limits.high, abs=5e-3)


def test_dunnett_s_quantiles_by_hand():
    """One comparison is Student's t; of many, no more than Bonferroni's and no less than one; printed values."""
    for freedom in (2, 7, 40):
        assert critical_value((4,), 4, freedom, 0.95) == pytest.approx(stats.t.ppf(0.975, freedom))
        inside = probability_within(2.0, (4,), 4, freedom)
        assert inside == pytest.approx(1 - 2 * stats.t.sf(2.0, freedom), abs=2e-5)
    # Dunnett 1964, two-sided 5 %: k = 2, 6 degrees of freedom 2.86; k = 9, 20 degrees 2.95... against scipy above.
    assert critical_value((3, 3), 3, 6, 0.95) == pytest.approx(2.86, abs=5e-3)


@settings(max_examples=25)
@given(st.integers(2, 8), st.integers(2, 12), st.floats(0.8, 0.99))
def test_dunnett_s_quantile_is_between_one_comparison_and_bonferroni(count, size, level):
    freedom = (count + 1) * (size - 1)
    one, all_of_them = (stats.t.ppf(1 - (1 - level) / 2 / number, freedom) for number in (1, count))
    assert one < critical_value((size,) * count, size, freedom, level) < all_of_them + 1e-6


def test_variances_that_differ_are_not_pooled():
    generator = np.random.default_rng(2)
    reference = pd.Series(generator.normal(size=10))
    alike = {name: pd.Series(reference.to_numpy()[::-1] + shift) for name, shift in (("a", 0.1), ("b", 0.2))}
    assert {change.test for change in against_one(alike, reference).values()} == {"Dunnett"}
    wide = alike | {"b": 5 * alike["b"]}
    assert {change.test for change in against_one(wide, reference).values()} == {"Welch"}
    # A reference that varies more than its groups makes a pooled variance too small for every difference.
    assert {change.test for change in against_one(alike, 2 * reference).values()} == {"Welch"}


@pytest.mark.parametrize("spreads", [(1, 1, 1, 1), (2, 1, 1, 1), (1, 1, 1, 4), (0.5, 1, 1.5, 2)])
@pytest.mark.parametrize("seeds", [3, 10])
def test_equal_means_are_told_apart_in_five_per_cent_of_tables(spreads, seeds):
    """300 tables of four rows: at most 5 % with any false difference, within three deviations of a binomial."""
    generator = np.random.default_rng(3)
    false = 0
    for _ in range(300):
        reference, *rows = (pd.Series(spread * generator.normal(size=seeds)) for spread in spreads)
        changes = against_one(dict(enumerate(rows)), reference).values()
        false += any(change.low > 0 or change.high < 0 for change in changes)
    assert false <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)
