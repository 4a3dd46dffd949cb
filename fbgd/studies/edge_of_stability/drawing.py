"""The figure ``sharpness``: a panel a method, a colour a rate."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.plots import make_figure
from fbgd.studies.double_descent.drawing import draw_band

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTES = {
    "SGD": "batch sharpness · h / 2",
    "clipped": "sharpness · effective rate / 2",
    "penalised": "sharpness / edge of the penalised quadratic",
    "SAM": "sharpness / SAM's own edge",
    "Adam": "in Adam's metric",
    "RMSprop": "in RMSprop's metric",
}


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """What is measured over its own edge, over passes; dashed, the sharpness over the optimizer's plain threshold."""
    import seaborn as sns

    methods = list(dict.fromkeys(table["method"]))
    columns = min(4, len(methods))
    rows = -(-len(methods) // columns)
    figure, panels = make_figure((4.3 * columns, 3.2 * rows + 0.6), rows, columns)
    for place, axes in enumerate(panels):
        if place >= len(methods):
            axes.set_axis_off()
            continue
        mine = table[table["method"] == methods[place]]
        rates = sorted(mine["rate"].unique())
        colours = sns.color_palette("viridis", len(rates) + 1)
        for rate, colour in zip(rates, colours, strict=False):
            part = mine[mine["rate"] == rate]
            draw_band(axes, part, "passes", "ratio", 1, color=colour, label=f"rate {rate:g}")
            if (part["ratio"] - part["plain"]).abs().max() > 1e-9:
                axes.plot(part.groupby("passes")["plain"].mean(), color=colour, linestyle="--", linewidth=1.1)
        axes.axhline(1, color="black", linestyle=":", linewidth=1.4)
        note = next((text for name, text in NOTES.items() if methods[place].startswith(name)), "sharpness / threshold")
        top = max(1.3, 1.05 * mine[["ratio", "plain"]].quantile(0.99).max())
        top = min(top, 3)
        drawn = max(mine["ratio"].max(), mine.groupby(["rate", "passes"])["plain"].mean().max())
        cut = f" (cut: up to {drawn:.3g})" if drawn > top else ""
        axes.set_title(f"{methods[place]}{cut}\n{note}", fontsize="medium")
        axes.set(ylim=(0, top), xlim=(0, mine["passes"].max()), xlabel="", ylabel="")
        # Below the panel, where no curve is.
        axes.legend(fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(rates), frameon=False)
    figure.supxlabel("passes")
    figure.suptitle(f"{title}: mean and range over seeds; dotted, the edge; dashed, the sharpness over the optimizer's "
                    "plain threshold")  # fmt: skip
    return figure
