"""The figure ``central_flow``: a row a beginning and rate; sharpness, distances, variance and loss over time."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.plots import make_figure
from fbgd.studies.double_descent.drawing import draw_band

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DESCENT, CENTRAL, FLOW = "mean path of descent", "central flow", "gradient flow"
LINES = {DESCENT: "-", CENTRAL: "--", FLOW: ":"}
# Places of the palette "colorblind".
HUES = {DESCENT: 0, CENTRAL: 3, FLOW: 7}
# The panels: a label, a scale, and the column of each line.
PANELS = (
    ("sharpness · h / 2", "linear", {DESCENT: "middle", CENTRAL: "central", FLOW: "flow"}),
    ("distance of descent\n(% of the flow's way)", "log", {CENTRAL: "central_share", FLOW: "flow_share"}),
    ("variance of the oscillation", "log", {DESCENT: "variance", CENTRAL: "predicted_variance"}),
    ("mean loss over the\ngradient flow's, minus 1 (%)", "linear", {DESCENT: "excess", CENTRAL: "predicted_excess"}),
)
# Oscillations that are smaller are not drawn.
SMALLEST = 1e-6


def draw(table: pd.DataFrame, title: str) -> "Figure | None":
    """Mean and range over seeds, a colour a path; nothing where no descent has crossed."""
    import seaborn as sns

    if not len(table):
        return None
    table = drawn(table)
    rates = sorted(table["rate"].unique())
    rows = [(begin, rate) for begin in dict.fromkeys(table["begin"]) for rate in rates]
    figure, panels = make_figure((20, 3.6 * len(rows) + 1.1), len(rows), 4)
    hues = sns.color_palette("colorblind")
    colours = {line: hues[place] for line, place in HUES.items()}
    for place, axes in enumerate(panels):
        (begin, rate), (name, scale, lines) = rows[place // 4], PANELS[place % 4]
        part = table[(table["begin"] == begin) & (table["rate"] == rate)]
        for line, column in lines.items():
            draw_band(axes, part, "share", column, 1, color=colours[line], linestyle=LINES[line])
        axes.set(yscale=scale, ylabel=name, title=f"{begin}, h = {rate:g}")
    for axes in panels[::4]:
        axes.axhline(1, color="black", linewidth=0.8)
    for axes in panels[-4:]:
        axes.set_xlabel("time since the beginning / time to the crossing")
    keys = [panels[0].plot([], [], color=colours[line], linestyle=LINES[line])[0] for line in LINES]
    figure.legend(keys, list(LINES), loc="outside lower center", ncols=len(LINES), frameon=False)
    figure.suptitle(f"{title}: mean and range over seeds; time in units of that to the first crossing of 2 / h")
    return figure


def drawn(table: pd.DataFrame) -> pd.DataFrame:
    """With the columns of :data:`PANELS`."""
    edge, way = table["rate"] / 2, table["way"] / 100
    return table.assign(
        middle=table["sharpness"] * edge,
        central=table["central_sharpness"] * edge,
        flow=table["flow_sharpness"] * edge,
        central_share=table["central_distance"] / way,
        flow_share=table["flow_distance"] / way,
        variance=table["variance"].where(table["variance"] > SMALLEST),
        predicted_variance=table["predicted_variance"].where(table["predicted_variance"] > SMALLEST),
        excess=100 * (table["loss"] / table["flow_loss"] - 1),
        predicted_excess=100 * (table["predicted_loss"] / table["flow_loss"] - 1),
    )
