"""The figure ``central_flow``: a row a beginning; sharpness, distances and variance over time."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.plots import make_figure
from fbgd.studies.double_descent.drawing import draw_band

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DESCENT, CENTRAL, FLOW = "mean path of descent", "central flow", "gradient flow"
LINES = {DESCENT: "-", CENTRAL: "--", FLOW: ":"}
# The panels: a label, a scale, and the column of each line.
PANELS = (
    ("sharpness · h / 2", "linear", {DESCENT: "middle", CENTRAL: "central", FLOW: "flow"}),
    ("distance of descent (% of the flow's way)", "log", {CENTRAL: "central_share", FLOW: "flow_share"}),
    ("variance of the oscillation", "log", {DESCENT: "variance", CENTRAL: "predicted_variance"}),
    ("mean loss over the gradient flow's, minus 1 (%)", "linear", {DESCENT: "excess", CENTRAL: "predicted_excess"}),
)
# Oscillations that are smaller are not drawn.
SMALLEST = 1e-6


def draw(table: pd.DataFrame, title: str) -> "Figure | None":
    """Mean and range over seeds, a colour a learning rate; nothing where no descent has crossed."""
    import seaborn as sns

    if not len(table):
        return None
    table, begins = drawn(table), list(dict.fromkeys(table["begin"]))
    figure, panels = make_figure((20, 4.5 * len(begins) + 0.8), len(begins), 4)
    rates = sorted(table["rate"].unique())
    colours = dict(zip(rates, sns.color_palette("viridis", len(rates) + 1), strict=False))
    for place, axes in enumerate(panels):
        begin, (name, scale, lines) = begins[place // 4], PANELS[place % 4]
        for rate, part in table[table["begin"] == begin].groupby("rate"):
            for line, column in lines.items():
                draw_band(axes, part, "share", column, 1, color=colours[rate], linestyle=LINES[line],
                          label=f"{line}, h = {rate:g}")  # fmt: skip
        axes.set(yscale=scale, ylabel=name, title=begin)
        axes.set_xlabel("time since the beginning / time to the crossing")
    for axes in panels[::4]:
        axes.axhline(1, color="black", linewidth=0.8)
        axes.legend(fontsize="x-small")
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
