"""The fair ladder: every ingredient of full-batch training is given to SGD as well, at equal gradient evaluations.

    python scripts/fair_ladder.py                    MNIST-1D, 6 rungs x {SGD, full batch}, about an hour
    python scripts/fair_ladder.py --only "short" --seeds 3
    python scripts/fair_ladder.py data=fashion_mnist    2000 images; most of a day on 2 cores
    python scripts/fair_ladder.py data=cifar10          the sizes of the published ladder; weeks on a GPU
    python scripts/fair_ladder.py --list                every setting
    python scripts/fair_ladder.py --quick               under a minute, to see that everything runs

The ladder of Geiping et al. gives long training, warm-up, clipping, the gradient penalty and small blocks to full-batch
descent only. Is it then stochasticity that they replace, or would SGD have gained as much from them? Here both climb
the same rungs: one block a step, reshuffled, against all blocks a step, fixed. A rung costs both the same gradient
evaluations, both begin with the same learning rates (a grid grows until the best is no end of it), from which the
validation split chooses by a search for every seed, and both anneal it to zero. Fresh runs make the table.

Read the table across for the effect of stochasticity, downwards for the effect of the ingredients. Results go to
results/fair_ladder/<data>/: table.md, table.csv, runs.csv, search.csv, claims.csv, pairs.png, learning_rates.png. A
finished run is never computed again, an interrupted one resumes.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.claims import Claim, higher
from fbgd.report.evidence import Evidence
from fbgd.report.group_plots import pairs_figure
from fbgd.report.plots import search_figure
from fbgd.runs.plan import Rung
from fbgd.studies.catalogue import PASSES
from fbgd.studies.differences import accuracy_difference
from fbgd.studies.nested import NestedTuning, chosen_counts
from fbgd.studies.presets import data_words, ingredient_words, quick_words, share_of
from fbgd.studies.study import Option, Preset, Study
from fbgd.studies.tuning import Candidates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY = "optimizer.lr"
TRAINING = {"SGD": "regime=sgd", "full batch": "regime=full_batch"}
REFERENCE = "full batch"
SHORT, LONGER, CLIPPED, LAST = "short", "longer", "+ clipping", "+ small blocks"


@dataclass(frozen=True, kw_only=True)
class FairPreset(Preset):
    """Sizes of the ladder.

    Args:
        short: gradients of each sample on the first rung.
        long: on all others; a penalised step takes two, so a penalised rung makes half as many passes.
        warmup: share of the passes that is warm-up, from its rung on.
        rates: the learning rates to begin with, of the rungs without clipping and of those with it, which bounds the
            length of a step by ``lr * clip``.
        clip: threshold on the global norm of the mean gradient.
        strength: of the gradient penalty, in units of lr / 4.
        blocks: block size of most rungs, and of the last one.
        calls: ``impl.blocks_per_call`` of full-batch steps for either block size.
    """

    seeds: int = 10
    short: float = 30
    long: float = 150
    warmup: float = 0.125
    rates: tuple[tuple[float, ...], tuple[float, ...]] = ((0.1, 0.2, 0.4, 0.8, 1.6), (0.4, 0.8, 1.6, 3.2, 6.4))
    clip: float = 0.25
    strength: float = 0.25
    blocks: tuple[int, int] = (100, 25)
    calls: tuple[int | str, int | str] = (1, 60)


PRESETS = {
    "mnist1d": FairPreset(words=data_words("mnist1d", 15)),
    "fashion_mnist": FairPreset(words=data_words("fashion_mnist", 15), calls=(1, 1)),
    # The network and the sizes of the published ladder. Its cosines do not end where its runs do; here every rate is
    # annealed to zero, so the horizon is the budget and counts from the first pass.
    "cifar10": FairPreset(
        words=(*data_words("cifar10", 10), "data.augment=random", "model.shortcut=pool"),
        short=300,
        long=3000,
        rates=((0.025, 0.05, 0.1, 0.2, 0.4), (0.1, 0.2, 0.4, 0.8, 1.6)),
        blocks=(128, 32),
        calls=("auto", "auto"),
    ),
}


def rungs(preset: FairPreset) -> list[Rung]:
    """The six rungs for both ways of training."""
    large, small = preset.blocks

    def words(passes: float, warmup: bool, regularizers: tuple[str, ...] = (), block_size: int = large) -> list[str]:
        said = [f"budget.passes={passes:g}", f"schedule.warmup={preset.warmup * passes if warmup else 0:g}"]
        return [*said, f"regime.block_size={block_size}", *ingredient_words(regularizers, preset.clip, preset.strength)]

    both = ("gradient_clipping", "gradient_penalty")
    ladder = {
        SHORT: words(preset.short, False),
        LONGER: words(preset.long, False),
        "+ warm-up": words(preset.long, True),
        CLIPPED: words(preset.long, True, both[:1]),
        "+ penalty": words(preset.long / 2, True, both),
        LAST: words(preset.long / 2, True, both, small),
    }
    shared = (*preset.words, "optimizer=sgd", "schedule=cosine")
    made = []
    for name, own in ladder.items():
        for training, regime in TRAINING.items():
            calls = preset.calls[name == LAST] if training == REFERENCE else 1
            labels = {"ingredient": name, "training": training}
            execution = f"impl.blocks_per_call={calls}"
            made.append(Rung(f"{name}, {training}", (*shared, regime, *own, execution), labels=labels))
    return made


def candidates(preset: FairPreset) -> Candidates:
    """The learning rates that every rung begins with, the same for both ways of training."""
    return {rung.name: preset.rates[is_clipped(rung)] for rung in rungs(preset)}


def is_clipped(rung: Rung) -> bool:
    """Whether the rung's steps are of bounded length."""
    return any("gradient_clipping.max_norm" in word for word in rung.overrides)


