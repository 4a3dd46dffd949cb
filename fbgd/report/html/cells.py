"""A table's cells as the page shows them: text, what it is sorted by, and its interval's bar."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from fbgd.report.cells import UNKNOWN
from fbgd.report.formats import Page
from fbgd.report.html.bars import Bar, Interval, Scale, first_number, read_interval, scale_of

# Blocks of rows with a scale of their own, each in a colour.
MOST_SCALES = 4


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
        scales: of its bars: none, one, or two where some rows compare the logarithms of their errors; so many for every
            block of rows.
    """

    name: str
    group: bool
    scales: list[Scale]


def table_cells(page: Page, flipped: bool, baseline: Collection[str] = ()) -> tuple[list[Column], list[list[Cell]]]:
    """The columns and the rows of a page's table.

    Args:
        page: of the study.
        flipped: whether a smaller error is a larger value of the metric, as of accuracies.
        baseline: the labels that say which row others are compared with: rows that differ in another label are compared
            among themselves, and have a scale of their own.
    """
    blocks = blocks_of(page, baseline)
    columns, cells = [], []
    for index, name in enumerate(page.header):
        texts = [row[index] for row in page.rows]
        before = [row[index - 1] for row in page.rows] if index else [""] * len(texts)
        intervals = [with_dot(read_interval(text), left) for text, left in zip(texts, before, strict=True)]
        scales = column_scales(texts, intervals, flipped, blocks)
        columns.append(Column(name, index < page.left, list(scales.values())))
        cells.append(
            [
                Cell(text, first_number(text), scales[block, entry.factor].bar(entry) if entry else None)
                for text, entry, block in zip(texts, intervals, blocks, strict=True)
            ]
        )
    return columns, [list(row) for row in zip(*cells, strict=True)]


def blocks_of(page: Page, baseline: Collection[str]) -> list[str]:
    """The name of every row's block, as ``SGD`` and ``full batch``; all alike where the table is one block."""
    labels = [index for index in range(page.left) if page.header[index] not in baseline]
    names = [" / ".join(row[index] for index in labels) for row in page.rows]
    counts = Counter(names)
    apart = baseline and len(labels) < page.left and 2 <= len(counts) <= MOST_SCALES and min(counts.values()) > 1
    return names if apart else [""] * len(names)


def column_scales(
    texts: list[str], intervals: list[Interval | None], flipped: bool, blocks: list[str]
) -> dict[tuple[str, bool], Scale]:
    """The scale of a column's differences, and that of its factors, as far as it has any, in every block of rows."""
    about_zero = any(entry and text[:1] in "+-" for text, entry in zip(texts, intervals, strict=True))
    scales = {}
    for hue, block in enumerate(dict.fromkeys(blocks)):
        mine = [entry for entry, own in zip(intervals, blocks, strict=True) if entry is not None and own == block]
        for factor in (False, True):
            if own := [entry for entry in mine if entry.factor == factor]:
                scale = scale_of(own, factor, factor and flipped, factor or about_zero)
                scales[block, factor] = replace(scale, name=block, hue=hue)
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
