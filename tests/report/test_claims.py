"""Claims: verdicts follow intervals, and intervals of a page hold together."""

import math

import numpy as np
import pandas as pd
import pytest
from ladders import SGD, runs
from scipy import stats

from fbgd.report.claims import Claim, Estimate, exactly, higher, judge, within
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.report.tables import summarise
from fbgd.studies.differences import accuracy_difference, against_baseline, values_of

LADDER = {"SGD": [0.95, 0.96, 0.97, 0.955], "FB": [0.70, 0.72, 0.71, 0.73], "FB long": [0.93, 0.96, 0.96, 0.94]}


def difference_of(left, right, **options):
    """A claim about two rungs."""
    return Claim(f"{left} over {right}", "", "", accuracy_difference({"rung": left}, {"rung": right}), **options)


def evidence_of(values=None, status=None):
    """Runs of a ladder."""
    return Evidence(Description("", ["rung"], baseline=SGD), runs(values or LADDER, status))


@pytest.mark.parametrize("count", [1, 3])
def test_intervals_of_all_claims_hold_together(count):
    """Bonferroni over the estimates that have an interval; an exact number costs nothing."""
    pairs = [("FB", "SGD"), ("FB long", "SGD"), ("FB long", "FB")][:count]
    exact = Claim("exact", "", "", lambda evidence: [exactly(1.0)])
    findings = judge([*(difference_of(*pair) for pair in pairs), exact], evidence_of())
    for (left, right), finding in zip(pairs, findings, strict=False):
        test = stats.ttest_ind(LADDER[left], LADDER[right], equal_var=False)
        interval = test.confidence_interval(1 - 0.05 / count)
        assert (finding.low, finding.high) == pytest.approx((100 * interval.low, 100 * interval.high))
    assert findings[-1].verdict == "supported"


def test_level_is_said_only_where_the_interval_lies_within_the_margin():
    """Not significant is not equal: TOST by hand."""
    close = {"SGD": [0.950, 0.951, 0.952, 0.951], "FB": [0.951, 0.952, 0.950, 0.952]}
    (finding,) = judge([difference_of("FB", "SGD", rule=within(1))], evidence_of(close))
    one_sided = [
        stats.ttest_ind(close["FB"], np.add(close["SGD"], shift), equal_var=False, alternative=side).pvalue
        for shift, side in ((-0.01, "greater"), (0.01, "less"))
    ]
    assert max(one_sided) < 0.025
    assert finding.verdict == "supported"
    (wide,) = judge([difference_of("FB long", "SGD", rule=within(1))], evidence_of())
    assert wide.low < 0 < wide.high
    assert wide.verdict == "undecided"


def test_survivors_decide_nothing():
    """A rung of which a run diverged: a value, no interval, no verdict."""
    for state in ("diverged", "failed"):
        (finding,) = judge([difference_of("FB", "SGD")], evidence_of(status={("FB", 0): state}))
        assert math.isnan(finding.low)
        assert finding.verdict == "undecided"
    left = evidence_of(status={("FB", 0): "failed"}).runs
    assert list(values_of(left, {"rung": "FB"}, "test_accuracy")[0].index) == [1, 2, 3]


def test_claims_of_a_comparison_are_the_table_s_own_differences():
    """In points, and where errors span a decade as the share of the error that is saved."""
    wide = {"SGD": [0.90, 0.91, 0.89, 0.90], "FB": [0.99, 0.992, 0.991, 0.99], "FB long": [0.92, 0.93, 0.91, 0.92]}
    for values, decade in ((LADDER, False), (wide, True)):
        frame = runs(values).assign(data="digits")
        table = summarise(frame, by=["data", "rung"], baseline=SGD)
        claim = against_baseline("rung", "SGD", "FB", "data")
        (finding,) = judge([claim], Evidence(Description("", ["data", "rung"]), frame, table=table))
        row = table[table["rung"] == "FB"].iloc[0]
        assert finding.case == ("data digits; % of the error" if decade else "data digits; points")
        expected = 100 * (1 - row["ratio"]) if decade else row["delta"]
        assert finding.value == pytest.approx(expected)
        assert finding.low < finding.value < finding.high
        assert finding.verdict == ("supported" if decade else "opposite")


@pytest.mark.slow
def test_null_claims_of_a_page_are_false_in_five_per_cent_of_pages():
    """150 ladders of four equal rungs with six claims each, within three deviations of a binomial."""
    generator = np.random.default_rng(0)
    names = ["a", "b", "c", "d"]
    claims = [difference_of(left, right) for place, left in enumerate(names) for right in names[:place]]
    false = 0
    for _ in range(150):
        frame = pd.DataFrame(
            {"rung": name, "seed": seed, "status": "done", "test_accuracy": value}
            for name in names
            for seed, value in enumerate(generator.normal(0.9, 0.01, 5))
        )
        found = judge(claims, Evidence(Description("", ["rung"]), frame))
        false += any(finding.verdict != "undecided" for finding in found)
    assert false <= 150 * 0.05 + 3 * math.sqrt(150 * 0.05 * 0.95)


def test_an_estimate_without_an_interval():
    assert not exactly(3.0).uncertain
    assert not Estimate(1.0, math.nan, math.nan).uncertain
    assert higher(Estimate(1.0, math.nan, math.nan)) == "undecided"
