"""Figures of the study ``noise``."""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.evidence import Evidence
from fbgd.report.plots import make_figure
from fbgd.report.ranges import shown_interval
from fbgd.studies.noise_claims import NONE, RATIO, SGD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HESSIAN_H, COVARIANCE_C = "Hessian H", "gradient covariance C"
# An eigenvalue is drawn as known where the bound on its error is at most this share of it.
RESOLVED = 0.05
REFERENCES = {SGD: "#d55e00", NONE: "black"}
# Places of the palette "colorblind" that are no reference's colour.
HUES = (0, 1, 2, 4, 5)


def accuracy_figure(evidence: Evidence) -> "Figure | None":
    """Test accuracy by shape, over the trace of the noise; SGD and descent without noise as lines with their bands."""
    import seaborn as sns

    runs = evidence.runs.dropna(subset=["test_accuracy"])
    if not len(runs):
        return None
    shown = runs.assign(percent=100 * runs["test_accuracy"])
    figure, (axes,) = make_figure((9, 5.4), 1, 1)
    for name, colour in REFERENCES.items():
        own = shown.loc[shown["structure"] == name, "percent"]
        if len(own):
            low, high = shown_interval(own, "test_accuracy")
            axes.axhline(own.mean(), color=colour, lw=2, ls="--", label=name)
            if len(own) > 1:
                axes.axhspan(low, high, color=colour, alpha=0.12, lw=0)
    noisy = shown[~shown["structure"].isin(REFERENCES)]
    options = {
        "x": "trace",
        "y": "percent",
        "hue": "structure",
        "order": ["0.25", "1", "4"],
        "hue_order": list(dict.fromkeys(noisy["structure"])),
        "palette": [sns.color_palette("colorblind")[place] for place in HUES[: noisy["structure"].nunique()]],
        "ax": axes,
    }
    if len(noisy):
        sns.stripplot(noisy, dodge=True, jitter=False, size=4, alpha=0.5, legend=False, **options)
        sns.pointplot(
            noisy,
            **options,
            # A single shape has nothing to step aside for.
            dodge=0.6 if noisy["structure"].nunique() > 1 else False,
            linestyle="none",
            marker="D",
            markersize=6,
            errorbar=lambda values: shown_interval(values, "test_accuracy"),
            err_kws={"linewidth": 2},
        )
    axes.legend(fontsize="small", bbox_to_anchor=(1.01, 1), loc="upper left")
    axes.set(xlabel="trace of the noise's covariance over that of SGD's", title=evidence.title)
    axes.set(ylabel="test accuracy (%): seeds, mean, 95 % t-interval")
    return figure


def anisotropy_figure(evidence: Evidence) -> "Figure | None":
    """The anisotropy ratio and the trace of the gradients' covariance over the steps, a line a setting."""
    import seaborn as sns

    table = evidence.measurements
    if not len(table):
        return None
    figure, panels = make_figure((12, 4.6), 1, 2)
    columns = {RATIO: "D tr(HC) / (tr H tr C)", "gradient_covariance/trace": "tr C"}
    for axes, (column, label) in zip(panels, columns.items(), strict=True):
        sns.lineplot(
            table,
            x="step",
            y=column,
            hue="structure",
            style="structure",
            markers=True,
            palette="colorblind",
            errorbar=("pi", 100),
            legend=column == RATIO,
            ax=axes,
        )
        axes.set(yscale="log", ylabel=label)
    panels[0].axhline(1, color="black", ls=":", lw=1.5)
    panels[0].legend(fontsize="small", title=None)
    figure.suptitle(f"{evidence.title}: mean and range over seeds; dotted: white noise")
    return figure


def spectrum_figure(evidence: Evidence) -> "Figure | None":
    """The largest eigenvalues of the covariance of block gradients and of the Hessian after the last step, by rank."""
    import seaborn as sns

    table = evidence.measurements
    if not len(table):
        return None
    last = table[table["step"] == table.groupby(["structure", "seed"])["step"].transform("max")]
    names = list(dict.fromkeys(last["structure"]))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, panels = make_figure((4.6 * columns, 3.8 * rows + 0.6), rows, columns, sharey=True)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        shown = eigenvalues(last[last["structure"] == name])
        covariance, hessian = (shown[shown["matrix"] == matrix] for matrix in (COVARIANCE_C, HESSIAN_H))
        sns.lineplot(covariance, x="rank", y="value", marker="o", color="C0", errorbar=("pi", 100), ax=axes,
                     label=f"{COVARIANCE_C}, mean and range over seeds")  # fmt: skip
        known = hessian["resolved"].astype(bool)
        for part, label, options in (
            (hessian[known], f"{HESSIAN_H}, to {100 * RESOLVED:g} %", {"marker": "o", "facecolor": "C1"}),
            (hessian[~known], f"{HESSIAN_H}, at least", {"marker": "^", "facecolor": "none", "alpha": 0.7}),
        ):
            axes.scatter(part["rank"] + 0.15, part["value"], s=26, edgecolor="C1", label=label, zorder=3, **options)
        axes.set(yscale="log", title=name, xlabel="rank", ylabel="eigenvalue")
        axes.set_xticks(sorted(shown["rank"].unique()))
        if (legend := axes.get_legend()) is not None:
            legend.remove()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    figure.suptitle(f"{evidence.title}: spectra after the last step; a point a seed for the Hessian")
    return figure


def eigenvalues(rows: pd.DataFrame) -> pd.DataFrame:
    """Positive eigenvalues by rank: columns matrix, rank, value, and whether it is known to :data:`RESOLVED`.

    What few products leave of the Hessian's spectrum is below it, rank by rank (Cauchy's interlacing), by no more than
    the probe's ``error`` from some eigenvalue.
    """
    found = []
    for column in rows:
        probe, _, name = str(column).partition("/")
        rank = 1 if name == "sharpness" else int(name.removeprefix("eigenvalue_")) if "eigenvalue_" in name else 0
        if rank:
            curvature = probe == "sharpness"
            values = rows[column].dropna()
            values = values[values > 0]
            error = rows.loc[values.index, "sharpness/error"] if curvature else 0.0
            matrix = HESSIAN_H if curvature else COVARIANCE_C
            resolved = error <= RESOLVED * values
            found.append(pd.DataFrame({"matrix": matrix, "rank": rank, "value": values, "resolved": resolved}))
    return pd.concat(found, ignore_index=True)
