"""Up to which batch size fewer steps are needed, and does the gradient noise scale predict it?

    python scripts/critical_batch.py            MNIST-1D, a small MLP, 9 batch sizes, 10 seeds; two minutes
    python scripts/critical_batch.py data=fashion_mnist    10000 images, 11 batch sizes, 5 seeds
    python scripts/critical_batch.py --quick    seconds, to see that everything runs

Plain SGD with the best constant rate of every batch size takes S steps to a training loss. S / S_min = 1 + B_crit / B
is fitted, and B_crit compared with the noise scale on the way there (McCandlish et al. 2018).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.report.cells import mean_of
from fbgd.report.pages import Summary, measured, revision_note
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.runs.provenance import git_revision
from fbgd.studies.critical_batch.claims import CLAIMS, fits
from fbgd.studies.critical_batch.descent import problem_of
from fbgd.studies.critical_batch.measures import NOISE, STEPS, noise_table, steps_table
from fbgd.studies.double_descent.drawing import draw_band, plain_numbers
from fbgd.studies.execution import Execution, Outcome, refuse_only
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Seeds of the search for rates begin here, far from those that count.
SEARCH = 1000


@dataclass(frozen=True, kw_only=True)
class CriticalPreset(Preset):
    """Sizes.

    Args:
        target: training loss.
        sizes: of batches, in ascending order.
        rates: candidates for each.
        search: seeds that a rate is chosen by.
        most: steps of the largest batch; a batch k times as small may take up to k times as many.
        looks: at the noise scale.
        block: samples of a block of the probe.
    """

    target: float
    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    search: int
    most: int
    looks: int
    block: int


PLAIN = ("regime=full_batch", "regime.block_size=100", "impl.threads=1", "impl.blocks_per_call=1")
PRESETS = {
    "mnist1d": CriticalPreset(
        words=("data=mnist1d", "data.source.train=4000", "data.source.test=100", "model=mlp", "model.layers=1",
               "model.width=16", *PLAIN),
        target=1.4, sizes=tuple(4 * 2**power for power in range(9)),
        rates=tuple(0.03125 * 2 ** (power / 2) for power in range(14)),
        search=5, most=400, looks=10, block=20, seeds=10,
    ),
    # Larger, and no published one.
    "fashion_mnist": CriticalPreset(
        words=("data=fashion_mnist", "data.train_size=10000", "model=mlp", "model.layers=1", "model.width=100", *PLAIN),
        target=0.4, sizes=tuple(4 * 2**power for power in range(11)),
        rates=tuple(0.0078125 * 2 ** (power / 2) for power in range(14)),
        search=3, most=400, looks=10, block=50, seeds=5,
    ),
}  # fmt: skip


def quick(preset: CriticalPreset, data: str) -> CriticalPreset:
    """The preset on next to nothing."""
    samples = "data.source.train=200" if data == "mnist1d" else "data.train_size=200"
    words = (*preset.words, samples, "model.width=4")
    return replace(preset, words=words, target=2.1, sizes=(8, 32, 128), rates=(0.25, 0.5, 1.0), search=2, looks=3,
                   seeds=2)  # fmt: skip


def rungs(preset: CriticalPreset) -> list[Rung]:
    """What is measured: for ``--list``, since no run is kept."""
    return [Rung(f"batch {size}", (*preset.words,)) for size in preset.sizes]


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Steps over batch sizes, then the noise scale on the way of the largest.

    Raises:
        ConfigError: ``--only`` was given, and there are no runs to choose among; or the probe's blocks do not divide
            the training set.
    """
    refuse_only(execution.only, "critical_batch")
    preset = execution.preset
    problem = problem_of([*preset.words, *execution.overrides], compose)
    if len(problem.targets) % preset.block:
        raise ConfigError(
            f"{len(problem.targets)} training samples are no multiple of {preset.block}, a block of the probe"
        )
    seeds, search = range(execution.seeds), range(SEARCH, SEARCH + preset.search)
    steps = steps_table(problem, seeds, search, preset.sizes, preset.rates, preset.target, preset.most)
    tables = [steps, noise_table(problem, steps, preset.looks, preset.block)]
    table = pd.concat([own for own in tables if len(own)] or tables, ignore_index=True)
    return Outcome([], measurements=table.assign(git_revision=git_revision()), rungs=[])