def quick(preset: FairPreset, data: str) -> FairPreset:
    """The preset on next to nothing."""
    words = (*preset.words, *quick_words(data))
    return replace(preset, words=words, seeds=2, short=2, long=4, rates=((0.3,), (0.3,)), blocks=(16, 8), calls=(1, 6))


def shortened(data: str, preset: FairPreset, budget: str | None) -> FairPreset:
    """The preset with a share of all passes, and so of the warm-ups."""
    if budget is None:
        return preset
    share = share_of(budget)
    return replace(preset, short=share * preset.short, long=share * preset.long, variant=f"budget-{share:g}")


def rates_figure(evidence: Evidence) -> "Figure":
    """Validation accuracy by learning rate, the chosen ones ringed."""
    title = f"{evidence.title}: validation accuracy by learning rate\na ring's area is its share of the seeds' choices"
    chosen = chosen_counts(evidence.searched, ["ingredient", "training"])
    return search_figure(evidence.searched, chosen, "ingredient", "training", "learning rate", title, columns=3)


def gained(training: str, rung: str, since: str) -> Claim:
    """That a way of training gains from one rung to another."""
    left, right = ({"ingredient": name, "training": training} for name in (rung, since))
    return Claim(
        f"{training} gains to {rung}",
        f"From {since!r} to {rung!r} the ingredients lift {training}.",
        "difference in test accuracy, points",
        accuracy_difference(left, right),
    )


def stays_ahead(evidence: Evidence) -> list:
    """SGD minus full batch on every rung, in points."""
    rows = []
    for name in pd.unique(evidence.runs["ingredient"]):
        left, right = ({"ingredient": name, "training": training} for training in TRAINING)
        rows += accuracy_difference(left, right, case=name)(evidence)
    return rows


STUDY = Study(
    name="fair_ladder",
    title="Fair ladder",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    baseline={"training": REFERENCE},
    across="training",
    paragraphs=(
        "Each rung adds to the one above; both columns of a rung take the same gradient evaluations. SGD: one block a "
        "step, reshuffled every pass; full batch: all blocks a step, fixed. The difference is SGD minus full batch.",
    ),
    held=(KEY, "regime=", "regime.blocks_per_step", "regime.block_size", "regularizer=", "budget"),
    options=(Option(*PASSES, shortened),),
    execute=NestedTuning(KEY, candidates),
    figures={
        "pairs.png": lambda evidence: pairs_figure(evidence.runs, "ingredient", "training", evidence.title),
        "learning_rates.png": rates_figure,
    },
    claims=(
        Claim("SGD stays ahead", "At equal gradient evaluations SGD is better than full batch on the same rung.",
              "SGD minus full batch, test accuracy, points", stays_ahead, higher),
        gained("SGD", CLIPPED, LONGER),
        gained("full batch", CLIPPED, LONGER),
        gained("SGD", LAST, LONGER),
        gained("full batch", LAST, LONGER),
        gained("full batch", "+ penalty", CLIPPED),
    ),
)  # fmt: skip
