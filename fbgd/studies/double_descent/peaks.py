"""What the claims of double descent estimate: how far a curve rises to its peak, and how far it falls after it."""

from collections.abc import Callable, Iterable

import pandas as pd

from fbgd.report.claims import Claim, Estimate, higher, of_difference, within
from fbgd.report.evidence import Evidence
from fbgd.studies.double_descent.shape import find_peak

Cases = Callable[[pd.DataFrame], Iterable[tuple[str, pd.DataFrame]]]


def heights(
    cases: Cases, side: str, value: str = "test_error", along: str = "width", scale: float = 100
) -> Callable[[Evidence], list[Estimate]]:
    """The rise or the fall of the peak of each case's curve; nothing for a curve whose mean has no peak.

    Args:
        cases: the tidy table to the curves and their names.
        side: ``"rise"`` or ``"fall"``, see :class:`fbgd.studies.double_descent.shape.Peak`.
        value: the column on the vertical axis.
        along: the column on the horizontal one.
        scale: of the estimate; 100: fractions in points.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        return [
            of_difference(getattr(peak, side), name, scale)
            for name, part in cases(evidence.measurements)
            if (peak := find_peak(part, value, along)) is not None
        ]

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
    """That it rises by less than ``margin`` points where there still is a peak."""
    return Claim("no peak", sentence, "error at the peak minus first minimum, points",
                 heights(cases, "rise", **options), within(margin))  # fmt: skip
