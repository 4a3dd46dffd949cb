"""The panels of the figure ``schedule``."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from fbgd.report.plots import MOST_COLOURS, make_figure
from fbgd.studies.weight_decay.one_pass import CONSTANT, COSINE, MATCHED, PROBE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(table: pd.DataFrame, ends: pd.DataFrame, title: str) -> "Figure":
    """Training loss relative to no decay for every schedule; norms, effective rates, and the test loss at the end."""
    import seaborn as sns

    figure, panels = make_figure((18, 9.5), 2, 3)
    decays = sorted(set(table["weight_decay"]))
    palette = dict(zip(decays, sns.color_palette("viridis", len(decays)), strict=True))
    for axes, schedule in zip(panels, (COSINE, CONSTANT, PROBE), strict=False):
        for value in STYLES:
            relative_loss(axes, table, schedule, schedule, palette, value)
        if schedule == COSINE and MATCHED in set(table["schedule"]):
            relative_loss(axes, table, MATCHED, COSINE, {0.0: "C3"}, label="no decay, matched effective rate")
        axes.axhline(0, color="0.3", linewidth=1)
        axes.set(title=schedule, xlabel="step", ylabel="loss minus that without decay (nats)")
        # The legend stands above the curves.
        low, high = axes.get_ylim()
        axes.set_ylim(top=high + 0.3 * (high - low))
        axes.legend(fontsize="small", loc="upper left")
    norms, rates, losses = panels[3:]
    cosine = table[table["schedule"] == COSINE]
    for decay, colour in palette.items():
        part = cosine[cosine["weight_decay"] == decay].groupby("step")
        norms.plot(part["norm/matrices"].mean(), color=colour, label=f"weight decay {decay:g}")
    norms.set(title="cosine: norm of the weight matrices", xlabel="step", ylabel="norm")
    norms.legend(fontsize="small")
    effective_rates(rates, cosine, decays)
    sns.stripplot(
        ends.assign(cell=lambda frame: frame["schedule"]),
        x="test", y="cell", hue="weight_decay", palette=palette, dodge=True, jitter=False, ax=losses,
    )  # fmt: skip
    losses.set(title="at the end: a dot a seed", xlabel="test loss (nats per token)", ylabel="")
    figure.suptitle(f"{title}: mean and range over seeds; above, training loss (solid) and test loss (dotted)")
    return figure


STYLES: dict[str, dict[str, Any]] = {
    "train_loss": {"linestyle": "-"},
    "test_loss": {"linestyle": ":", "marker": "o", "markersize": 4},
}


def relative_loss(axes, table, schedule, base, palette, value="train_loss", label=None) -> None:
    """A loss of the cells of a schedule minus that of ``base`` without decay, paired by seed and step."""
    keys = ["seed", "step"]
    plain = table[(table["schedule"] == base) & (table["weight_decay"] == 0)].set_index(keys)[value]
    for decay, colour in palette.items():
        part = table[(table["schedule"] == schedule) & (table["weight_decay"] == decay)].set_index(keys)[value]
        change = (part - plain).dropna().groupby("step")
        if len(part) and (schedule, decay) != (base, 0.0):
            named = label or f"weight decay {decay:g}" if value == "train_loss" else None
            axes.plot(change.mean(), color=colour, label=named, **STYLES[value])
            axes.fill_between(change.min().index, change.min(), change.max(), color=colour, alpha=0.18, linewidth=0)


def effective_rates(axes, cosine: pd.DataFrame, decays: list[float]) -> None:
    """The learning rate over the norm of every weight matrix, without decay (solid) and with the largest (dashed).

    The matrices of a layer have its colour.
    """
    scales = ("norm.weight", "/matrices")
    names = [name for name in cosine if name.startswith("norm/") and not name.endswith(scales)]
    palette = layer_colours([layer_of(name) for name in names])
    told = set()
    for decay, style in ((decays[0], "-"), (decays[-1], "--")):
        part = cosine[cosine["weight_decay"] == decay]
        for name in names:
            layer = layer_of(name)
            rates = (part["learning_rate"] / part[name]).groupby(part["step"]).mean()
            axes.plot(rates, style, color=palette[layer], linewidth=1.2, label=None if layer in told else layer)
            told.add(layer)
    axes.set(
        title=f"cosine: learning rate over norm; solid: no decay, dashed: {decays[-1]:g}", xlabel="step", yscale="log"
    )
    axes.set_ylim(top=5 * axes.get_ylim()[1])
    axes.legend(title="a line a matrix of", title_fontsize="x-small", fontsize="x-small", loc="upper right", ncols=3)


def layer_of(name: str) -> str:
    """The layer of a matrix: ``norm/residuals.0.branch.query.weight`` is of layer 1, with the others of its branch."""
    first, *rest = name.removeprefix("norm/").split(".")
    return f"layer {int(rest[0]) + 1}" if first == "residuals" else first


def layer_colours(layers: list[str]) -> dict[str, Any]:
    """A colour a layer, which colour-blind readers can tell apart; of many layers one from an ordered map by depth."""
    import seaborn as sns

    names = list(dict.fromkeys(layers))
    kind = "colorblind" if len(names) <= MOST_COLOURS else "viridis"
    return dict(zip(names, sns.color_palette(kind, len(names)), strict=True))
