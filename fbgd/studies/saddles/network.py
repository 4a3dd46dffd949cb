"""Negative eigenvalues of a small network's Hessian over training, full batch and SGD; minutes.

python scripts/saddles.py network    MNIST-1D, an MLP of 358 parameters, 10 seeds
python scripts/saddles.py network data=fashion_mnist    1000 images, an MLP of 4822 parameters, 5 seeds
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, above, higher, lower, of_mean
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import REGIMES, make_figure
from fbgd.runs.plan import PlannedRun, Rung, curves
from fbgd.studies.double_descent.drawing import draw_band
from fbgd.studies.saddles.equal_loss import at_equal_loss, steps_to
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FULL_BATCH, SGD = "full batch", "SGD"
# The share of a run's looks, those with the smallest gradients, that is called its slow phase.
SLOW = 0.1
INDEX = ("negative", "share", "smallest", "largest", "gradient_norm", "gradient_share")


@dataclass(frozen=True, kw_only=True)
class NetworkPreset(Preset):
    """Sizes.

    Args:
        blocks: a pass has in SGD, which takes one a step.
        block_size: of SGD; full batch has all samples in one block.
        samples: of the training set.
        steps: of either regime, at the same learning rate.
        every: steps between two looks.
    """

    blocks: int
    block_size: int
    samples: int
    steps: int
    every: int


PLAIN = (
    "optimizer=sgd", "optimizer.lr=0.1", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0",
    "schedule=constant", "record.train=true", "impl.blocks_per_call=1", "probe=[hessian_index]",
)  # fmt: skip
PRESETS = {
    "mnist1d": NetworkPreset(
        words=("data=mnist1d", "data.source.train=500", "data.source.test=500", "model=mlp", "model.width=6",
               "model.layers=2", *PLAIN, "probe.hessian_index.method=dense"),
        blocks=10, block_size=50, samples=500, steps=1500, every=75, seeds=10,
    ),
    # Larger, and no published one: as many parameters as a dense Hessian can be had of.
    "fashion_mnist": NetworkPreset(
        words=("data=fashion_mnist", "data.train_size=1000", "model=mlp", "model.width=6", "model.layers=2", *PLAIN,
               "probe.hessian_index.method=dense", "probe.hessian_index.limit=5000"),
        blocks=20, block_size=50, samples=1000, steps=3000, every=300, seeds=5,
    ),
}  # fmt: skip


def rungs(preset: NetworkPreset) -> list[Rung]:
    """Full batch and SGD, which take the same number of steps and are looked at after the same ones."""
    found = []
    for regime, words, blocks in (
        (FULL_BATCH, ("regime=full_batch", f"regime.block_size={preset.samples}"), 1),
        (SGD, ("regime=sgd", f"regime.block_size={preset.block_size}"), preset.blocks),
    ):
        passes, every = preset.steps / blocks, preset.every / blocks
        times = (f"budget.passes={passes:g}", f"record.every={every:g}", f"record.evaluate_every={every:g}",
                 f"probe.hessian_index.every={every:g}")  # fmt: skip
        found.append(Rung(regime, (*preset.words, *words, *times), labels={"regime": regime}))
    return found


def quick(preset: NetworkPreset, data: str) -> NetworkPreset:
    """The preset on next to nothing."""
    samples = ("data.source.train=60", "data.source.test=60") if data == "mnist1d" else ("data.train_size=60",)
    tiny = (*samples, "model.width=2", "model.layers=1")
    return replace(preset, words=(*preset.words, *tiny), block_size=6, samples=60, steps=60, every=10, seeds=2)


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a look of every finished run: where it is, its training loss, the index and the gradient.

    ``slow`` is 1 for the tenth of a run's looks with the smallest gradients.
    """
    rows = curves(planned)
    if not len(rows):
        return pd.DataFrame()
    looks = rows.dropna(subset=["hessian_index/share", "train_loss"])
    columns = {name: looks[f"hessian_index/{name}"] for name in INDEX}
    table = looks[["regime", "seed", "step", "train_loss"]].assign(**columns)
    norms = table.groupby(["regime", "seed"])["gradient_norm"]
    most = np.ceil(SLOW * norms.transform("size"))
    return table.assign(slow=(norms.rank(method="first") <= most).astype(int)).reset_index(drop=True)


def summarise(table: pd.DataFrame) -> Summary:
    """A row a regime and phase: the index, the smallest eigenvalue and where the gradient points."""
    numbers, rows = [], []
    for regime, mine in table.groupby("regime", sort=False):
        for phase, part in (("slowest tenth", mine[mine["slow"] == 1]), ("all looks", mine), ("end", last(mine))):
            means = part.groupby("seed")[["step", "train_loss", *INDEX]].mean()
            numbers.append({"regime": regime, "phase": phase} | means.mean().to_dict())
            rows.append(
                {"regime": str(regime), "phase": phase, "n": str(len(means))}
                | {"step": f"{means['step'].mean():.0f}"}
                | {
                    head: f"{scale * means[name].mean():.3g} ± {scale * means[name].std():.2g}"
                    for head, name, scale in (
                        ("training loss", "train_loss", 1),
                        ("negative eigenvalues", "negative", 1),
                        ("of all, %", "share", 100),
                        ("smallest", "smallest", 1),
                        ("largest", "largest", 1),
                        ("‖g‖", "gradient_norm", 1),
                        ("g² along negative, %", "gradient_share", 100),
                    )
                }
            )
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH], metric="")


def last(table: pd.DataFrame) -> pd.DataFrame:
    """The last look of every run."""
    return table[table["step"] == table["step"].max()]


