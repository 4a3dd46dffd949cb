"""What a table says about published claims: reproduced, not reproduced, or undecided."""

from collections.abc import Iterable

from fbgd.report.statistics import Difference


def verdict(change: Difference, sign: int) -> str:
    """Whether the 95 % interval of a difference lies on the side of zero that a claim says.

    Args:
        change: the difference.
        sign: +1 or -1, of the claimed difference.
    """
    low, high = sorted((sign * change.low, sign * change.high))
    return "reproduced" if low > 0 else "not reproduced, the opposite" if high < 0 else "undecided"


def within(change: Difference, margin: float) -> str:
    """Whether a claim of no difference holds: the 95 % interval lies within the margin, outside of it, or across."""
    if -margin < change.low and change.high < margin:
        return "reproduced"
    return "not reproduced" if change.low > margin or change.high < -margin else "undecided"


def sentences(claims: Iterable[tuple[str, str, str]]) -> list[str]:
    """A paragraph a claim: what is claimed, the verdict, and the numbers behind it."""
    return [f"{claim}: {found} ({numbers})." for claim, found, numbers in claims]
