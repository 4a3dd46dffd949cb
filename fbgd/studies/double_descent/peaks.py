"""What the claims of double descent estimate: how far a curve rises to its peak, and how far it falls after it."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, below, higher, of_difference
from fbgd.report.evidence import Evidence
from fbgd.studies.double_descent.shape import find_heights, find_largest_rise

Cases = Callable[[pd.DataFrame], Iterable[tuple[str, pd.DataFrame]]]


def by_column(column: str, name: str) -> Cases:
    """A curve for every value of a column."""
    return lambda table: [(f"{name} {value:g}", part) for value, part in table.groupby(column, sort=False)]


def rises(
    cases: Cases,
    sentence: str,
    value: str = "test_error",
    along: str = "width",
    scale: float = 100,
    quantity: str = "error at the peak minus first minimum, cross-fitted, points",
) -> Claim:
    """That the curve rises to a peak; a case for every curve, whether or not its mean has one.

    Args:
        cases: the tidy table to the curves and their names.
        sentence: what is claimed.
        value: the column on the vertical axis.
        along: the column on the horizontal one.
        scale: of the estimate; 100: fractions in points.
        quantity: what is estimated, with its unit.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        return [
            of_difference(heights.rise, name, scale)
            for name, part in cases(evidence.measurements)
            if (heights := find_heights(part, value, along, evidence.level)) is not None
        ]

    return Claim("rise to a peak", sentence, quantity, estimates, higher)


def falls(cases: Cases, sentence: str, value: str = "test_error", along: str = "width") -> Claim:
    """That it rises to a peak and falls again; the arguments are those of :func:`rises`.

    The estimate is that of rise and fall whose interval ends lower: a curve that only falls, with a plateau on its
    way, has a certain fall beyond the plateau, and no peak (an intersection-union test, Berger 1982).
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        return [
            of_difference(min(heights, key=lambda height: height.low), name)
            for name, part in cases(evidence.measurements)
            if (heights := find_heights(part, value, along, evidence.level)) is not None
        ]

    quantity = "height of the peak above its less certain side, cross-fitted, points"
    return Claim("second descent", sentence, quantity, estimates, higher)


def flat(cases: Cases, sentence: str, margin: float = 1.0, value: str = "test_error") -> Claim:
    """That it rises by less than ``margin`` points, also where it rises the most.

    The upper end is the larger one of the cross-fitted interval and of that between the two places with the largest
    rise of the mean. Cross-fitted rises alone would miss a rise of a point too often, since they are measured beside
    its exact places, and none at the end of the curve.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        found = []
        for name, part in cases(evidence.measurements):
            heights = find_heights(part, value, level=evidence.level)
            most = find_largest_rise(part, value, level=evidence.level)
            if heights is not None and most is not None:
                high = float(np.maximum(heights.rise.high, most.high))
                found.append(of_difference(heights.rise._replace(high=high), name))
        return found

    quantity = "error at the peak minus first minimum, cross-fitted, upper end where all seeds choose, points"
    return Claim("no peak", sentence, quantity, estimates, below(margin))
