"""Every optimizer in both regimes: who trains best, and how much does the learning rate have to be right?

    python scripts/optimizer_comparison.py                       MNIST-1D, 18 optimizers x {SGD, full batch}, an hour
    python scripts/optimizer_comparison.py --only Adam --only SGD   those whose names begin so
    python scripts/optimizer_comparison.py data=fashion_mnist    2000 images; hours on 2 cores
    python scripts/optimizer_comparison.py data=cifar10          ResNet-18; days on a GPU
    python scripts/optimizer_comparison.py --list                every setting
    python scripts/optimizer_comparison.py --quick               under a minute, to see that everything runs

Every optimizer begins with the same number of learning rates, on a logarithmic grid around its usual one, from which
three search seeds choose on the validation split; what was chosen is run with fresh seeds. All get the same gradient
evaluations: SAM, which takes two a step, makes half the passes, and a line search ends with the step that uses them up.
Everything else is what fbgd/config/conf/optimizer/ says.

What to expect on MNIST-1D: with one block a step most optimizers end within two points of each other; in 40 full-batch
steps they lie 40 points apart, Muon, AGC, Rprop and Adam in front. Results go to results/optimizer_comparison/<data>/:
table.md, table.csv, runs.csv, search.csv, claims.csv, accuracy.png, learning_rates.png, curves.png. A finished run is
never computed again, an interrupted one resumes.
"""

from dataclasses import dataclass, replace
from importlib.util import find_spec

from matplotlib.figure import Figure

from fbgd.report.evidence import Evidence
from fbgd.report.plots import panel_curves_figure, panels_figure, search_figure
from fbgd.runs.plan import Rung
from fbgd.studies.differences import against_baseline
from fbgd.studies.presets import data_words, quick_words
from fbgd.studies.study import Preset, Study
from fbgd.studies.tuning import Candidates, Tuning, chosen_values, log_grid

KEY = "optimizer.lr"
BASELINE = "SGD"
REGIMES = {"SGD": "regime=sgd", "full batch": "regime=full_batch"}


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


@dataclass(frozen=True, kw_only=True)
class OptimizerPreset(Preset):
    """Sizes: the budget and the warm-up in passes, candidates by optimizer."""

    passes: float = 40
    warmup: float = 2
    candidates: int = 5


BLOCKS = ("regime.block_size=100", "impl.blocks_per_call=1")
PRESETS = {
    "mnist1d": OptimizerPreset(words=(*data_words("mnist1d", 5), *BLOCKS)),
    "fashion_mnist": OptimizerPreset(words=(*data_words("fashion_mnist", 10), *BLOCKS)),
    "cifar10": OptimizerPreset(words=(*data_words("cifar10", 10), "regime.block_size=128"), passes=300, warmup=5),
}


def entries() -> dict[tuple[str, str], Entry]:
    """Every installed optimizer in both regimes, by regime and name."""
    return {
        (regime, name): entry
        for regime in REGIMES
        for name, entry in OPTIMIZERS.items()
        if not entry.package or find_spec(entry.package) is not None
    }


def rungs(preset: OptimizerPreset) -> list[Rung]:
    """Every installed optimizer in both regimes."""
    made = []
    for (regime, name), entry in entries().items():
        words = (
            *preset.words,
            f"budget.passes={preset.passes / entry.evaluations:g}",
            f"budget.gradients_per_sample={preset.passes:g}",
            "schedule=cosine",
            REGIMES[regime],
            f"optimizer={entry.choice}",
            f"schedule.warmup={preset.warmup / entry.evaluations:g}",
            *entry.words,
        )
        made.append(Rung(f"{name}, {regime}", words, labels={"regime": regime, "optimizer": name}))
    return made


def candidates(preset: OptimizerPreset) -> Candidates:
    """The learning rates of every rung."""
    return {
        f"{name}, {regime}": log_grid(entry.centre, preset.candidates) for (regime, name), entry in entries().items()
    }


def quick(preset: OptimizerPreset, data: str) -> OptimizerPreset:
    """The preset on next to nothing."""
    words = (*preset.words, *quick_words(data), "regime.block_size=16")
    return replace(preset, words=words, seeds=1, passes=2, warmup=0, candidates=1)


def rates_figure(evidence: Evidence) -> Figure:
    """Validation accuracy by learning rate, the chosen one ringed."""
    chosen = chosen_values(evidence.runs, KEY, ["regime", "optimizer"])
    title = f"{evidence.title}: validation accuracy by learning rate, the chosen one ringed"
    return search_figure(evidence.searched, chosen, "optimizer", "regime", "learning rate", title, columns=6)


STUDY = Study(
    name="optimizer_comparison",
    title="Optimizers",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    baseline={"optimizer": BASELINE},
    shown=(KEY,),
    paragraphs=(
        "Every row gets the same number of gradient evaluations: SAM and ASAM, which take two a step, make half the "
        "passes, and the line search and L-BFGS end with the step that uses them up. FullBatchGD is left out: in the "
        "engine it is SGD.",
    ),
    held=("optimizer=", "optimizer._target_", KEY, "regime=", "regime.blocks_per_step", "budget"),
    execute=Tuning(KEY, candidates),
    figures={
        "accuracy.png": lambda evidence: panels_figure(
            evidence.runs, evidence.table, "optimizer", "regime", evidence.title
        ),
        "learning_rates.png": rates_figure,
        "curves.png": lambda evidence: panel_curves_figure(
            evidence.curves, list(dict.fromkeys(evidence.runs["optimizer"])), evidence.title, "optimizer", "regime"
        ),
    },
    claims=tuple(
        against_baseline("optimizer", BASELINE, name, "regime") for name in ("Adam", "AdamW", "AGC", "Muon", "SAM")
    ),
)
