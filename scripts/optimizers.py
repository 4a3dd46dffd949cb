"""Every optimizer in both regimes: who trains best, and how much does the learning rate have to be right?

    python scripts/optimizers.py                    MNIST-1D, 18 optimizers x {SGD, full batch}, 20 minutes
    python scripts/optimizers.py --only Adam --only SGD  those whose names begin so
    python scripts/optimizers.py data=fashion_mnist     2000 images; hours on 2 cores
    python scripts/optimizers.py data=cifar10           ResNet-18; days on a GPU
    python scripts/optimizers.py --list                 every setting
    python scripts/optimizers.py --quick                under a minute, to see that everything runs

Every optimizer gets the same number of learning rates, on a logarithmic grid around its usual one; the best on the
validation split, with seed 0, is then run with fresh seeds. All get the same gradient evaluations: SAM, which takes two
a step, makes half the passes, and a line search ends with the step that uses them up. Everything else is what
fbgd/config/conf/optimizer/ says.

What to expect on MNIST-1D: with one block a step most optimizers end within two points of each other; in 40 full-batch
steps they lie 40 points apart, Muon, AGC, Rprop and Adam in front. Results go to results/optimizers/<data>/: table.md,
table.csv, runs.csv, search.csv, accuracy.png, learning_rates.png, curves.png. A finished run is never computed again,
an interrupted one resumes.
"""

import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec

from fbgd.report.plots import panel_curves_figure, panels_figure, search_figure
from fbgd.runs.plan import Rung, select
from fbgd.studies.cli import study_parser
from fbgd.studies.script import Outcome, Request, listed, quick_words, study_main
from fbgd.studies.tuning import (
    Candidates,
    Tuned,
    chosen_values,
    log_grid,
    search_paragraphs,
    search_rungs,
    tune,
    write_search,
)
from fbgd.studies.writer import Evidence

KEY = "optimizer.lr"
BASELINE = "SGD"
REGIMES = {"SGD": "regime=sgd", "full batch": "regime=full_batch"}
HELD = ("optimizer=", "optimizer._target_", KEY, "regime=", "regime.blocks_per_step", "budget")


@dataclass(frozen=True)
class Entry:
    """An optimizer of the study.

    Args:
        choice: its name in fbgd/config/conf/optimizer/.
        centre: the middle of its learning rates.
        words: what else is special about it.
        evaluations: of a step's gradient; with more than one it makes so many times fewer passes.
        package: of another project, which has to be installed.
    """

    choice: str
    centre: float
    words: tuple[str, ...] = ()
    evaluations: int = 1
    package: str = ""


# These choose the lengths of their own steps: their rate is a bound or a beginning. They may evaluate a step several
# times and end with the step that uses up the evaluations.
OWN_STEPS = ("schedule=constant", "schedule.warmup=0")
OPTIMIZERS = {
    "SGD": Entry("sgd", 0.3),
    "Adam": Entry("adam", 0.03),
    "AdamW": Entry("adamw", 0.03),
    "RMSprop": Entry("rmsprop", 0.01),
    "Adagrad": Entry("adagrad", 0.1),
    "Adadelta": Entry("adadelta", 10.0),
    "Lion": Entry("lion", 0.01),
    "LARS": Entry("lars", 10.0),
    "LARC": Entry("larc", 3.0),
    "AGC": Entry("agc", 3.0),
    "SAM": Entry("sam", 0.3, evaluations=2),
    "ASAM": Entry("asam", 0.3, evaluations=2),
    "Accelerated": Entry("accelerated", 0.3),
    "Line search": Entry("line_search", 1.0, OWN_STEPS),
    "L-BFGS": Entry("lbfgs", 1.0, (*OWN_STEPS, "optimizer.max_iter=4")),
    "Muon": Entry("muon", 0.2),
    "Rprop": Entry("rprop", 0.01, OWN_STEPS),
    "Schedule-free": Entry("schedule_free", 3.0, ("schedule=constant",), package="schedulefree"),
}


@dataclass(frozen=True)
class Preset:
    """Sizes: words for all rungs, the budget and the warm-up in passes, candidates by optimizer."""

    words: tuple[str, ...]
    passes: float
    warmup: float
    candidates: int = 5