def summarise(table: pd.DataFrame) -> Summary:
    """A row a batch size: its rate, steps and samples to the target, and what the fit says."""
    found, numbers, rows = fits(table), [], []
    for size, part in table[table["kind"] == STEPS].groupby("size"):
        fitted = found["least"] * (1 + found["critical"] / size)
        numbers.append({"size": int(size), "rate": part["rate"].iloc[0], "n": len(part),
                        "steps": part["steps"].mean(), "fitted": fitted.mean()})  # fmt: skip
        rows.append(
            {
                "batch": f"{size:g}",
                "rate": f"{part['rate'].iloc[0]:.3g}",
                "n": str(len(part)),
                "steps": mean_of(part["steps"], ".0f"),
                "fitted": f"{fitted.mean():.0f}",
                "samples": f"{size * part['steps'].mean():.0f}",
            }
        )
    told = (
        f"Means over {len(found)} seeds: S_min = {mean_of(found['least'], '.1f')} steps, B_crit = "
        f"{mean_of(found['critical'], '.1f')} samples; the noise scale on the way, "
        f"{mean_of(found['predicted'], '.1f')} samples."
    )
    return Summary(pd.DataFrame(numbers), rows, 2, [told, PARAGRAPH, revision_note(table)], metric="")


PARAGRAPH = (
    "Mean ± standard deviation over n seeds. SGD without momentum, with a constant rate, on batches that are drawn "
    "independently with replacement, until the loss of the whole training set is first seen at the target; it is seen "
    "again after every 2 % of the steps. Each batch size has the rate, of a grid of factors of √2, that took the "
    "fewest steps in the mean over search seeds of their own. S_min and B_crit are fitted for every seed, by least "
    "squares in the logarithms. The noise scale is that of the probe noise_scale, in the mean over evenly spaced steps "
    "on the largest batch's way to the target."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Steps over batch sizes with the fit, and the noise scale on the way to the target."""
    figure, (left, right) = make_figure((13, 5), 1, 2)
    steps, noise = (table[table["kind"] == kind] for kind in (STEPS, NOISE))
    found, sizes = fits(table), np.array(sorted(steps["size"].unique()), dtype=float)
    draw_band(left, steps, "size", "steps", 1, color="C0", marker="o", label="steps to the target")
    if len(found):
        least, critical = found["least"].mean(), found["critical"].mean()
        left.plot(sizes, least * (1 + critical / sizes), color="black", linestyle="--", label="S_min (1 + B_crit / B)")
        left.axhline(least, color="0.5", linestyle=":", label="S_min")
        left.plot(sizes, least * critical / sizes, color="0.5", linestyle="-.", label="E_min / B")
        left.axvline(critical, color="C1", label="B_crit")
        left.axvline(found["predicted"].mean(), color="C2", label="noise scale, mean on the way")
    left.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="steps")
    left.set_ylim(bottom=0.5 * steps["steps"].min())
    plain_numbers(left.xaxis, list(sizes))
    left.legend(fontsize="small")
    draw_band(right, noise, "share", "noise_scale", 1, color="C2", label="noise scale")
    right.set(xlabel="share of the largest batch's steps to the target", ylabel="samples", ylim=(0, None))
    right.legend(fontsize="small")
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


STUDY = Study(
    name="critical_batch",
    title="The critical batch size",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("regime.block_size", "optimizer.lr", "budget"),
    execute=execute,
    summarise=measured(summarise),
    figures={"steps.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=CLAIMS,
)
