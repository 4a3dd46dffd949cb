"""Bias, variance and noise of least squares on random features, exactly; and the estimators beside them.

python scripts/bias_variance.py random_features
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from rich.progress import track

from fbgd.config.build import load_data
from fbgd.config.compose import compose
from fbgd.data import Dataset
from fbgd.errors import ConfigError
from fbgd.report.claims import Claim, Estimate, below, higher, lower, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured, revision_note
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.runs.provenance import git_revision
from fbgd.studies.bias_variance.claims import NEAL, YANG, bias_at_peak
from fbgd.studies.bias_variance.random_features import TUNED, WEAK, rows_of_draw, table_of
from fbgd.studies.double_descent.drawing import draw_band, mark_threshold
from fbgd.studies.double_descent.random_feature_study import feature_grid
from fbgd.studies.double_descent.shape import whole_curves
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "random_features"
STRENGTHS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
LABEL_NOISES = (0.0, 0.15)
ESTIMATED = ("bias", "variance", "optimisation", "sampling")
PARTS = {"risk": ("risk", "C3"), "bias": ("bias²", "C0"), "sampling": ("of labels", "C2"),
         "optimisation": ("of features", "C4"), "noise": ("noise", "0.5")}  # fmt: skip
TICKS = (0.02, 0.1, 0.5, 1, 2, 5)


@dataclass(frozen=True, kw_only=True)
class FeaturePreset(Preset):
    """Sizes.

    Args:
        train_size: samples.
        test_size: points at most.
        estimates: that are averaged for every number of features.
        most: features per sample.
    """

    train_size: int = 200
    test_size: int = 200
    estimates: int = 50
    most: float = 5.0


PRESETS = {
    data: FeaturePreset(words=(f"data={data}", *words), seeds=10)
    for data, words in (("digits", ()), ("mnist1d", ("data.source.train=200", "data.source.test=200")),
                        ("fashion_mnist", ()))
}  # fmt: skip


def data_of_draw(words: list[str], preset: FeaturePreset, seed: int) -> Dataset:
    """Training and test samples of one draw, the latter no more than the preset says."""
    config = compose([*words, f"data.train_size={preset.train_size}", f"data.seed={seed}"])
    source = dict(config.data.source)
    if "seed" in source:
        source["seed"] += seed
    data = load_data(replace(config, data=replace(config.data, source=source)))
    test = replace(
        data.test, inputs=data.test.inputs[: preset.test_size], targets=data.test.targets[: preset.test_size]
    )
    return replace(data, test=test)


def fit(execution: Execution, rungs: list[Rung]) -> Outcome:
    """The table in closed form.

    Raises:
        ConfigError: ``--only`` was given, and there are no runs to choose among.
    """
    if execution.only:
        raise ConfigError(f"--only: {NAME} trains no networks, so there are no runs to choose among")
    preset, words = execution.preset, [*execution.preset.words, *map(str, execution.overrides)]
    widths = feature_grid(preset.train_size, preset.most)
    rows = []
    for seed in track(range(execution.seeds), "draws", transient=True):
        data = data_of_draw(words, preset, seed)
        rows += rows_of_draw(data, widths, LABEL_NOISES, STRENGTHS, seed, preset.estimates)
    return Outcome([], measurements=table_of(rows).assign(git_revision=git_revision()), rungs=[])


def rungs(preset: FeaturePreset) -> list[Rung]:
    """What is fitted: for ``--list``, since nothing is trained."""
    return [Rung(f"label noise {noise:g}", (*preset.words, f"data.label_noise={noise:g}")) for noise in LABEL_NOISES]


def summarise(table: pd.DataFrame) -> Summary:
    """Parts where features are few, at the threshold, and many, for every procedure and label noise."""
    numbers, rows = [], []
    samples, widths = int(table["train_size"].iloc[0]), sorted(table["width"].unique())
    shown = [widths[0], *(min(widths, key=lambda own: abs(own - ratio * samples)) for ratio in (0.5, 1, 2)), widths[-1]]
    for (procedure, noise, width), part in table.groupby(["procedure", "label_noise", "width"]):
        means = part[[*PARTS, "variance", "strength"]].mean()
        numbers.append({"procedure": procedure, "label_noise": noise, "width": width, "n": len(part), **means})
        if width in shown:
            texts = {label: f"{means[column]:.3g}" for column, (label, _) in PARTS.items()}
            rows.append({"procedure": str(procedure), "label noise": f"{noise:g}", "features": str(width),
                         "n": str(len(part)), **texts})  # fmt: skip
    summary = pd.DataFrame(numbers)
    summary = summary[summary["width"].isin(shown)].reset_index(drop=True)
    return Summary(summary, rows, 3, [PARAGRAPH.format(samples=samples), revision_note(table)], metric="")


PARAGRAPH = (
    "Features max(0, Wx), {samples} training samples, least squares on one-hot labels in float64. All numbers are "
    "exact expectations over label noise and over which of twenty draws of W is taken, at fixed inputs, mean over n "
    "draws of inputs and W: risk = bias² + variance + noise at labels with noise, and the variance that of labels plus "
    "that of features. Weak ridge has the strength 1e-4, tuned ridge that with the smallest exact risk for its number "
    "of features. The estimators are given two sets of labels with two fits on each, many times over."
)


def draw(evidence: Evidence) -> "Figure | None":
    """The parts over features per sample: a row a procedure, a column a label noise."""
    table = evidence.measurements
    if not len(table):
        return None
    noises = sorted(table["label_noise"].unique())
    figure, grid = make_figure((6.5 * len(noises), 9), 2, len(noises), sharex=True)
    shown = table.assign(ratio=table["width"] / table["train_size"])
    places = [(procedure, noise) for procedure in (WEAK, TUNED) for noise in noises]
    for axes, (procedure, noise) in zip(grid, places, strict=True):
        part = shown[(shown["procedure"] == procedure) & (shown["label_noise"] == noise)]
        for column, (label, colour) in PARTS.items():
            if part[column].max() > 0:
                draw_band(axes, part, "ratio", column, scale=1, color=colour, label=label)
        mark_threshold(axes, 1.0)
        axes.set(xscale="log", yscale="log", xlabel="features / samples", ylabel="squared error", ylim=(0.01, None),
                 title=f"{procedure}, label noise {noise:g}")  # fmt: skip
        axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.minorticks_off()
        axes.legend(fontsize="small")
    figure.suptitle(f"{evidence.title}: exact parts of the risk from 0.01 on, mean and range over draws")
    return figure


def weak_cases(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The fits of weak ridge by label noise."""
    weak = table[table["procedure"] == WEAK]
    return [(f"label noise {noise:g}", part) for noise, part in weak.groupby("label_noise")]