PARAGRAPH = (
    "Mean ± standard deviation over n seeds. Both regimes take the same steps at the same learning rate without "
    "momentum, and are looked at after the same ones. The Hessian of the loss over all training samples, with all "
    "of its eigenvalues; negative are those below -1e-4 of the largest absolute one. Slowest tenth: the looks of "
    "a run with the smallest gradient of that loss. The gradient along negative: the share of its squared norm in "
    "the eigenspaces of negative eigenvalues; were its direction random, it would be their share of all."
)
PANELS = (
    ("train_loss", "training loss", "log", 1),
    ("gradient_norm", "norm of the gradient of all samples", "log", 1),
    ("share", "negative eigenvalues (%)", "linear", 100),
    ("smallest", "smallest eigenvalue", "linear", 1),
    ("largest", "largest eigenvalue", "log", 1),
    ("gradient_share", "squared gradient along negative curvature (%)", "linear", 100),
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Loss, gradient and eigenvalues over steps, a colour a regime: mean and range over seeds."""
    figure, panels = make_figure((18, 9.5), 2, 3)
    for axes, (column, label, scale, factor) in zip(panels, PANELS, strict=True):
        for regime, part in table.groupby("regime", sort=False):
            draw_band(axes, part, "step", column, factor, color=REGIMES[str(regime)], label=regime)
        axes.set(yscale=scale, xlabel="steps", ylabel=label)
    panels[0].legend()
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


def by_regime(values: Callable[[pd.DataFrame], pd.Series]) -> Callable[[Evidence], list[Estimate]]:
    """The mean over seeds of a number of each run, for either regime."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = evidence.measurements
        parts = table.groupby("regime", sort=False) if len(table) else ()
        return [of_mean(values(part), evidence.level, str(regime)) for regime, part in parts]

    return estimates


def of_pairs(values: Callable[[pd.DataFrame, pd.DataFrame], float], case: str = "") -> Callable[[Evidence], list]:
    """The mean over seeds of a number of full batch and SGD with the same seed."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table, found = evidence.measurements, {}
        for seed, part in table.groupby("seed") if len(table) else ():
            pair = [part[part["regime"] == regime] for regime in (FULL_BATCH, SGD)]
            if all(len(own) for own in pair):
                found[seed] = values(*pair)
        return [of_mean(list(found.values()), evidence.level, case)] if found else []

    return estimates


def slow_mean(column: str, scale: float = 100) -> Callable[[pd.DataFrame], pd.Series]:
    """The mean of a column over the slow looks, by seed."""
    return lambda part: scale * part[part["slow"] == 1].groupby("seed")[column].mean()


def alignment(part: pd.DataFrame) -> pd.Series:
    """Of the slow looks, the gradient's share along negative curvature minus what chance gives, points, by seed."""
    return slow_mean("gradient_share")(part) - slow_mean("share")(part)


def follows_loss(part: pd.DataFrame) -> pd.Series:
    """The rank correlation of training loss and share of negative eigenvalues over the looks, by seed."""
    found = {seed: own["train_loss"].corr(own["share"], method="spearman") for seed, own in part.groupby("seed")}
    return pd.Series(found)


def end_ratio(full: pd.DataFrame, stochastic: pd.DataFrame) -> float:
    """The logarithm of SGD's over full batch's largest eigenvalue at their last looks."""
    ours, theirs = (last(part)["largest"].iloc[0] for part in (stochastic, full))
    return float(np.log(ours / theirs))


def delay(part: float) -> Callable[[Evidence], list[Estimate]]:
    """The logarithm of full batch's over SGD's steps to a loss."""

    def ratio(full: pd.DataFrame, stochastic: pd.DataFrame) -> float:
        ours, theirs = steps_to(full, stochastic, part)
        return float(np.log(ours / theirs))

    return of_pairs(ratio, f"{100 * part:g} % of the common way down")


STUDY = Study(
    name="network",
    family="saddles",
    title="Index of the Hessian in training",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("regime", "budget", "probe", "record"),
    measure=measure,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("slow near saddles", "Where training is slowest more than 1 % of the eigenvalues are negative.",
              "negative eigenvalues in the slowest tenth, %", by_regime(slow_mean("share")), above(1), form=".1f"),
        Claim("along negative curvature", "There the gradient lies along negative curvature more than by chance.",
              "share of the squared gradient minus share of eigenvalues, points", by_regime(alignment), higher,
              form="+.1f"),
        Claim("full batch is held up", "At the same rate full batch takes more steps than SGD to the same loss.",
              "logarithm of the ratio of steps",
              lambda evidence: [found for part in (0.5, 0.9) for found in delay(part)(evidence)], higher,
              "full batch stalls at saddles where SGD does not", form="+.3f"),
        Claim("SGD stays off saddles", "At equal training loss SGD has fewer negative eigenvalues.",
              "difference of shares, SGD minus full batch, points",
              of_pairs(lambda full, sgd: 100 * at_equal_loss(full, sgd, "share")), lower,
              "full batch stalls at saddles where SGD does not"),
        Claim("SGD has less negative curvature", "At equal training loss SGD's smallest eigenvalue is less negative.",
              "difference of smallest eigenvalues, SGD minus full batch",
              of_pairs(lambda full, sgd: at_equal_loss(full, sgd, "smallest")), higher, form="+.4f"),
        Claim("index follows loss", "The higher the loss, the more eigenvalues are negative.",
              "rank correlation over the looks at a run", by_regime(follows_loss), higher,
              "of critical points (Dauphin et al. 2014)"),
        Claim("SGD ends flatter", "After the same steps at the same rate SGD's largest eigenvalue is smaller.",
              "logarithm of the ratio of largest eigenvalues, SGD over full batch", of_pairs(end_ratio), lower,
              "SGD prefers flat minima, full batch sharp ones (Keskar et al. 2017)", later=True),
    ),
)  # fmt: skip
