"""How soon does noise of equal trace and different shape throw descent out of a given minimum?

    python scripts/escape.py            MNIST-1D, a tiny MLP, 9 kinds of noise, 10 seeds; two minutes
    python scripts/escape.py data=fashion_mnist    1200 images, one label in six drawn at random, 5 seeds
    python scripts/escape.py --quick    seconds, to see that everything runs

Full-batch descent comes to a minimum; from there it goes on with noise that is isotropic, diagonal, of the blocks'
covariance or along the leading eigenvector, at the trace of SGD's or a quarter of it; and so does SGD.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd
from rich.progress import track

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.report.cells import UNKNOWN, mean_of
from fbgd.report.pages import Summary, measured, revision_note
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.runs.provenance import git_revision
from fbgd.seeds import generator
from fbgd.studies.critical_batch.descent import Problem, problem_of
from fbgd.studies.escape.chains import SGD, Chains, barrier, block_covariance, dense, largest, predicted_rises
from fbgd.studies.escape.claims import BARRIER, CLAIMS
from fbgd.studies.execution import Execution, Outcome, refuse_only
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRUCTURES = ("isotropic", "diagonal", "covariance", "leading")


@dataclass(frozen=True, kw_only=True)
class EscapePreset(Preset):
    """Sizes.

    Args:
        rate: of all descent.
        block: samples of a block.
        products: with the Hessian in a step with leading noise.
        settle: steps of descent to the minimum, and again after those with noise.
        most: steps with noise.
        rise: of the training loss that counts as leaving.
        traces: of the noise, in units of SGD's.
        draws: of one step's noise, each with both signs.
        partitions: for the covariance of block gradients.
    """

    rate: float
    block: int
    products: int
    settle: int
    most: int
    rise: float
    traces: tuple[float, ...]
    draws: int
    partitions: int


PRESETS = {
    "mnist1d": EscapePreset(
        words=("data=mnist1d", "data.source.train=200", "data.source.test=100", "model=mlp", "model.layers=1",
               "model.width=8", "regime=full_batch", "regime.block_size=10", "impl.threads=1",
               "impl.blocks_per_call=1"),
        rate=0.5, block=10, products=3, settle=1000, most=200, rise=0.5, traces=(0.25, 1.0), draws=20, partitions=20,
        seeds=10,
    ),
    # The published data, 1000 images with their labels and 200 with random ones; a network of 6370 parameters, of whose
    # dense Hessian the eigenvalues can be had.
    "fashion_mnist": EscapePreset(
        words=("data=fashion_mnist", "data.train_size=1200", "data.label_noise=0.15", "model=mlp", "model.layers=1",
               "model.width=8", "regime=full_batch", "regime.block_size=20", "impl.blocks_per_call=1"),
        rate=0.1, block=20, products=3, settle=5000, most=1000, rise=0.5, traces=(0.25, 1.0), draws=20, partitions=20,
        seeds=5,
    ),
}  # fmt: skip


def quick(preset: EscapePreset, data: str) -> EscapePreset:
    """The preset on next to nothing."""
    samples = "data.source.train=40" if data == "mnist1d" else "data.train_size=40"
    words = (*preset.words, samples, "model.width=3")
    return replace(preset, words=words, settle=60, most=20, draws=2, partitions=2, seeds=2)


def rungs(preset: EscapePreset) -> list[Rung]:
    """Every kind of noise: for ``--list``, since no run is kept."""
    kinds = [(name, trace) for name in STRUCTURES for trace in preset.traces]
    return [Rung(f"{name}, trace {trace:g}", preset.words) for name, trace in [*kinds, (SGD, 1.0)]]


def rows_of_seed(problem: Problem, preset: EscapePreset, seed: int) -> list[dict]:
    """A row a kind of noise: ``steps`` to leave, and what is at the end and at the minimum.

    ``steps`` is the number of all steps where it has not left, and ``left`` says so; ``barrier`` is the one on the line
    from where it settles after all of them to where descent without noise is by then, ``sharpness`` and ``reference``
    the largest eigenvalues there and there; ``rise`` and ``predicted`` are those of the loss by one step's noise.
    """
    chains = Chains(problem, preset.rate, preset.block, preset.products)
    start = chains.descend(problem.start(seed), preset.settle)
    reference = chains.descend(start, preset.settle)
    hessian = dense(problem, start)
    predicted = predicted_rises(hessian, block_covariance(chains, start, preset.partitions, seed), preset.rate)
    sharp, later = (largest(own) for own in (hessian, dense(problem, reference)))
    rows = []
    for structure, trace in [*((name, trace) for name in STRUCTURES for trace in preset.traces), (SGD, 1.0)]:
        draw = generator(seed, f"escape {structure} {trace:g}")
        steps, at = chains.leave(start, structure, trace, preset.most, preset.rise, draw)
        settled = chains.descend(at, preset.settle)
        rows.append(
            {
                "structure": structure, "trace": trace, "seed": seed, "left": int(steps <= preset.most),
                "steps": min(steps, preset.most), "barrier": barrier(chains.loss, reference, settled),
                "sharpness": largest(dense(problem, settled)), "reference": later,
                "minimum": sharp, "loss": chains.loss(start), "settled_loss": chains.loss(settled),
                "predicted": predicted[structure],
                "rise": chains.first_rise(start, structure, preset.draws, seed) if trace == 1 else float("nan"),
            }
        )  # fmt: skip
    return rows


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """All kinds of noise, seed by seed.

    Raises:
        ConfigError: ``--only`` was given, and there are no runs to choose among; or blocks do not divide the training
            set.
    """
    refuse_only(execution.only, "escape")
    preset = execution.preset
    problem = problem_of([*preset.words, *execution.overrides], compose)
    if len(problem.targets) % preset.block:
        raise ConfigError(f"{len(problem.targets)} training samples are no multiple of {preset.block}, a block's")
    seeds = track(range(execution.seeds), "seeds", transient=True)
    rows = [row for seed in seeds for row in rows_of_seed(problem, preset, seed)]
    return Outcome([], measurements=pd.DataFrame(rows).assign(git_revision=git_revision()), rungs=[])


def summarise(table: pd.DataFrame) -> Summary:
    """A row a kind of noise."""
    numbers, rows = [], []
    for (structure, trace), part in table.groupby(["structure", "trace"], sort=False):
        others = part[part["barrier"] > BARRIER]
        numbers.append({"structure": structure, "trace": trace, "n": len(part), "left": part["left"].mean(),
                        "steps": part["steps"].median(), "basins": len(others)})  # fmt: skip
        rows.append(
            {
                "noise": str(structure),
                "trace": f"{trace:g}",
                "n": str(len(part)),
                "left": f"{part['left'].sum()} of {len(part)}",
                "steps, median": f"{part['steps'].median():.0f}",
                "their range": f"{part['steps'].min():.0f} to {part['steps'].max():.0f}",
                "one step's rise": mean_of(part["rise"], ".2g"),
                "predicted": mean_of(part["predicted"], ".2g") if trace == 1 else UNKNOWN,
                "in another basin": f"{len(others)} of {len(part)}",
                "λ₁ where it settles": mean_of(part["sharpness"], ".2g"),
            }
        )
    minimum = table.drop_duplicates("seed")
    loss, sharpness, later = (mean_of(minimum[name], ".2g") for name in ("loss", "minimum", "reference"))
    told = (
        f"The minima have a loss of {loss} and λ₁ = {sharpness}; where descent "
        f"without noise is after as many steps again, λ₁ = {later}."
    )
    return Summary(pd.DataFrame(numbers), rows, 2, [told, PARAGRAPH, revision_note(table)], metric="")


PARAGRAPH = (
    "Mean ± standard deviation over n seeds. From the place that full-batch descent came to, descent goes on at the "
    "same rate with noise on its gradient, with the trace of the covariance of one block's gradient at every point "
    "times the factor in the column trace; SGD takes a block of a new partition a step. It has left when the training "
    "loss is first more than 0.5 above that at the minimum; who has not counts with all steps. After all steps descent "
    "without noise settles again. In another basin: on the line from there to where descent without noise is, the loss "
    f"rises by more than {BARRIER:g} above the higher end. One step's rise is that of the loss by the noise alone, "
    "predicted as h² tr(H Σ) / 2."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Steps to leave by kind of noise, and the rise of one step against the predicted one."""
    import seaborn as sns

    figure, (left, right) = make_figure((14, 5), 1, 2)
    names = list(dict.fromkeys(table["structure"]))
    sns.stripplot(table, x="structure", y="steps", hue="trace", order=names, dodge=True, jitter=0.15, ax=left,
                  palette="colorblind", alpha=0.8)  # fmt: skip
    left.set(yscale="log", xlabel="", ylabel="steps until the loss has risen by 0.5")
    left.axhline(table["steps"].max(), color="0.5", linestyle=":", label="all steps that were taken")
    left.legend(title="trace", fontsize="small")
    own = table[(table["trace"] == 1) & (table["predicted"] > 0) & (table["rise"] > 0)]
    for name, colour in zip(names, sns.color_palette("colorblind", len(names)), strict=True):
        part = own[own["structure"] == name]
        right.scatter(part["predicted"], part["rise"], color=colour, label=name, s=25)
    if len(own):
        ends = [own["predicted"].min(), own["predicted"].max()]
        right.plot(ends, ends, color="black", linewidth=1)
        right.set(xscale="log", yscale="log")
    right.set(xlabel="h² tr(H Σ) / 2", ylabel="rise of the loss by one step's noise")
    right.legend(fontsize="small")
    figure.suptitle(f"{title}: a point a seed")
    return figure


STUDY = Study(
    name="escape",
    title="Escape from a minimum",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("regime.block_size", "optimizer.lr", "budget"),
    execute=execute,
    summarise=measured(summarise),
    figures={"escape.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=CLAIMS,
)
