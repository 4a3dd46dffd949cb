"""Descent at its edge beside its central flow and the gradient flow: a tiny tanh perceptron in float64.

    python scripts/edge_of_stability.py central_flow    MNIST-1D, 60 samples, 295 parameters, 10 seeds, some minutes
    python scripts/edge_of_stability.py central_flow data=fashion_mnist    1000 images, 3210 parameters

What to expect: begun at the edge, the central flow stays beside descent, which the gradient flow leaves at once.
"""

from dataclasses import dataclass, replace

import pandas as pd
from rich.progress import track

from fbgd.config.compose import compose
from fbgd.report.cells import mean_of
from fbgd.report.pages import Summary, measured, revision_note
from fbgd.runs.plan import Rung
from fbgd.runs.provenance import git_revision
from fbgd.studies.edge_of_stability.central import curved_landscape
from fbgd.studies.edge_of_stability.central_claims import CLAIMS, ends
from fbgd.studies.edge_of_stability.central_drawing import draw
from fbgd.studies.edge_of_stability.central_paths import follow_both
from fbgd.studies.edge_of_stability.settings import TracedPreset, traced_rungs
from fbgd.studies.execution import Execution, Outcome, refuse_only
from fbgd.studies.study import Study

# Seeds below have served to choose sizes, rates and times.
FIRST_SEED = 20


@dataclass(frozen=True, kw_only=True)
class CentralPreset(TracedPreset):
    """What the figure is made of; looks are in the time of the crossing of 2 / h.

    Args:
        longest: until when that crossing, and the edge after it, are looked for, learning rate times passes; the flows
            are followed for two and for one of its time.
    """

    longest: float


PRESETS = {
    "mnist1d": CentralPreset(
        words=("data=mnist1d", "data.source.train=60", "data.source.test=60", "model.width=5"),
        rates=(0.3, 0.4), longest=300, looks=12, samples=60, seeds=10,
    ),
    # Larger: the published number of images, rate and loss. The published networks are larger still, and their images
    # of four classes of CIFAR-10; of 3210 parameters the dense Hessian that the flow needs can just be had.
    "fashion_mnist": CentralPreset(
        words=("data=fashion_mnist", "data.train_size=1000", "model.width=4"),
        rates=(0.02,), longest=40, looks=20, samples=1000, seeds=3,
    ),
}  # fmt: skip


def quick(preset: CentralPreset, data: str) -> CentralPreset:
    """A tiny network, followed for a little while."""
    words = (*preset.words, "data.train_size=20", "model.width=3")
    return replace(preset, words=words, looks=3, longest=40, samples=20, seeds=2, rates=(0.5,))


def trace(execution: Execution, rungs: list[Rung]) -> Outcome:
    """All comparisons, seed by seed.

    Raises:
        ConfigError: ``--only`` was given, and there are no runs to choose among.
    """
    refuse_only(execution.only, "central_flow")
    preset = execution.preset
    config = compose([*preset.all_words, *execution.overrides])
    parts = []
    for seed in track(range(FIRST_SEED, FIRST_SEED + execution.seeds), "seeds", transient=True):
        place = curved_landscape(replace(config, seed=seed))
        for rate in preset.rates:
            parts.append(follow_both(place, rate, preset.longest, preset.looks).assign(seed=seed))
    table = pd.concat(parts, ignore_index=True).assign(figure="central_flow", git_revision=git_revision())
    return Outcome([], measurements=table, rungs=[])


def summarise(table: pd.DataFrame) -> Summary:
    """A row a learning rate and beginning: means over the seeds of what :func:`ends` gives."""
    numbers, rows = [], []
    for (rate, begin), part in ends(table).groupby(["rate", "begin"], sort=False):
        numbers.append({"rate": rate, "begin": begin, "n": len(part), **part[list(COLUMNS)].mean()})
        told = {head: mean_of(part[name], form) for name, (head, form) in COLUMNS.items()}
        rows.append({"rate": f"{rate:g}", "begin": str(begin), "n": str(len(part)), **told})
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH, revision_note(table)], metric="")


COLUMNS = {
    "crossed": ("crossed at time", ".0f"),
    "settled": ("at its edge at time", ".0f"),
    "central_share": ("distance to the central flow %", ".2f"),
    "flow_share": ("distance to the gradient flow %", ".2f"),
    "middle": ("sharpness of the mean path · h / 2", ".3f"),
    "held": ("sharpness of the central flow · h / 2", ".4f"),
    "variance": ("variance, measured", ".2g"),
    "predicted_variance": ("variance, predicted", ".2g"),
    "alignment": ("alignment", ".3f"),
    "loss": ("loss, mean", ".4f"),
    "predicted_loss": ("loss, predicted", ".4f"),
    "flow_loss": ("loss of the gradient flow", ".4f"),
}
PARAGRAPH = (
    "Mean ± standard deviation over the n seeds whose descent crossed 2 / h, and of the second beginning came to its "
    "edge. Everything is in double precision. Crossed: the first look at which the sharpness of descent is 2 / h or "
    "more, in learning rate times passes. From the start: both flows begin where descent does and are followed for "
    "twice that time. From the edge: they begin on descent's mean path, the second time in a row that its sharpness is "
    "within 5 % of 2 / h and the oscillation adds more than a thousandth to the loss, and are followed for as long "
    "as the crossing took. The mean path: a quarter, a half and a quarter of three places in a row. Distances are "
    "between it and the flows at the last look, in percent of the way that the gradient flow has come since the "
    "beginning. Sharpness is in the mean over the looks at which the central flow is held at 2 / h; so are variances, "
    "traces of the covariance of the oscillation, and the alignment, the cosine between measured and predicted "
    "covariance. Losses are means over the steps of the last quarter of the looks; predicted is that of the central "
    "flow with what the oscillation adds, tr Σ / h."
)
STUDY = Study(
    name="central_flow",
    family="edge_of_stability",
    title="Central flow of descent at its edge",
    about=__doc__,
    presets=PRESETS,
    rungs=traced_rungs,
    quick=quick,
    held=("optimizer.lr", "regime=", "regime.block_size", "precision"),
    execute=trace,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=CLAIMS,
)
