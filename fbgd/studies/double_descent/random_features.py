"""Min-norm least squares and tuned ridge on random ReLU features, in closed form; a minute or two.

python scripts/double_descent.py random_features
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
from rich.progress import track

from fbgd.config.build import load_data
from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.report.claims import Claim, Estimate, below, of_difference, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured, revision_note
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.runs.provenance import git_revision
from fbgd.studies.double_descent.crossfit import relative_rise
from fbgd.studies.double_descent.random_feature_study import (
    FIGURE,
    MIN_NORM,
    MODEL,
    RIDGE,
    feature_grid,
    peak,
    random_feature_study,
)
from fbgd.studies.double_descent.shape import whole_curves
from fbgd.studies.double_descent.words import percent
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL_NOISES = (0.0, 0.15)
# The words of each data set; the validation split is what ridge is tuned on.
PRESETS = {
    data: Preset(
        words=(f"data={data}", "data.train_size=1000", f"data.validation_size={validation}"), variant=MODEL, seeds=5
    )
    for data, validation in (("digits", 400), ("mnist1d", 1000), ("fashion_mnist", 1000))
}
QUICK = ("data.train_size=100", "data.validation_size=100")
PANELS = (
    ("test_error", "test error (%)", "linear"),
    ("test_loss", "test squared loss", "log"),
    ("train_error", "training error (%)", "linear"),
)
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def tabulate(words: list[str], seeds: int) -> pd.DataFrame:
    """The study's table, with a progress bar over the seeds.

    Args:
        words: data set, sizes, and the user's overrides.
        seeds: so many draws of the features.

    Raises:
        ValueError: the words are invalid.
    """
    datasets = {noise: load_data(compose([*words, f"data.label_noise={noise:g}"])) for noise in LABEL_NOISES}
    widths = feature_grid(len(datasets[LABEL_NOISES[0]].train))
    parts = [random_feature_study(datasets, widths, [seed]) for seed in track(range(seeds), "seeds", transient=True)]
    keys = ["label_noise", "width", "procedure", "seed"]
    return pd.concat(parts).sort_values(keys, ignore_index=True).assign(git_revision=git_revision())


def summarise(table: pd.DataFrame) -> Summary:
    """Where the peak stands, how high it is, and what tuned ridge makes of it, for every label noise."""
    numbers, rows = [], []
    samples, most = int(table["train_size"].iloc[0]), table["width"].max()
    for noise, part in table.groupby("label_noise"):
        plain, tuned = (part[part["procedure"] == name] for name in (MIN_NORM, RIDGE))
        means = plain.groupby("width")["test_loss"].mean()
        top = peak(part)
        first = means.loc[: top - 1].idxmin()
        rise = relative_rise(whole_curves(tuned, "test_loss", "width"))
        numbers.append(
            {
                "label_noise": noise,
                "peak": top,
                "peak_excess": top / samples - 1,
                "minimum": first,
                "ridge_rise": rise.delta,
            }
        )

        def told(rows: pd.DataFrame, width: int) -> str:
            mine = rows[rows["width"] == width]
            return f"{mine['test_loss'].mean():.3g}; {percent(mine['test_error'])}"

        rows.append(
            {
                "label noise": f"{noise:g}",
                "n": str(plain["seed"].nunique()),
                "peak": str(top),
                "first minimum": f"{told(plain, first)} at {first}",
                "at the peak": told(plain, top),
                f"at {most}": told(plain, most),
                "ridge, at the peak": told(tuned, top),
                f"ridge, at {most}": told(tuned, most),
                "ridge: rise % (95 %)": f"{100 * rise.delta:+.2f} ({100 * rise.low:.2f} to {100 * rise.high:.2f})"
                if rise.low == rise.low
                else f"{100 * rise.delta:+.2f}",
            }
        )
    return Summary(pd.DataFrame(numbers), rows, 1, [PARAGRAPH.format(samples=samples), revision_note(table)])


PARAGRAPH = (
    "Features max(0, Wx), {samples} training samples, least squares on one-hot labels in float64, in closed form. "
    "Cells: squared test loss, mean over n draws of W; test error in percent, mean ± standard deviation. The peak is "
    "the number of features with the largest mean test loss of the minimum-norm solution; its height is heavy-tailed "
    "over seeds. Ridge has, for each number of features, the strength with the smallest loss on the validation split; "
    "its rise is the largest of its test loss from a number of features to a larger one, cross-fitted: each draw's is "
    "measured between the two which the smoothed mean of the other draws chooses, so it can be negative; the 95 % "
    "t-interval is widened for what these means have in common (Nadeau & Bengio 2003), and its upper end is at least "
    "that of the pair which all draws choose. All of it is over draws of W alone."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Test error, test loss and training error over features per training sample: mean and range over seeds.

    A colour a label noise, solid for min norm, dashed for tuned ridge; dotted where features and samples are as many.

    Args:
        table: of :func:`fbgd.studies.double_descent.random_feature_study.random_feature_study`.
        title: of the figure.
    """
    import seaborn as sns

    procedures = {MIN_NORM: "min norm", RIDGE: "tuned ridge"}
    shown = table.assign(
        procedure=table["procedure"].map(procedures),
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
            style="procedure",
            style_order=list(procedures.values()),
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


def rungs(preset: Preset) -> list[Rung]:
    """What is fitted: for ``--list``, since nothing is trained."""
    return [Rung(f"label noise {noise:g}", (*preset.words, f"data.label_noise={noise:g}")) for noise in LABEL_NOISES]


def fit(execution: Execution, rungs: list[Rung]) -> Outcome:
    """The table in closed form.

    Raises:
        ConfigError: ``--only`` was given, and there are no runs to choose among.
    """
    if execution.only:
        raise ConfigError(f"--only: {FIGURE} trains no networks, so there are no runs to choose among")
    table = tabulate([*execution.preset.words, *execution.overrides], execution.seeds)
    return Outcome([], measurements=table, rungs=[])


def peak_excess(evidence: Evidence) -> list[Estimate]:
    """Where each draw of W has its peak over the number of samples, minus 1; without an interval where all agree."""
    found = []
    for noise, part in evidence.measurements.groupby("label_noise"):
        plain = part[part["procedure"] == MIN_NORM]
        tops = plain.loc[plain.groupby("seed")["test_loss"].idxmax()]
        found.append(of_mean(tops["width"] / tops["train_size"], evidence.level, f"label noise {noise:g}", less=1))
    return found


def ridge_rises(evidence: Evidence) -> list[Estimate]:
    """The largest relative rise of tuned ridge's test loss."""
    found = []
    for noise, part in evidence.measurements.groupby("label_noise"):
        tuned = part[part["procedure"] == RIDGE]
        rise = relative_rise(whole_curves(tuned, "test_loss", "width"), evidence.level)
        found.append(of_difference(rise, f"label noise {noise:g}", scale=1))
    return found


STUDY = Study(
    name=FIGURE,
    family="double_descent",
    title="Random-feature regression",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=lambda preset, data: replace(preset, words=(*preset.words, *QUICK), seeds=2),
    held=("data.label_noise=",),
    execute=fit,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("peak at n", "The test loss of the minimum-norm solution peaks where features equal samples.",
              "features at a draw's peak over samples, minus 1", peak_excess, within(0.02), form="+.3f"),
        Claim("tuned ridge removes it", "Tuned ridge never rises by a per cent over the features.",
              "largest relative rise, cross-fitted, upper end where all draws choose", ridge_rises, below(0.01),
              form="+.4f"),
    ),
)  # fmt: skip
