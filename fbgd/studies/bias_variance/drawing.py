"""Figures: bias, variance and risk over the width, by procedure and by label noise; the sources of the variance."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.evidence import Evidence
from fbgd.report.plots import make_figure
from fbgd.studies.bias_variance.settings import END, MATCHED
from fbgd.studies.double_descent.drawing import draw_band, plain_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARTS = {"risk": ("risk", "C3", "o"), "bias": ("bias²", "C0", "s"), "variance": ("variance", "C1", "^")}
SOURCES = {
    "variance": PARTS["variance"],
    "sampling": ("sampling", "C2", "v"),
    "optimisation": ("optimisation", "C4", "D"),
}
ABOUT = "squared error of probabilities, mean and range over repetitions; dashed: training error"


def draw_procedures(evidence: Evidence) -> "Figure | None":
    """A panel a procedure, at matched training error."""
    table = evidence.measurements
    matched = table[table["moment"] == MATCHED] if len(table) else table
    panels = list(matched.groupby("procedure", sort=False)) if len(matched) else []
    return panels_of(panels, f"{evidence.title}, at matched training error: {ABOUT}", PARTS)


def draw_noise(evidence: Evidence) -> "Figure | None":
    """A panel a label noise, of the first procedure at the end of its budget."""
    table = evidence.measurements
    if not len(table):
        return None
    first = table["procedure"].iloc[0]
    ends = table[(table["moment"] == END) & (table["procedure"] == first)]
    panels = [(f"{first}, label noise {noise:g}", part) for noise, part in ends.groupby("label_noise")]
    return panels_of(panels, f"{evidence.title}: {ABOUT}", PARTS)


def draw_sources(evidence: Evidence) -> "Figure | None":
    """The variance and its sources over the width, a panel a procedure with several networks on a training set."""
    table = evidence.measurements
    known = table[(table["moment"] == END) & table["optimisation"].notna()] if len(table) else table
    panels = list(known.groupby("procedure", sort=False)) if len(known) else []
    about = "the sources of the variance, mean and range over repetitions"
    return panels_of(panels, f"{evidence.title}: {about}", SOURCES, errors=False)


def panels_of(
    panels: list[tuple[str, pd.DataFrame]], title: str, parts: dict[str, tuple[str, str, str]], *, errors: bool = True
) -> "Figure | None":
    """Curves over the width side by side; nothing where there are no panels."""
    if not panels:
        return None
    figure, grid = make_figure((5.2 * len(panels), 5), 1, len(panels), sharey=True)
    for index, (axes, (name, part)) in enumerate(zip(grid, panels, strict=True)):
        curves_of(axes, part, parts, errors=errors)
        axes.set(xscale="log", xlabel="width", title=name)
        plain_ticks(axes, sorted(part["width"].unique()))
        if not index:
            axes.set_ylabel("squared error")
            axes.legend(fontsize="small")
    # After all of them: the panels share their axis.
    grid[0].set_ylim(bottom=0)
    figure.suptitle(title)
    return figure


def curves_of(axes: "Axes", part: pd.DataFrame, parts: dict[str, tuple[str, str, str]], *, errors: bool) -> None:
    """The curves of one panel."""
    for column, (label, colour, marker) in parts.items():
        draw_band(axes, part, "width", column, scale=1, color=colour, marker=marker, markersize=4, label=label)
    if errors:
        draw_band(axes, part, "width", "train_error", scale=1, color="0.5", linestyle="--", label="training error")
