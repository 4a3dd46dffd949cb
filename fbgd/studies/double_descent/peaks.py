"""What the claims of double descent estimate: how far a curve rises to its peak, and how far it falls after it."""

import math
from collections.abc import Callable, Iterable

import pandas as pd

from fbgd.report.claims import Claim, Estimate, higher, of_difference, within
from fbgd.report.evidence import Evidence
from fbgd.studies.double_descent.shape import find_peak

Cases = Callable[[pd.DataFrame], Iterable[tuple[str, pd.DataFrame]]]
NO_PEAK = Estimate(0.0, math.nan, math.nan)


def heights(
    cases: Cases, side: str, value: str = "test_error", along: str = "width", scale: float = 100
) -> Callable[[Evidence], list[Estimate]]:
    """The rise or the fall of the peak of each case's curve; 0 without an interval where there is no peak.

    Args:
        cases: the tidy table to the curves and their names.
        side: ``"rise"`` or ``"fall"``, see :class:`fbgd.studies.double_descent.shape.Peak`.
        value: the column on the vertical axis.
        along: the column on the horizontal one.
        scale: of the estimate; 100: fractions in points.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        found = []
        for name, part in cases(evidence.measurements):
            peak = find_peak(part, value, along)
            estimate = NO_PEAK if peak is None else of_difference(getattr(peak, side), scale=scale)
            found.append(estimate._replace(case=name))
        return found

    return estimates


def by_column(column: str, name: str) -> Cases:
    """A curve for every value of a column."""
    return lambda table: [(f"{name} {value:g}", part) for value, part in table.groupby(column, sort=False)]


def rises(cases: Cases, sentence: str, **options) -> Claim:
    """That the curve rises to a peak; the same runs choose the peak, so the interval is favourably biased."""
    return Claim("rise to a peak", sentence, "error at the peak minus first minimum, points",
                 heights(cases, "rise", **options), higher)  # fmt: skip


def falls(cases: Cases, sentence: str, **options) -> Claim:
    """That it falls again after the peak."""
    return Claim("second descent", sentence, "error at the peak minus lowest after it, points",
                 heights(cases, "fall", **options), higher)  # fmt: skip


def flat(cases: Cases, sentence: str, margin: float = 1.0, **options) -> Claim:
    """That it rises by less than ``margin`` points, or has no peak at all."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        return [Estimate(0.0, 0.0, 0.0, one.case) if math.isnan(one.low) and one.value == 0 else one
                for one in heights(cases, "rise", **options)(evidence)]  # fmt: skip

    return Claim("no peak", sentence, "error at the peak minus first minimum, points", estimates, within(margin))
