"""The panels of the figure ``map``."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.statistics import t_interval
from fbgd.studies.double_descent.drawing import draw_band, plain_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NONE = "none"


def draw_distances(axes: "Axes", table: pd.DataFrame) -> None:
    """A bar a way to train and number of samples, on a logarithmic axis."""
    import seaborn as sns

    shown = table.assign(
        name=table["model"] + ": " + table["how"],
        samples=table["train_size"].map("{:.0f} samples".format),
        distance=table["distance"].clip(lower=1e-17),
    )
    sns.barplot(shown, x="distance", y="name", hue="samples", palette="crest", ax=axes)
    axes.set(xscale="log", xlabel="relative distance from the mode of the posterior", ylabel="", title="the same λ")
    axes.set_xlim(1e-17, max(10.0, shown["distance"].max() * 3))
    axes.legend(fontsize="small", loc="upper right")


def draw_errors(axes: "Axes", table: pd.DataFrame, model: str, *, legend: bool) -> None:
    """Test error over the precision of the prior, a line a number of samples; no prior stands apart on the left."""
    import seaborn as sns

    precisions = sorted(precision for precision in table["precision"].unique() if precision > 0)
    if not precisions:
        return
    none = precisions[0] / 8
    sizes = sorted(table["train_size"].unique())
    for size, colour in zip(sizes, sns.color_palette("flare", len(sizes)), strict=True):
        part = table[table["train_size"] == size]
        draw_band(axes, part[part["precision"] > 0], "precision", "test_error", color=colour, marker="o",
                  label=f"{size} samples")  # fmt: skip
        plain = 100 * part.loc[part["precision"] == 0, "test_error"]
        if len(plain):
            spread = [[plain.mean() - plain.min()], [plain.max() - plain.mean()]]
            axes.errorbar([none], [plain.mean()], spread, color=colour, marker="s")
    axes.set(xscale="log", yscale="log", xlabel="precision of the prior, nλ = 1/σ²", ylabel="test error (%)")
    axes.set_title(f"{model} model")
    plain_ticks(axes, precisions)
    shown = precisions[:: -(-len(precisions) // 7)]
    axes.set_xticks([none, *shown], [NONE, *(f"{value:g}" for value in shown)])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")
    axes.tick_params(axis="y", which="minor", labelsize="small")
    if legend:
        # Below the lowest curve.
        axes.set_ylim(bottom=axes.get_ylim()[0] / 2)
        axes.legend(fontsize="small", loc="lower left", ncols=2)


def draw_gains(axes: "Axes", gains: dict[str, dict[int, pd.Series]]) -> None:
    """What the prior takes off the test error over the number of samples, a line a model, with 95 % intervals.

    Args:
        axes: drawn on.
        gains: of every seed, by model and number of samples.
    """
    for place, (model, found) in enumerate(gains.items()):
        sizes = [size for size, values in found.items() if len(values)]
        means = np.array([found[size].mean() for size in sizes])
        ends = np.array([t_interval(found[size].to_numpy()) for size in sizes]).reshape(-1, 2)
        reach = np.nan_to_num(np.abs(ends - means[:, None]).T)
        moved = [size * 1.04**place for size in sizes]
        axes.errorbar(moved, means, reach, marker="o", capsize=4, label=model, color=f"C{place}")
    axes.axhline(0, color="0.3", linewidth=1)
    axes.set(xscale="log", xlabel="training samples", ylabel="fall of the test error (points)")
    axes.set_title("the prior chosen on the validation splits, over none")
    plain_ticks(axes, sorted({size for found in gains.values() for size in found}))
    axes.legend(fontsize="small")


def draw_weights(axes: "Axes", table: pd.DataFrame, model: str) -> None:
    """The density of each weight matrix and the prior's."""
    from scipy.stats import norm

    places = np.linspace(-4, 4, 400)
    axes.plot(places, norm.pdf(places), color="black", linestyle="--", label="prior")
    matrices = table[table["parameter"].astype(str).str.endswith("weight")]
    for index, (name, part) in enumerate(matrices.groupby("parameter", sort=False)):
        axes.stairs(part["density"], bin_edges(part["place"].to_numpy()), color=f"C{index}", fill=True, alpha=0.4,
                    label=f"layer {index + 1}, {name}")  # fmt: skip
    precision = f", 1/σ² = {table['precision'].iloc[0]:g}" if len(table) else ""
    axes.set(yscale="log", ylim=(1e-3, 30), xlabel="weight / σ", ylabel="density")
    axes.set_title(f"weights of the {model} model at the mode{precision}")
    axes.legend(fontsize="small")


def bin_edges(middles: np.ndarray) -> np.ndarray:
    """The edges of equal bins from their middles."""
    half = (middles[1] - middles[0]) / 2
    return np.append(middles - half, middles[-1] + half)
