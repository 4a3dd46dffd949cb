"""The Geiping ladder under probes: what clipping, warm-up and the penalty do to sharpness and noise.

    python scripts/ladder_probed.py            MNIST-1D, 7 rungs x 5 seeds
    python scripts/ladder_probed.py --list     what the settings are
    python scripts/ladder_probed.py --quick    under a minute, to see that everything runs

The rungs are those of scripts/geiping_ladder.py on a quarter of its samples with half of its passes, so that probes
can be afforded: they cost more than the training. Results go to results/ladder_probed/<data>/: table.md with the
claims, table.csv, measurements.csv (a row a look), runs.csv, figure.png. Words like model.norm=group change all runs,
and get a folder of their own.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import DASHES, make_figure
from fbgd.runs.plan import Rung
from fbgd.studies import geiping_ladder
from fbgd.studies.ladder_probed.claims import CLAIMS, CLIPPED, EDGE, beyond_edge, rank_correlation, share_clipped
from fbgd.studies.ladder_probed.looks import geometric, look_table
from fbgd.studies.presets import data_words
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = (
    ("sharpness", "sharpness", "log"),
    ("trace", "trace of the gradients' covariance", "log"),
    ("noise_scale", "noise scale (samples)", "log"),
    ("effective_rate", "effective learning rate", "log"),
    ("product", "effective rate × sharpness", "log"),
    ("clipped", "clipped steps since the last look (%)", "linear"),
)


@dataclass(frozen=True, kw_only=True)
class ProbedPreset(Preset):
    """Sizes.

    Args:
        ladder: whose rungs are taken.
        every: passes between two looks, of the baselines and of the other rungs.
        products: with the Hessian a look at sharpness, at most.
        tolerance: the look ends where the bound on its error is at most this share of the sharpness.
    """

    ladder: geiping_ladder.LadderPreset
    every: tuple[int, int] = (5, 15)
    products: int = 6
    tolerance: float = 0.1


# A quarter of the ladder's samples and, of the long rungs, half of its passes; test samples as there, at the end.
QUARTER = ("data.source.train=500",)
PRESETS = {
    "mnist1d": ProbedPreset(
        ladder=replace(
            geiping_ladder.PRESETS["mnist1d"],
            words=(*data_words("mnist1d", 105, validation=False), *QUARTER),
            long=(105, 14, 140),
        ),
        seeds=5,
    ),
    "cifar10": ProbedPreset(ladder=geiping_ladder.PRESETS["cifar10"], every=(15, 150)),
}


def rungs(preset: ProbedPreset) -> list[Rung]:
    """Those of the ladder, with probes."""
    short, long = preset.every
    rungs = []
    for rung in geiping_ladder.rungs(preset.ladder):
        every = short if rung.name.startswith("Baseline") else long
        words = (
            *rung.overrides,
            "probe=[sharpness,gradient_noise_scale]",
            f"probe.sharpness.every={every}",
            f"probe.gradient_noise_scale.every={every}",
            f"probe.sharpness.steps={preset.products}",
            f"probe.sharpness.tolerance={preset.tolerance:g}",
        )
        rungs.append(Rung(rung.name, words))
    return rungs


def quick(preset: ProbedPreset, data: str) -> ProbedPreset:
    """The preset on next to nothing."""
    return replace(preset, ladder=geiping_ladder.quick(preset.ladder, data), every=(1, 2), products=2, seeds=2)


def summarise(table: pd.DataFrame) -> Summary:
    """A row a rung: sharpness, noise, rate and clipping over the looks at its runs."""
    numbers, rows = [], []
    for rung, part in table.groupby("rung", sort=False):
        clips = rung in CLIPPED
        columns = {
            "sharpness": np.exp(geometric(part, "sharpness")),
            "noise trace": np.exp(geometric(part, "trace")),
            "noise scale": part.groupby("seed")["noise_scale"].median(),
            "test accuracy %": 100 * part.dropna(subset=["test_accuracy"]).groupby("seed")["test_accuracy"].last(),
            "clipped %": share_clipped(part),
            "beyond the edge, rate %": beyond_edge(part, "lr"),
            "beyond the edge, effective %": beyond_edge(part, "effective_rate"),
            "factor, sharpness": rank_correlation(part, "factor", "sharpness"),
        }
        if not clips:
            columns["factor, sharpness"] = pd.Series(dtype=float)
        numbers.append({"rung": rung} | {name: own.mean() for name, own in columns.items()})
        rows.append(
            {"rung": str(rung), "n": str(part["seed"].nunique()), "looks": str(len(part) // part["seed"].nunique())}
            | {name: text(own) for name, own in columns.items()}
        )
    return Summary(pd.DataFrame(numbers), rows, 1, [PARAGRAPH.format(error=worst(table))], metric="")


def text(values: pd.Series) -> str:
    """Mean ± standard deviation over seeds with three digits."""
    if not len(values):
        return UNKNOWN
    return f"{values.mean():.3g}" + (f" ± {values.std():.2g}" if len(values) > 1 else "")


def worst(table: pd.DataFrame) -> str:
    """The 90th percentile of the bound on the error of sharpness, in percent of it."""
    return f"{100 * (table['error'] / table['sharpness']).quantile(0.9):.2g}"


PARAGRAPH = (
    "Mean ± standard deviation over n seeds; of a run: the geometric mean over its looks of sharpness and of the trace "
    "of the covariance of the gradients of single samples, the median of their noise scale, the share of clipped "
    f"steps. Beyond the edge: the share of looks at which sharpness times rate is above {EDGE:.3f}, where Nesterov's "
    "momentum of 0.9 is no longer stable on a quadratic; with the learning rate, and with the effective one, which "
    "clipping makes of it: rate × min(1, c / ‖g‖). Factor, sharpness: the rank correlation of that minimum and "
    "sharpness over the looks at a run. Sharpness is the largest eigenvalue of the Hessian of the training objective, "
    "block by block as training sees it, batch norm with the statistics of each block: rungs with smaller blocks have "
    "another objective. It is a lower bound, by a few products a look; in nine of ten looks an eigenvalue lies within "
    "{error} % of it. Samples are a quarter of those of the Geiping ladder, passes, but for the two baselines, half of "
    "them."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Sharpness, noise, effective rate and clipping over passes, a colour a rung: mean and range over seeds."""
    import seaborn as sns

    figure, panels = make_figure((19, 10), 2, 3)
    shown = table.assign(product=table["effective_rate"] * table["sharpness"], clipped=100 * table["clipped"])
    # Where noise drowns the squared gradient its estimate is negative, and so is the noise scale.
    shown["noise_scale"] = shown["noise_scale"].where(shown["noise_scale"] > 0)
    order = list(dict.fromkeys(shown["rung"]))
    for index, (axes, (column, label, scale)) in enumerate(zip(panels, PANELS, strict=True)):
        sns.lineplot(
            shown,
            x="passes",
            y=column,
            hue="rung",
            hue_order=order,
            style="rung",
            style_order=order,
            dashes=[DASHES[place % len(DASHES)] for place in range(len(order))],
            palette=sns.color_palette("colorblind", len(order)),
            errorbar=("pi", 100),
            legend=index == 0,
            ax=axes,
        )
        axes.set(yscale=scale, xlabel="passes over the training set", ylabel=label)
        if column == "product":
            axes.axhline(EDGE, color="black", linestyle=":", lw=1.5)
    sns.move_legend(panels[0], "best", title=None, fontsize="small")
    figure.suptitle(f"{title}: mean and range over seeds; dotted: the threshold of stability")
    return figure


STUDY = Study(
    name="ladder_probed",
    title="Geiping ladder under probes",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("probe",),
    measure=look_table,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=CLAIMS,
)
