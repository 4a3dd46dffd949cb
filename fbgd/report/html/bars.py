"""Intervals as small bars: read from what a table's cells say, and placed on the scale of their column."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbgd.report.cells import UNKNOWN

WIDTH = 92
# From the edge of a bar's picture to the ends of its scale: room for arrow heads.
MARGIN = 7
NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?"
FIRST = re.compile(rf"{NUMBER}(?![\w.])")
INTERVAL = re.compile(
    rf"(?P<factor>error × )?(?:(?P<value>{NUMBER}) \((?P<low>{NUMBER})(?: to |-)(?P<high>{NUMBER})\))"
    rf"|^(?P<from>{NUMBER}) to (?P<until>{NUMBER})$"
)


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval.

    Args:
        value: the estimate; ``None`` where only the interval is known.
        low: its lower end.
        high: its upper end.
        factor: whether it is a quotient of errors, to be drawn on a logarithmic scale.
    """

    value: float | None
    low: float
    high: float
    factor: bool = False


@dataclass(frozen=True)
class Bar:
    """Where an interval is drawn, in pixels from the left.

    Args:
        low: where the bar begins.
        high: where it ends.
        value: the dot; ``None`` for none, or one beyond the scale.
        cut_low: whether the interval begins, or lies, beyond the scale's left end.
        cut_high: whether it ends, or lies, beyond the right one.
        outside: whether nothing of it lies on the scale.
        factor: whether it is that of a quotient.
        reference: where no difference is; ``None`` for none.
        hue: the number of its scale's colour.
    """

    low: float
    high: float
    value: float | None
    cut_low: bool
    cut_high: bool
    outside: bool
    factor: bool
    reference: float | None
    hue: int = 0


@dataclass(frozen=True)
class Scale:
    """The common scale of a column's bars, linear, or logarithmic for factors.

    Args:
        low: the left end, a logarithm for factors.
        high: the right end.
        factor: whether it is one of quotients.
        flipped: whether small values are on the right: less error is more accuracy.
        reference: the value of no difference, transformed; ``None`` for none.
        name: of the rows that it is of, where others have one of their own.
        hue: the number of its colour.
    """

    low: float
    high: float
    factor: bool = False
    flipped: bool = False
    reference: float | None = None
    name: str = ""
    hue: int = 0

    def transform(self, number: float) -> float:
        """A number as a position on the scale, before it is drawn."""
        return transformed(number, self.factor, self.flipped)

    def place(self, number: float) -> float:
        """A transformed number in pixels; what lies beyond the scale is at its end."""
        share = (number - self.low) / (self.high - self.low)
        return round(MARGIN + (WIDTH - 2 * MARGIN) * min(1.0, max(0.0, share)), 1)

    def bar(self, interval: Interval) -> Bar:
        """An interval's place."""
        low, high = sorted((self.transform(interval.low), self.transform(interval.high)))
        value = None if interval.value is None else self.transform(interval.value)
        inside = value is not None and self.low <= value <= self.high
        return Bar(
            self.place(low),
            self.place(high),
            self.place(value) if inside and value is not None else None,
            low < self.low,
            high > self.high,
            high < self.low or low > self.high,
            self.factor,
            None if self.reference is None else self.place(self.reference),
            self.hue,
        )

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """The scale's ends and the place of no difference, in pixels and as text; the ends alone where it is close."""
        known = [self.low, self.high]
        if self.reference is not None and 0.25 < (self.reference - self.low) / (self.high - self.low) < 0.75:
            known.insert(1, self.reference)
        return [(self.place(number), self.text(number)) for number in known]

    def text(self, number: float) -> str:
        """A transformed number as a reader knows it: ``−12``, ``×1.5``."""
        if not self.factor:
            return short(number)
        return f"×{short(math.exp(-number if self.flipped else number))}"


