"""Figures of the calibration: false claims and coverage by scenario, power by number of seeds."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.plots import make_figure
from fbgd.studies.calibration.scenarios import NULL, PLANTED
from fbgd.studies.calibration.shares import percentage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The promised share, in percent.
PROMISED = {"false_table": 5, "false_claims": 5, "mean_covered": 95, "table_covered": 95, "claims_covered": 95}
TITLES = {
    "false_table": "tables with a false difference",
    "false_claims": "studies with a false claim",
    "mean_covered": "a row's mean held",
    "table_covered": "all differences held at once",
    "claims_covered": "all claims' intervals held at once",
}


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Shares of simulated studies with Wilson's 95 % intervals, a colour a number of seeds, and what was promised.

    Args:
        table: of :func:`fbgd.studies.calibration.cells.measure`.
        title: of the figure.
    """
    import seaborn as sns

    counts = sorted(set(table["seeds"]))
    palette = dict(zip(counts, sns.color_palette("colorblind", len(counts)), strict=True))
    figure, panels = make_figure((16, 13), 2, 3)
    flat = list(panels)
    null = table[table["scenario"].isin([scenario.name for scenario in NULL])]
    for axes, (column, promised) in zip(flat, PROMISED.items(), strict=False):
        draw_shares(axes, null, column, palette)
        axes.axvline(promised, color="black", linestyle=":", lw=1.5, zorder=1)
        axes.set(title=TITLES[column], xlabel="% of studies, Wilson's 95 % interval")
        axes.set(xlim=(-0.5, None) if promised < 50 else (None, 100.5))
    draw_power(flat[-1], table, palette)
    for axes in flat[1:3] + flat[4:5]:
        axes.set_yticklabels([])
    figure.suptitle(title)
    return figure


def draw_shares(axes: "Axes", table: pd.DataFrame, column: str, palette: dict) -> None:
    """A row a scenario and kind of study, a mark a number of seeds."""
    keys = list(dict.fromkeys(table[["scenario", "study"]].itertuples(index=False, name=None)))
    for place, (scenario, study) in enumerate(keys):
        mine = table[(table["scenario"] == scenario) & (table["study"] == study)]
        for offset, (seeds, colour) in enumerate(palette.items()):
            known = mine.loc[mine["seeds"] == seeds].reindex(columns=[column])[column].dropna()
            if len(known):
                found = percentage(float(known.sum()), len(known), 0.95)
                height = place + 0.22 * (offset - (len(palette) - 1) / 2)
                axes.plot([found.low, found.high], [height] * 2, color=colour, lw=2)
                axes.plot(found.value, height, "o", color=colour, ms=4)
    axes.set_yticks(range(len(keys)), [f"{scenario}: {study}" for scenario, study in keys], fontsize="small")
    axes.set(ylim=(len(keys) - 0.4, -0.6))


def draw_power(axes: "Axes", table: pd.DataFrame, palette: dict) -> None:
    """How often the better row is found, over the number of seeds: solid in the ladder, dashed in the comparison."""
    import seaborn as sns

    colours = sns.color_palette("colorblind", len(PLANTED))
    for scenario, colour in zip(PLANTED, colours, strict=True):
        for study, style in (("ladder", "-"), ("comparison", "--")):
            mine = table[(table["scenario"] == scenario.name) & (table["study"] == study)]
            if not len(mine):
                continue
            parts = [(seeds, part["found"].dropna()) for seeds, part in mine.groupby("seeds")]
            found = [percentage(float(known.sum()), len(known), 0.95) for _, known in parts]
            places = [seeds for seeds, _ in parts]
            axes.plot(places, [share.value for share in found], style, marker="o", color=colour,
                      label=f"{study}, sd {100 * scenario.spread:g}")  # fmt: skip
            axes.vlines(places, [share.low for share in found], [share.high for share in found], color=colour, lw=2)
    axes.set(title="a row a point better is found", xlabel="seeds", ylabel="% of studies", ylim=(-2, 130))
    axes.set_yticks(range(0, 101, 20))
    axes.set_xticks(list(palette))
    if axes.get_legend_handles_labels()[1]:
        # Above all that there can be.
        axes.legend(fontsize="small", loc="upper center", ncols=2)
    handles = [axes.plot([], [], "o-", color=colour)[0] for colour in palette.values()]
    axes.figure.legend(handles, [f"{seeds} seeds" for seeds in palette], loc="outside upper right", ncols=len(palette))
