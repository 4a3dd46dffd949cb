"""The figure of random-feature regression: errors and loss over features per training sample."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fbgd.plots import make_figure
from fbgd.random_feature_study import MIN_NORM, RIDGE

PANELS = (
    ("test_error", "test error (%)", "linear"),
    ("test_loss", "test squared loss", "log"),
    ("train_error", "training error (%)", "linear"),
)
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def random_feature_figure(table: pd.DataFrame, title: str) -> Figure:
    """Test error, test loss and training error over features per training sample: mean and range over seeds.

    A colour a label noise, solid for min norm, dashed for tuned ridge; dotted where features and samples are as many.

    Args:
        table: of :func:`fbgd.random_feature_study.random_feature_study`.
        title: of the figure.
    """
    estimators = {MIN_NORM: "min norm", RIDGE: "tuned ridge"}
    shown = table.assign(
        estimator=table["estimator"].map(estimators),
        ratio=table["width"] / table["train_size"],
        noise=[f"{100 * noise:g} %" for noise in table["label_noise"]],
        **{column: 100 * table[column] for column in ("test_error", "train_error")},
    )
    noises = list(dict.fromkeys(shown.sort_values("label_noise")["noise"]))
    shown = shown.rename(columns={"noise": "label noise"})
    figure, panels = make_figure((15, 4.6), 1, len(PANELS))
    for axes, (column, label, scale) in zip(panels, PANELS, strict=True):
        sns.lineplot(
            shown,
            x="ratio",
            y=column,
            hue="label noise",
            hue_order=noises,
            style="estimator",
            style_order=list(estimators.values()),
            dashes=["", (4, 1.5)],
            palette=sns.color_palette("colorblind", len(noises)),
            errorbar=("pi", 100),
            legend=column == "test_error",
            ax=axes,
        )
        axes.axvline(1, color="black", linestyle=":", lw=1.5, zorder=1)
        axes.set(xscale="log", yscale=scale, xlabel="features / training samples", ylabel=label)
        low, high = shown["ratio"].min(), shown["ratio"].max()
        ticks = [tick for tick in TICKS if low <= tick <= high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        if scale == "linear":
            axes.set_ylim(bottom=0)
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure
