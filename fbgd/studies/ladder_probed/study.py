"""The Geiping ladder under probes: what clipping, warm-up and the penalty do to sharpness and noise.

    python scripts/ladder_probed.py            MNIST-1D, 10 rungs x 10 seeds
    python scripts/ladder_probed.py --list     what the settings are
    python scripts/ladder_probed.py --quick    under a minute, to see that everything runs

The rungs are those of scripts/geiping_ladder.py on a quarter of its samples with half of its passes, so that probes
can be afforded: they cost more than the training. Three more take steps of the ladder apart that change two things at
once: longer training without warm-up, the same clipped, and the penalty at the rate of the clipped rung. Results go to
results/ladder_probed/<data>/: table.md with the claims, table.csv, measurements.csv (a row a look), runs.csv, figures.
Words like model.norm=group change all runs, and get a folder of their own.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.pages import Summary, measured
from fbgd.runs.plan import Rung
from fbgd.studies import geiping_ladder
from fbgd.studies.ladder_probed.claims import CLAIMS, CLIPPED, EDGE, beyond_edge, mean_signal, share_clipped
from fbgd.studies.ladder_probed.drawing import FIGURES
from fbgd.studies.ladder_probed.looks import BATCH, geometric, look_table, rank_correlation
from fbgd.studies.presets import data_words
from fbgd.studies.study import Preset, Study


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
        seeds=10,
    ),
    "cifar10": ProbedPreset(ladder=geiping_ladder.PRESETS["cifar10"], every=(15, 150)),
}


# A rung that takes a step of the ladder apart, the rung that it goes before, and the one whose words it changes.
APART = (
    ("FB no warm-up", "FB train longer", "FB train longer"),
    ("FB no warm-up, clipped", "FB clipped", "FB clipped"),
    ("FB penalised", "FB regularised", "FB regularised"),
)


def apart(preset: geiping_ladder.LadderPreset) -> dict[str, Rung]:
    """The rungs of :data:`APART` by the rung that they go before: no warm-up; the penalty at the rate before it."""
    budget, _, horizon = preset.long
    first, second, _ = preset.rates
    changed = {
        "FB no warm-up": replace(preset, long=(budget, 0, horizon)),
        "FB no warm-up, clipped": replace(preset, long=(budget, 0, horizon)),
        "FB penalised": replace(preset, rates=(first, second, second)),
    }
    found = {}
    for name, before, like in APART:
        words = {rung.name: rung.overrides for rung in geiping_ladder.rungs(changed[name])}
        found[before] = Rung(name, words[like])
    return found


def rungs(preset: ProbedPreset) -> list[Rung]:
    """Those of the ladder and those of :data:`APART`, with probes."""
    short, long = preset.every
    extra = apart(preset.ladder)
    rungs = []
    for rung in geiping_ladder.rungs(preset.ladder):
        every = short if rung.name.startswith("Baseline") else long
        probes = (
            "probe=[sharpness,gradient_noise_scale]",
            f"probe.sharpness.every={every}",
            f"probe.gradient_noise_scale.every={every}",
            f"probe.sharpness.steps={preset.products}",
            f"probe.sharpness.tolerance={preset.tolerance:g}",
        )
        for own in (*([extra[rung.name]] if rung.name in extra else []), rung):
            rungs.append(Rung(own.name, (*own.overrides, *probes)))
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
            "signal %": mean_signal(part),
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
    "Mean ± standard deviation over n seeds; of a run: the geometric mean over its looks of sharpness and of the "
    "trace of the covariance of the gradients of single samples, the mean over its looks of the signal, the share of "
    "clipped steps. The signal is the share |G|² / (|G|² + tr(C) / B) of the squared gradient of a batch of B = "
    f"{BATCH} samples: 1 / (1 + noise scale / B), half where the noise scale is {BATCH} samples. Unlike the noise "
    "scale it has a meaning at every look: where noise drowns |G|², its estimate without bias is about 0 or below it, "
    "and the least signal is -B / (N - B), where the gradient of all N training samples vanishes. Beyond the edge: "
    f"the share of looks at which sharpness times rate is above {EDGE:.3f}, where Nesterov's momentum of 0.9 is no "
    "longer stable on a quadratic; with the learning rate, and with the effective one, which clipping makes of it: "
    "rate × min(1, c / ‖g‖). Factor, sharpness: the rank correlation of that minimum and sharpness over the looks at "
    "a run. Sharpness is the largest eigenvalue of the Hessian of the training objective, block by block as training "
    "sees it, batch norm with the statistics of each block: rungs with smaller blocks have another objective. It is a "
    "lower bound, by a few products a look; in nine of ten looks an eigenvalue lies within {error} % of it. Samples "
    "are a quarter of those of the Geiping ladder, passes, but for the two baselines, half of them. Three rungs are "
    "not of that ladder. FB no warm-up is FB train longer without warm-up, and so with a cosine that begins at once; "
    "FB no warm-up, clipped is the same of FB clipped. FB penalised is FB regularised at the learning rate of FB "
    "clipped, and so with half of the penalty's coefficient, which is proportional to the rate."
)


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
    figures=FIGURES,
    claims=CLAIMS,
)