PRESETS = {
    "mnist1d": Preset(
        (
            "data=mnist1d",
            "data.source.train=2000",
            "data.source.test=4000",
            "data.validation_size=500",
            "model=resnet",
            "regime.block_size=100",
            "impl.blocks_per_call=1",
            "record.evaluate_every=5",
        ),
        passes=40,
        warmup=2,
    ),
    "fashion_mnist": Preset(
        (
            "data=fashion_mnist",
            "data.train_size=2000",
            "data.validation_size=1000",
            "model=resnet",
            "regime.block_size=100",
            "impl.blocks_per_call=1",
            "impl.channels_last=true",
            "record.evaluate_every=10",
        ),
        passes=40,
        warmup=2,
    ),
    "cifar10": Preset(
        (
            "data=cifar10",
            "data.validation_size=5000",
            "model=resnet18",
            "regime.block_size=128",
            "record.evaluate_every=10",
        ),
        passes=300,
        warmup=5,
    ),
}


def make_rungs(preset: Preset) -> tuple[list[Rung], Candidates]:
    """Every installed optimizer in both regimes, and its learning rates."""
    rungs, candidates = [], {}
    for regime, word in REGIMES.items():
        for name, entry in OPTIMIZERS.items():
            if entry.package and find_spec(entry.package) is None:
                continue
            words = (
                *preset.words,
                f"budget.passes={preset.passes / entry.evaluations:g}",
                f"budget.gradients_per_sample={preset.passes:g}",
                "schedule=cosine",
                word,
                f"optimizer={entry.choice}",
                f"schedule.warmup={preset.warmup / entry.evaluations:g}",
                *entry.words,
            )
            rung = Rung(f"{name}, {regime}", words, labels={"regime": regime, "optimizer": name})
            rungs.append(rung)
            candidates[rung.name] = log_grid(entry.centre, preset.candidates)
    return rungs, candidates


def scaled(preset: Preset, data: str, quick: bool) -> Preset:
    """The preset, or its ``--quick`` form."""
    if not quick:
        return preset
    words = (*preset.words, *quick_words(data), "regime.block_size=16")
    return replace(preset, words=words, passes=2, warmup=0, candidates=1)


def make_figures(rungs: list[Rung], tuned: Tuned) -> dict:
    """The study's figures by file name."""
    order = list(dict.fromkeys(rung.labels["optimizer"] for rung in rungs))

    def rates(evidence: Evidence):
        chosen = chosen_values(rungs, tuned)
        title = f"{evidence.title}: validation accuracy by learning rate, the chosen one ringed"
        return search_figure(tuned.searched, chosen, "optimizer", "regime", "learning rate", title, columns=6)

    return {
        "accuracy.png": lambda e: panels_figure(e.runs, e.table, "optimizer", "regime", e.title),
        "learning_rates.png": rates,
        "curves.png": lambda e: panel_curves_figure(e.curves, order, e.title, "optimizer", "regime"),
    }


def paragraphs(candidates: Candidates, tuned: Tuned) -> list[str]:
    """What a reader of the table must know beside the common caption."""
    return [
        "Every row gets the same number of gradient evaluations: SAM and ASAM, which take two a step, make half the "
        "passes, and the line search and L-BFGS end with the step that uses them up. FullBatchGD is left out: in the "
        "engine it is SGD.",
        *search_paragraphs(KEY, candidates, tuned),
    ]


def execute(request: Request) -> Outcome | None:
    """Search, choose, and run what was chosen."""
    rungs, candidates = make_rungs(scaled(request.preset(PRESETS), request.data, request.quick))
    only = select(rungs, request.arguments.only)
    if listed(request, search_rungs(rungs, KEY, candidates)):
        return None
    seeds = 1 if request.quick else request.arguments.seeds
    tuned = tune(rungs, KEY, candidates, request.overrides, seeds, request.out, only, request.workers)
    write_search(request.out, tuned)
    options = {
        "baseline": {"optimizer": BASELINE},
        "shown": (KEY,),
        "paragraphs": paragraphs(candidates, tuned),
        "figures": make_figures(rungs, tuned),
    }
    return Outcome(request.title("Optimizers"), tuned.rungs, tuned.planned, tuned.finished, options)


def main(words: list[str] | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    return study_main("optimizers", study_parser(__doc__), words, execute, HELD)


if __name__ == "__main__":
    sys.exit(main())
