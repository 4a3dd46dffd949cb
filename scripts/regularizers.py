"""Every regulariser alone, and many together, in both regimes: what does each add to plain training?

    python scripts/regularizers.py                    MNIST-1D, 24 settings x {SGD, full batch}, 20 minutes
    python scripts/regularizers.py --only baseline --only mixup
    python scripts/regularizers.py data=fashion_mnist     2000 images; hours on 2 cores
    python scripts/regularizers.py data=cifar10           ResNet-18; days on a GPU
    python scripts/regularizers.py regularizer.mixup.alpha=1    reaches the settings that have mixup
    python scripts/regularizers.py --list                 every setting
    python scripts/regularizers.py --quick                under a minute, to see that everything runs

The baseline is Nesterov momentum without weight decay. Every ingredient has the strength of its file in
fbgd/config/conf/regularizer/; nothing is tuned, so a small difference says little about what it could do. Within a
regime all settings see the same passes; penalties on gradients cost twice the gradient evaluations, as the table shows.

What to expect on MNIST-1D: differences of a point or two under SGD, larger ones in the full-batch regime. Results go to
results/regularizers/<data>/: table.md, table.csv, runs.csv, accuracy.png. A finished run is never computed again, an
interrupted one resumes.
"""

import sys
from dataclasses import dataclass, replace

from fbgd.report.plots import panels_figure
from fbgd.runs.plan import Rung, plan, select
from fbgd.studies.cli import make_data, run_planned, study_parser
from fbgd.studies.script import Outcome, Request, listed, quick_words, study_main

BASELINE = "baseline"
HELD = ("regime=", "regime.blocks_per_step", "regularizer=")
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
FIGURES = {"accuracy.png": lambda e: panels_figure(e.runs, e.table, "ingredient", "regime", e.title)}
PARAGRAPHS = (
    f"Each ingredient has the strength of its file in fbgd/config/conf/regularizer/, untuned; the {FULL_STACK} is "
    f"{', '.join(STACK)}.",
    "early_stopping ends with its best weights on the validation split; its patience of 10 passes is two evaluations.",
    "With three seeds and all rows corrected together, only very large differences can be told from chance.",
)


@dataclass(frozen=True)
class Preset:
    """Sizes: words for all rungs, and for each regime its own; budget and warm-up are in passes."""

    words: tuple[str, ...]
    sgd: tuple[str, ...]
    full_batch: tuple[str, ...]


def budget(passes: float, warmup: float) -> tuple[str, ...]:
    """The words for so many passes, of which the first are warm-up."""
    return (f"budget.passes={passes}", f"schedule.warmup={warmup}")


SMALL = ("model=resnet", "optimizer.lr=0.3", "regime.block_size=100", "impl.blocks_per_call=1")
PRESETS = {
    "mnist1d": Preset(
        (
            "data=mnist1d",
            "data.source.train=2000",
            "data.source.test=4000",
            "data.validation_size=500",
            "record.evaluate_every=5",
            *SMALL,
        ),
        budget(40, 2),
        budget(120, 12),
    ),
    "fashion_mnist": Preset(
        (
            "data=fashion_mnist",
            "data.train_size=2000",
            "data.validation_size=1000",
            "record.evaluate_every=10",
            "impl.channels_last=true",
            *SMALL,
        ),
        budget(40, 2),
        budget(120, 12),
    ),
    "cifar10": Preset(
        (
            "data=cifar10",
            "data.validation_size=5000",
            "model=resnet18",
            "optimizer.lr=0.1",
            "regime.block_size=128",
            "record.evaluate_every=10",
        ),
        budget(300, 5),
        budget(3000, 400),
    ),
}


def make_rungs(preset: Preset) -> list[Rung]:
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


def scaled(preset: Preset, data: str, quick: bool) -> Preset:
    """The preset, or its ``--quick`` form."""
    if not quick:
        return preset
    words = (*preset.words, *quick_words(data), "regime.block_size=16", *budget(2, 0))
    return replace(preset, words=words, sgd=(), full_batch=())


def execute(request: Request) -> Outcome | None:
    """Run every setting."""
    rungs = make_rungs(scaled(request.preset(PRESETS), request.data, request.quick))
    only = select(rungs, request.arguments.only)
    if listed(request, rungs):
        return None
    planned = plan(rungs, request.overrides, 1 if request.quick else request.arguments.seeds, request.out)
    make_data(planned)
    finished = run_planned(planned, only, request.workers)
    options = {"baseline": {"ingredient": BASELINE}, "paragraphs": PARAGRAPHS, "figures": FIGURES}
    return Outcome(request.title("Regularisers"), rungs, planned, finished, options)


def main(words: list[str] | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    return study_main("regularizers", study_parser(__doc__), words, execute, HELD)


if __name__ == "__main__":
    sys.exit(main())
