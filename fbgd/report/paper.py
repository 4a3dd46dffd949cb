"""Figures for print: as wide as one or both columns of a page, in letters that stay readable there."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches of a column and of both, as on the pages of most conferences.
WIDTHS = {1: 3.25, 2: 6.75}
# Points of the text, on screen 12.
TEXT = 7
SCREEN_TEXT = 12
_columns: ContextVar[int] = ContextVar("columns", default=0)


class Copies(NamedTuple):
    """What figures are written as beside PNG: the kind of file, and as wide as how many columns; 0: as on screen."""

    kind: str = "png"
    columns: int = 0


@contextmanager
def on_paper(columns: int) -> Iterator[None]:
    """Within it figures are as wide as so many columns; 0: as on screen.

    A figure with panels side by side has no room in one column, and takes both. Titles are left out: a printed figure
    has a caption.
    """
    token = _columns.set(columns)
    try:
        yield
    finally:
        _columns.reset(token)


def sheet(size: tuple[float, float], panels: int) -> tuple[float, float]:
    """Set the style; the size in inches of a figure that measures ``size`` on screen, with so many panels in a row."""
    import seaborn as sns

    if not (columns := _columns.get()):
        sns.set_theme(style="whitegrid", context="notebook")
        return size
    scale = TEXT / SCREEN_TEXT
    sizes = {name: scale * value for name, value in sns.plotting_context("notebook").items()}
    sns.set_theme(style="whitegrid", rc=sizes)
    return WIDTHS[max(columns, min(2, panels))], scale * size[1]


def points(size: float) -> float:
    """A size of a mark or a line in points on screen, as it is on this sheet."""
    return size * TEXT / SCREEN_TEXT if _columns.get() else size


def without_title(figure: "Figure") -> "Figure":
    """The figure, on paper without its title."""
    if _columns.get() and figure.get_suptitle():
        figure.suptitle("")
    return figure
