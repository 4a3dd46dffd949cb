"""Every regulariser alone, and many together, in both regimes: what does each add to plain training?

    python scripts/regularizer_comparison.py                          MNIST-1D, 24 settings x 2 regimes, 20 minutes
    python scripts/regularizer_comparison.py --only baseline --only mixup
    python scripts/regularizer_comparison.py data=fashion_mnist       2000 images; hours on 2 cores
    python scripts/regularizer_comparison.py data=cifar10             ResNet-18; days on a GPU
    python scripts/regularizer_comparison.py regularizer.mixup.alpha=1    reaches the settings that have mixup
    python scripts/regularizer_comparison.py --list                   every setting
    python scripts/regularizer_comparison.py --quick                  under a minute, to see that everything runs

The baseline is Nesterov momentum without weight decay. Every ingredient has the strength of its file in
fbgd/config/conf/regularizer/; nothing is tuned, so a small difference says little about what it could do. Within a
regime all settings see the same passes; penalties on gradients cost twice the gradient evaluations, as the table shows.

What to expect on MNIST-1D: differences of a point or two under SGD, larger ones in the full-batch regime. Results go to
results/regularizer_comparison/<data>/: table.md, table.csv, runs.csv, claims.csv, accuracy.png. A finished run is
never computed again, an interrupted one resumes.
"""

from dataclasses import dataclass, replace
from typing import Any

from fbgd.report.plots import panels_figure
from fbgd.runs.plan import Rung
from fbgd.studies.differences import against_baseline
from fbgd.studies.presets import data_words, quick_words
from fbgd.studies.study import Preset, Study

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


@dataclass(frozen=True, kw_only=True)
class RegularizerPreset(Preset):
    """Sizes: the words of each regime, with its budget and warm-up."""

    sgd: tuple[str, ...]
    full_batch: tuple[str, ...]


def budget(passes: float, warmup: float) -> tuple[str, ...]:
    """The words for so many passes, of which the first are warm-up."""
    return (f"budget.passes={passes}", f"schedule.warmup={warmup}")


SMALL: dict[str, Any] = {"sgd": budget(40, 2), "full_batch": budget(120, 12)}
BLOCKS = ("optimizer.lr=0.3", "regime.block_size=100", "impl.blocks_per_call=1")
PRESETS = {
    "mnist1d": RegularizerPreset(words=(*data_words("mnist1d", 5), *BLOCKS), **SMALL),
    "fashion_mnist": RegularizerPreset(words=(*data_words("fashion_mnist", 10), *BLOCKS), **SMALL),
    "cifar10": RegularizerPreset(
        words=(*data_words("cifar10", 10), "optimizer.lr=0.1", "regime.block_size=128"),
        sgd=budget(300, 5),
        full_batch=budget(3000, 400),
    ),
}


def rungs(preset: RegularizerPreset) -> list[Rung]:
    """The baseline, every ingredient and the stack, in both regimes."""
    settings = {
        BASELINE: (),
        "weight_decay": ("optimizer.weight_decay=0.0005",),
        **{name: (f"regularizer=[{name}]",) for name in ALONE},
        FULL_STACK: (f"regularizer=[{','.join(STACK)}]",),
    }
    shared = (*preset.words, "optimizer=sgd", "optimizer.weight_decay=0", "schedule=cosine")
    regimes = {"SGD": ("regime=sgd", *preset.sgd), "full batch": ("regime=full_batch", *preset.full_batch)}
    return [
        Rung(f"{name}, {regime}", (*shared, *sizes, *words), labels={"regime": regime, "ingredient": name})
        for regime, sizes in regimes.items()
        for name, words in settings.items()
    ]


def quick(preset: RegularizerPreset, data: str) -> RegularizerPreset:
    """The preset on next to nothing."""
    words = (*preset.words, *quick_words(data), "regime.block_size=16", *budget(2, 0))
    return replace(preset, words=words, seeds=1, sgd=(), full_batch=())


STUDY = Study(
    name="regularizer_comparison",
    title="Regularisers",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    baseline={"ingredient": BASELINE},
    paragraphs=(
        f"Each ingredient has the strength of its file in fbgd/config/conf/regularizer/, untuned; the {FULL_STACK} is "
        f"{', '.join(STACK)}.",
        "early_stopping ends with its best weights on the validation split; its patience of 10 passes is two "
        "evaluations.",
        "With three seeds and all rows corrected together, only very large differences can be told from chance.",
    ),
    held=("regime=", "regime.blocks_per_step", "regularizer="),
    figures={
        "accuracy.png": lambda evidence: panels_figure(
            evidence.runs, evidence.table, "ingredient", "regime", evidence.title
        )
    },
    claims=tuple(
        against_baseline("ingredient", BASELINE, name, "regime")
        for name in ("gradient_penalty", "gradient_clipping", "mixup", "label_smoothing", "dropout", FULL_STACK)
    ),
)
