"""A table's cells as the page shows them: text, what it is sorted by, and its interval's bar."""

from dataclasses import dataclass

from fbgd.report.cells import UNKNOWN
from fbgd.report.formats import Page
from fbgd.report.html.bars import Bar, Interval, Scale, first_number, read_interval, scale_of


@dataclass(frozen=True)
class Cell:
    """A cell.

    Args:
        text: what it says.
        number: what it is sorted by; ``None`` for words, and for what is unknown.
        bar: its interval; ``None`` where it tells none.
    """

    text: str
    number: float | None = None
    bar: Bar | None = None

    @property
    def unknown(self) -> bool:
        """Whether it says nothing."""
        return self.text in ("", UNKNOWN)


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        name: its header.
        group: whether it says what the row is about.
        scales: of its bars: none, one, or two where some rows compare the logarithms of their errors.
    """

    name: str
    group: bool
    scales: list[Scale]


def table_cells(page: Page, flipped: bool) -> tuple[list[Column], list[list[Cell]]]:
    """The columns and the rows of a page's table.

    Args:
        page: of the study.
        flipped: whether a smaller error is a larger value of the metric, as of accuracies.
    """
    columns, cells = [], []
    for index, name in enumerate(page.header):
        texts = [row[index] for row in page.rows]
        before = [row[index - 1] for row in page.rows] if index else [""] * len(texts)
        intervals = [with_dot(read_interval(text), left) for text, left in zip(texts, before, strict=True)]
        scales = column_scales(texts, intervals, flipped)
        columns.append(Column(name, index < page.left, list(scales.values())))
        cells.append(
            [
                Cell(text, first_number(text), scales[entry.factor].bar(entry) if entry else None)
                for text, entry in zip(texts, intervals, strict=True)
            ]
        )
    return columns, [list(row) for row in zip(*cells, strict=True)]


def column_scales(texts: list[str], intervals: list[Interval | None], flipped: bool) -> dict[bool, Scale]:
    """The scale of a column's differences, and that of its factors, as far as it has any."""
    about_zero = any(entry and text[:1] in "+-" for text, entry in zip(texts, intervals, strict=True))
    scales = {}
    for factor in (False, True):
        if own := [entry for entry in intervals if entry is not None and entry.factor == factor]:
            scales[factor] = scale_of(own, factor, factor and flipped, factor or about_zero)
    return scales


def with_dot(interval: Interval | None, left: str) -> Interval | None:
    """An interval without an estimate with that of the cell to its left, if this lies within."""
    if interval is None or interval.value is not None:
        return interval
    words = left.split()
    number = first_number(words[0]) if words else None
    if number is None or not interval.low <= number <= interval.high:
        return interval
    return Interval(number, interval.low, interval.high)
