"""A table that is wider than the terminal: without its costs, or with rows and columns exchanged."""

from typing import NamedTuple

# Of the columns that say what a row cost, those that go first.
SPARE = ("seconds", "passes", "gradient evals")
# A column of groups is folded before anything is left out, down to so many characters.
LEAST = 16


class Grid(NamedTuple):
    """A table of texts; of its columns the first ``left`` are groups."""

    header: list[str]
    rows: list[list[str]]
    left: int


def width_of(grid: Grid) -> int:
    """The characters of a line of the table, groups folded as far as they may be.

    >>> width_of(Grid(["rung", "mean"], [["Baseline", "95.70 ± 0.11"]], 1))
    27
    """
    widths = [max(map(len, column)) for column in zip(grid.header, *grid.rows, strict=True)]
    folded = [min(width, LEAST) if place < grid.left else width for place, width in enumerate(widths)]
    return sum(folded) + 3 * len(folded) + 1


def fit(grid: Grid, width: int) -> tuple[Grid, str]:
    """The table within ``width`` characters as far as that goes, and a sentence about what became of it.

    Costs are left out first, one column at a time; then rows and columns change places, if that is narrower; what is
    too wide even so is folded by the terminal.
    """
    kept, lost = grid, list[str]()
    for name in SPARE:
        if width_of(kept) > width and name in kept.header:
            kept, lost = without(kept, name), [*lost, name]
    told = f"Left out, since the table is wider than {width} characters: {', '.join(lost)}." if lost else ""
    if width_of(kept) > width and width_of(turned(grid)) < width_of(kept):
        return turned(grid), f"A column a row, since the table is wider than {width} characters."
    return kept, told


def without(grid: Grid, name: str) -> Grid:
    """The table without a column."""
    place = grid.header.index(name)
    return Grid(strip(grid.header, place), [strip(row, place) for row in grid.rows], grid.left)


def strip(texts: list[str], place: int) -> list[str]:
    """A row without one of its texts."""
    return [*texts[:place], *texts[place + 1 :]]


def turned(grid: Grid) -> Grid:
    """Rows as columns, each headed by its groups.

    >>> turned(Grid(["rung", "n", "mean"], [["Baseline", "3", "95.7"], ["FB", "3", "75.4"]], 1))
    Grid(header=['rung', 'Baseline', 'FB'], rows=[['n', '3', '3'], ['mean', '95.7', '75.4']], left=1)
    """
    groups = [" / ".join(row[: grid.left]) for row in grid.rows]
    columns = [row[grid.left :] for row in grid.rows]
    rows = [[name, *texts] for name, *texts in zip(grid.header[grid.left :], *columns, strict=True)]
    return Grid([" / ".join(grid.header[: grid.left]), *groups], rows, 1)