def peak_places(evidence: Evidence) -> list[Estimate]:
    """Where each draw's variance has its peak, in features per sample, minus 1."""
    found = []
    for name, part in weak_cases(evidence.measurements):
        tops = part.loc[part.groupby("seed")["variance"].idxmax()]
        found.append(of_mean(tops["width"] / tops["train_size"], evidence.level, name, less=1))
    return found


def bias_rises(evidence: Evidence) -> list[Estimate]:
    """How much bias rises from the risk's first minimum to its peak."""
    cases = weak_cases(evidence.measurements)
    found = [bias_at_peak(part, "bias", evidence.level, name) for name, part in cases]
    return [own for own in found if own is not None]


def relieved(evidence: Evidence) -> list[Estimate]:
    """The share of weak ridge's variance that tuned ridge leaves where features equal samples."""
    table, found = evidence.measurements, []
    at = table[table["width"] == table["train_size"]].set_index("seed")
    for noise, part in at.groupby("label_noise"):
        share = part[part["procedure"] == TUNED]["variance"] / part[part["procedure"] == WEAK]["variance"]
        found.append(of_mean(share, evidence.level, f"label noise {noise:g}"))
    return found


def after_threshold(column: str, evidence: Evidence) -> list[Estimate]:
    """A part of weak ridge's risk with most features minus where features equal samples; none without label noise."""
    found = []
    for name, part in weak_cases(evidence.measurements):
        at, most = (part[part["width"] == width].set_index("seed")[column]
                    for width in (part["train_size"].iloc[0], part["width"].max()))  # fmt: skip
        if at.abs().max() > 0:
            found.append(of_mean(most - at, evidence.level, name))
    return found


def deviations(evidence: Evidence) -> list[Estimate]:
    """By how much estimates deviate from the closed form, as a share of it, mean over the numbers of features."""
    table, found = evidence.measurements, []
    for name in ESTIMATED:
        known = table[table[name] > 0]
        shares = (known[f"{name}_hat"] / known[name] - 1).groupby(known["seed"]).mean()
        found.append(of_mean(shares, evidence.level, name))
    return found


def bias_after(evidence: Evidence) -> list[Estimate]:
    """The bias at most features minus that at fewest."""
    found = []
    for name, part in weak_cases(evidence.measurements):
        curves = whole_curves(part, "bias", "width")
        found.append(of_mean(curves[:, -1] - curves[:, 0], evidence.level, name))
    return found


STUDY = Study(
    name=NAME,
    family="bias_variance",
    title="Bias and variance of random features",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=lambda preset, data: replace(preset, train_size=20, test_size=30, seeds=3, estimates=10),
    held=("data.label_noise=", "data.train_size", "data.seed"),
    execute=fit,
    summarise=measured(summarise),
    figures={"figure.png": draw},
    claims=(
        Claim("the estimators are right", "Estimates deviate from the closed form by less than five per cent.",
              "estimate over exact value, minus 1, mean over features, fits and label noises", deviations, within(0.05),
              form="+.4f"),
        Claim("variance peaks at n", "The variance of weak ridge peaks where features equal samples, to 15 %.",
              "features at a draw's peak over samples, minus 1", peak_places, within(0.15), form="+.3f"),
        Claim("bias falls", "The bias² of weak ridge is smaller with most features than with fewest.",
              "bias² with most minus fewest features", bias_after, lower, YANG, "+.3f"),
        Claim("the peak is variance", "From its first minimum to its peak the risk rises by variance alone.",
              "bias² at the peak of the risk minus at its first minimum, cross-fitted", bias_rises, lower,
              "Yang et al. 2020: the peak is one of the variance", "+.3f"),
        Claim("optimisation fades", "The variance of features falls from where they equal samples to most features.",
              "variance of features with most features minus where they equal samples",
              partial(after_threshold, "optimisation"), lower, NEAL, "+.3f"),
        Claim("sampling stays", "The variance of labels does not fall from there.",
              "variance of labels with most features minus where they equal samples",
              partial(after_threshold, "sampling"), higher, NEAL, "+.3f"),
        Claim("ridge takes the variance away", "Tuned ridge leaves less than a fifth of weak ridge's variance at n.",
              "variance of tuned over that of weak ridge where features equal samples", relieved, below(0.2),
              form="+.3f"),
    ),
)  # fmt: skip
