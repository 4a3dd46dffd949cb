"""Families of claims: which level their intervals have."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from fbgd.report.claims import Claim, Estimate, exactly, higher, judge, levels
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import t_interval

SOME = Evidence(Description("", []), measurements=pd.DataFrame({"seed": [0]}))


def telling(cases, family="", later=False):
    """A claim in so many cases whose intervals end at their own level."""

    def estimates(evidence):
        return [Estimate(0, -1, evidence.level, str(case)) for case in range(cases)]

    return Claim(f"{cases} cases", "", "", estimates, higher, family=family, later=later)


def missed(claims):
    """What every finding's interval leaves out."""
    return [1 - finding.high for finding in judge(claims, SOME)]


@pytest.mark.parametrize("cases", [1, 3, 30])
def test_intervals_of_a_page_share_five_per_cent(cases):
    assert missed([telling(cases)]) == pytest.approx([0.05 / cases] * cases, rel=1e-4)
    assert missed([telling(cases), telling(2)]) == pytest.approx([0.05 / (cases + 2)] * (cases + 2), rel=1e-4)


def test_families_have_equal_shares_whatever_their_size():
    found = missed([telling(2), telling(30, "by width"), telling(3)])
    assert found == pytest.approx([0.05 / 2 / 5] * 2 + [0.05 / 2 / 30] * 30 + [0.05 / 2 / 5] * 3, rel=1e-4)
    assert sum(found) == pytest.approx(0.05, rel=1e-4)


def test_what_is_asked_later_widens_no_interval_and_says_so():
    first = [telling(2), telling(30, "by width")]
    before = judge(first, SOME)
    later = [telling(4, later=True), telling(5, "by width", later=True)]
    assert judge([*first, *later], SOME)[: len(before)] == before
    assert missed([*first, *later])[len(before) :] == pytest.approx([0.05 / 2 / 4] * 4 + [0.05 / 2 / 5] * 5, rel=1e-4)
    assert {finding.sentence for finding in judge(later, SOME)} == {" (Asked later.)"}
    assert {finding.sentence for finding in before} == {""}


def test_a_family_without_an_interval_has_no_share():
    """Neither a number without sampling error nor one of a single seed can be wrong by chance."""
    exact = Claim("exact", "", "", lambda evidence: [exactly(1.0)], family="exact")
    single = Claim("single", "", "", lambda evidence: [Estimate(1.0, math.nan, math.nan)], family="single")
    assert levels([exact, single, telling(4)], SOME)[False, ""] == pytest.approx(1 - 0.05 / 4)
    assert [finding.verdict for finding in judge([exact, single], SOME)] == ["supported", "undecided"]


def test_pages_without_any_effect_find_one_in_five_per_cent_at_most():
    """By simulation: 3 whole curves and 12 widths of 5 seeds, all of mean zero."""
    rng = np.random.default_rng(5)

    def found() -> bool:
        values = rng.normal(size=(15, 5))

        def at(rows):
            return lambda evidence: [Estimate(own.mean(), *t_interval(own, evidence.level)) for own in values[rows]]

        claims = [
            Claim("curve", "", "", at(slice(3))),
            Claim("widths", "", "", at(slice(3, 15)), family="by width"),
        ]
        return any(finding.verdict != "undecided" for finding in judge(claims, SOME))

    wrong = sum(found() for _ in range(400))
    assert binomtest(wrong, 400, 0.05, "greater").pvalue > 0.001
    # Not for being too cautious: independent estimates miss almost as often as the bound allows.
    assert binomtest(wrong, 400, 0.02, "less").pvalue > 0.001
