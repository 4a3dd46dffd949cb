"""Many differences at once, such as one a width: intervals that hold together, p-values corrected for their number."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

import pandas as pd

from fbgd.report.statistics import Difference, difference, holm_corrected

Key = TypeVar("Key", bound=Hashable)
LEVEL = 0.05


def simultaneous(pairs: Mapping[Key, tuple[pd.Series, pd.Series]], level: float | None = None) -> dict[Key, Difference]:
    r"""Differences of means whose m intervals hold together with 95 %, and their p-values after Holm.

    Every interval has the level :math:`1 - 0.05 / m` (Bonferroni); m counts the pairs with values on both sides, the
    others are left out.

    Args:
        pairs: left and right values, each indexed by seed; the right ones are subtracted.
        level: of each interval instead, where more than these have to hold together.
    """
    both = {key: pair for key, pair in pairs.items() if all(map(len, pair))}
    each = 1 - LEVEL / max(1, len(both)) if level is None else level
    found = [difference(left, right, each) for left, right in both.values()]
    return dict(zip(both, holm_corrected(found), strict=True))


def certain(change: Difference) -> bool:
    """Whether a p-value of :func:`simultaneous` is below 0.05."""
    return change.p_value < LEVEL
