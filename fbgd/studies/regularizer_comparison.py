"""Every regulariser alone, and many together, in both regimes: what does each add to plain training?

    python scripts/regularizer_comparison.py                          MNIST-1D, 21 and 23 settings, 1 to 2 hours
    python scripts/regularizer_comparison.py --only baseline --only mixup
    python scripts/regularizer_comparison.py data=fashion_mnist       2000 images; days on 2 cores
    python scripts/regularizer_comparison.py data=cifar10             ResNet-18; weeks on a GPU
    python scripts/regularizer_comparison.py regularizer.mixup.alpha=1    reaches the settings that have mixup
    python scripts/regularizer_comparison.py --list                   every setting
    python scripts/regularizer_comparison.py --quick                  under a minute, to see that everything runs

The baseline is Nesterov momentum without weight decay. Every setting, the baseline too, begins with the same five
learning rates, from which three search seeds choose on the validation split (the grid grows until the choice is no end
of it); what was chosen is run with fresh seeds. Every ingredient has the strength of its file in
fbgd/config/conf/regularizer/, which is not tuned, so a small difference says little about what it could do. Within a
regime all take the same gradient evaluations: penalties on gradients, which take two a block, make half the passes.

What to expect on MNIST-1D: differences of a point or two under SGD, larger ones in the full-batch regime. Results go to
results/regularizer_comparison/<data>/: table.md, table.csv, runs.csv, search.csv, claims.csv, accuracy.png,
learning_rates.png. A finished run is never computed again, an interrupted one resumes.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fbgd.report.evidence import Evidence
from fbgd.report.group_plots import panels_figure
from fbgd.report.plots import search_figure
from fbgd.runs.plan import Rung
from fbgd.studies.differences import against_baseline
from fbgd.studies.presets import data_words, quick_words
from fbgd.studies.study import Preset, Study
from fbgd.studies.tuning import Candidates, Tuning, chosen_values, log_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY = "optimizer.lr"
BASELINE = "baseline"
# Names in fbgd/config/conf/regularizer/; the last column of the study is several of them together.
ALONE = (
    "l2",
    "l1",
    "gaussian_prior",
    "norm_bias",
    "label_smoothing",
    "mixup",
    "cutmix",
    "input_noise",
    "weight_noise",
    "gradient_noise",
    "dropout",
    "stochastic_depth",
    "gradient_clipping",
    "gradient_value_clipping",
    "block_clipping",
    "gradient_penalty",
    "full_gradient_penalty",
    "gradient_norm_penalty",
    "ema",
    "swa",
    "early_stopping",
)
STACK = ("l2", "label_smoothing", "mixup", "gradient_clipping", "gradient_penalty", "ema")
FULL_STACK = "full stack"
# These evaluate the gradient of a block twice, so they make half the passes.
TWICE = ("gradient_penalty", "full_gradient_penalty", "gradient_norm_penalty", FULL_STACK)
# With one block a step these are gradient_penalty and gradient_clipping again. (The optimizer's weight decay is l2
# again in either regime: with momentum the two take the same steps.)
AGAIN_WITH_ONE_BLOCK = ("full_gradient_penalty", "block_clipping")


@dataclass(frozen=True, kw_only=True)
class RegularizerPreset(Preset):
    """Sizes.

    Args:
        sgd: gradients of each sample with one block a step, and how many of them are warm-up.
        full_batch: the same with all blocks a step.
        rates: the learning rates that every setting begins with.
    """

    seeds: int = 10
    sgd: tuple[float, float] = (40, 2)
    full_batch: tuple[float, float] = (80, 8)
    rates: tuple[float, ...] = log_grid(0.3)


BLOCKS = ("regime.block_size=100", "impl.blocks_per_call=1")
PRESETS = {
    "mnist1d": RegularizerPreset(words=(*data_words("mnist1d", 5), *BLOCKS)),
    "fashion_mnist": RegularizerPreset(words=(*data_words("fashion_mnist", 10), *BLOCKS)),
    "cifar10": RegularizerPreset(
        words=(*data_words("cifar10", 10), "regime.block_size=128"),
        sgd=(300, 5),
        full_batch=(3000, 400),
        rates=log_grid(0.1),
    ),
}


def rungs(preset: RegularizerPreset) -> list[Rung]:
    """The baseline, every ingredient and the stack, in both regimes, each at the regime's gradient evaluations."""
    settings = {
        BASELINE: (),
        **{name: (f"regularizer=[{name}]",) for name in ALONE},
        FULL_STACK: (f"regularizer=[{','.join(STACK)}]",),
    }
    shared = (*preset.words, "optimizer=sgd", "optimizer.weight_decay=0", "schedule=cosine")
    regimes = {"SGD": ("regime=sgd", preset.sgd), "full batch": ("regime=full_batch", preset.full_batch)}
    made = []
    for regime, (word, (gradients, warmup)) in regimes.items():
        for name, words in settings.items():
            if regime == "SGD" and name in AGAIN_WITH_ONE_BLOCK:
                continue
            evaluations = 2 if name in TWICE else 1
            budget = (f"budget.passes={gradients / evaluations:g}", f"schedule.warmup={warmup / evaluations:g}")
            labels = {"regime": regime, "ingredient": name}
            made.append(Rung(f"{name}, {regime}", (*shared, word, *budget, *words), labels=labels))
    return made


def candidates(preset: RegularizerPreset) -> Candidates:
    """The learning rates of every setting: the same."""
    return {rung.name: preset.rates for rung in rungs(preset)}


def quick(preset: RegularizerPreset, data: str) -> RegularizerPreset:
    """The preset on next to nothing."""
    words = (*preset.words, *quick_words(data), "regime.block_size=16")
    return replace(preset, words=words, seeds=1, sgd=(2, 0), full_batch=(2, 0), rates=(0.3,))


def rates_figure(evidence: Evidence) -> "Figure":
    """Validation accuracy by learning rate, the chosen one ringed."""
    chosen = chosen_values(evidence.searched, ["regime", "ingredient"])
    title = f"{evidence.title}: validation accuracy by learning rate, the chosen one ringed"
    return search_figure(evidence.searched, chosen, "ingredient", "regime", "learning rate", title, columns=6)


STUDY = Study(
    name="regularizer_comparison",
    title="Regularisers",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    baseline={"ingredient": BASELINE},
    shown=(KEY,),
    paragraphs=(
        "Within a regime every row gets the same number of gradient evaluations: penalties on gradients, which take "
        "two a block, make half the passes.",
        f"Each ingredient has the strength of its file in fbgd/config/conf/regularizer/, untuned; the {FULL_STACK} is "
        f"{', '.join(STACK)}.",
        "early_stopping ends with its best weights on the validation split; its patience of 10 passes is two "
        "evaluations.",
        "With one block a step the penalty on the full gradient is gradient_penalty and clipping of blocks is "
        "gradient_clipping; the optimizer's weight decay is l2. They stand here once.",
    ),
    held=(KEY, "regime=", "regime.blocks_per_step", "regularizer=", "budget"),
    execute=Tuning(KEY, candidates),
    figures={
        "accuracy.png": lambda evidence: panels_figure(
            evidence.runs, evidence.table, "ingredient", "regime", evidence.title
        ),
        "learning_rates.png": rates_figure,
    },
    claims=tuple(
        against_baseline("ingredient", BASELINE, name, "regime")
        for name in ("gradient_penalty", "gradient_clipping", "mixup", "label_smoothing", "dropout", FULL_STACK)
    ),
)