def short(number: float) -> str:
    """Two significant digits, whole numbers up to a million in full: ``44``, ``0.31``, ``2e-05``."""
    if abs(number) < 1e-12:
        return "0"
    text = f"{number:.0f}" if 10 <= abs(number) < 1e6 else f"{number:.2g}"
    return text.replace("-", "−") if text.startswith("-") else text


def transformed(number: float, factor: bool, flipped: bool) -> float:
    """A number on a linear or, for factors, logarithmic scale, with its sign changed where that is flipped."""
    if not factor:
        return number
    return -math.log(number) if flipped else math.log(number)


def to_float(text: str) -> float:
    """A number as tables write it, with commas between thousands."""
    return float(text.replace(",", ""))


def first_number(text: str) -> float | None:
    """What a cell is sorted by: the number that it begins with; ``None`` where it begins with a word.

    >>> first_number("96.17 ± 0.51"), first_number("60,000"), first_number("×1.3"), first_number("2 of 3")
    (96.17, 60000.0, None, 2.0)
    """
    found = FIRST.match(text)
    return None if found is None or text == UNKNOWN else to_float(found.group(0))


def read_interval(text: str) -> Interval | None:
    """The interval that a cell tells, of the difference, or of the factor where errors are compared by theirs.

    >>> read_interval("+3.07 (-2.12 to 8.25)")
    Interval(value=3.07, low=-2.12, high=8.25, factor=False)
    >>> read_interval("-2.70, error × 1.69 (1.3 to 2.1)")
    Interval(value=1.69, low=1.3, high=2.1, factor=True)
    >>> read_interval("95.81 to 96.54").value is None, read_interval("96.17 ± 0.51")
    (True, None)
    """
    found = INTERVAL.search(text)
    if found is None:
        return None
    if found["from"] is not None:
        return Interval(None, to_float(found["from"]), to_float(found["until"]))
    value, low, high = (to_float(found[name]) for name in ("value", "low", "high"))
    factor = found["factor"] is not None
    if factor and min(value, low, high) <= 0:
        return None
    return Interval(value, low, high, factor)


def scale_of(intervals: Sequence[Interval], factor: bool, flipped: bool = False, about_zero: bool = True) -> Scale:
    """A scale on which most of a column's intervals can be told apart: what lies far from the others is beyond it.

    Far is a value more than three times the quartiles' distance outside of them, or an interval that would make the
    scale more than twice as long as nine tenths of them do.

    Args:
        intervals: all of one kind, at least one.
        factor: which kind.
        flipped: whether small factors are on the right.
        about_zero: whether they are differences, whose scale holds the place of no difference.
    """
    values = [(entry.low + entry.high) / 2 if entry.value is None else entry.value for entry in intervals]
    places = np.array([transformed(value, factor, flipped) for value in values])
    ends = np.array([[transformed(end, factor, flipped) for end in (entry.low, entry.high)] for entry in intervals])
    first, third = np.quantile(places, [0.25, 0.75])
    near = np.abs(places - (first + third) / 2) <= 3.5 * (third - first)
    near = near if near.any() else np.full(len(places), True)
    reference = 0.0 if about_zero else None
    known = [*places[near].tolist(), *([] if reference is None else [reference])]
    lows, highs = ends[near].min(axis=1), ends[near].max(axis=1)
    low, high = min(lows.min(), *known), max(highs.max(), *known)
    most = min(float(np.quantile(lows, 0.1)), *known), max(float(np.quantile(highs, 0.9)), *known)
    if high - low > 2 * (most[1] - most[0]):
        low, high = most
    space = 0.03 * (high - low) or 1.0
    return Scale(float(low - space), float(high + space), factor, flipped, reference)


def own_bar(value: float, low: float, high: float) -> Bar | None:
    """The bar of an interval on a scale of its own, which holds 0; nothing where no interval is known."""
    if not low < high:
        return None
    interval = Interval(value, low, high)
    reach = max(abs(low), abs(high)) * 1.03
    return Scale(-reach, reach, reference=0.0).bar(interval)
