"""Every optimizer in both regimes: who trains best, and how much does the learning rate have to be right?

    python scripts/optimizer_comparison.py                 MNIST-1D, 17 optimizers, 2 regimes; half an hour or more
    python scripts/optimizer_comparison.py --decay tuned   18 optimizers, each with a weight decay of its own
    python scripts/optimizer_comparison.py --only Adam --only SGD   those whose names begin so
    python scripts/optimizer_comparison.py data=fashion_mnist    2000 images; hours on 2 cores
    python scripts/optimizer_comparison.py data=cifar10          ResNet-18; days on a GPU
    python scripts/optimizer_comparison.py --list                every setting
    python scripts/optimizer_comparison.py --quick               under a minute, to see that everything runs

Every optimizer begins with seven learning rates, on a logarithmic grid around its usual one, from which three search
seeds choose on the validation split (the grid grows until the choice is no end of it); what was chosen is run with
fresh seeds. All get the same gradient evaluations: SAM, which takes two a step, makes half the passes, and a line
search ends with the step that uses them up. All have equal weight decay, namely none, so that they minimise the same
function (AdamW without decay is Adam, and left out); with --decay tuned each has its own kind of it, decoupled in
AdamW, Lion and Muon, and a strength that is chosen in the same way after the rate. All that have heavy-ball momentum
have Nesterov's, 0.9, and the same share of warm-up. Everything else is what fbgd/config/conf/optimizer/ says.

What to expect on MNIST-1D: with one block a step most optimizers end within two points of each other; in 40 full-batch
steps they lie 40 points apart, Muon, AGC, Rprop and Adam in front. Results go to results/optimizer_comparison/<data>/:
table.md, table.csv, runs.csv, search.csv, claims.csv, accuracy.png, learning_rates.png, curves.png. A finished run is
never computed again, an interrupted one resumes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fbgd.errors import ConfigError
from fbgd.report.evidence import Evidence
from fbgd.report.group_plots import panels_figure
from fbgd.report.plots import search_figure
from fbgd.runs.plan import Rung
from fbgd.studies import catalogue
from fbgd.studies.differences import against_baseline
from fbgd.studies.figures import curves_of
from fbgd.studies.presets import data_words, quick_words
from fbgd.studies.study import Option, Preset, Study
from fbgd.studies.tuning import Candidates, Tuning, by_setting, chosen_values, log_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY = "optimizer.lr"
DECAY = "weight decay"
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
        decays: keys of its weight decay; none where it has none of its own: then its gradient has l2's.
        decay: the middle of its weight decays with one block a step.
    """

    choice: str
    centre: float
    words: tuple[str, ...] = ()
    evaluations: int = 1
    package: str = ""
    decays: tuple[str, ...] = ("optimizer.weight_decay",)
    decay: float = 1e-3


# These choose the lengths of their own steps: their rate is a bound or a beginning. They may evaluate a step several
# times and end with the step that uses up the evaluations.
OWN_STEPS = ("schedule=constant", "schedule.warmup=0")
BASE = ("optimizer.base.weight_decay",)
DECOUPLED = "AdamW"
OPTIMIZERS = {
    "SGD": Entry("sgd", 0.3),
    "Adam": Entry("adam", 0.03),
    DECOUPLED: Entry("adamw", 0.03, decay=0.03),
    "RMSprop": Entry("rmsprop", 0.01),
    "Adagrad": Entry("adagrad", 0.1),
    "Adadelta": Entry("adadelta", 10.0),
    "Lion": Entry("lion", 0.01, decay=0.1),
    "LARS": Entry("lars", 10.0, ("optimizer.nesterov=true",)),
    "LARC": Entry("larc", 3.0),
    "AGC": Entry("agc", 3.0, decays=BASE),
    "SAM": Entry("sam", 0.3, evaluations=2, decays=BASE),
    "ASAM": Entry("asam", 0.3, evaluations=2, decays=BASE),
    "Accelerated": Entry("accelerated", 0.3),
    "Line search": Entry("line_search", 1.0, OWN_STEPS),
    "L-BFGS": Entry("lbfgs", 1.0, (*OWN_STEPS, "optimizer.max_iter=4"), decays=()),
    "Muon": Entry(
        "muon", 0.2, decays=tuple(f"optimizer.{part}.weight_decay" for part in ("matrices", "others")), decay=0.03
    ),
    "Rprop": Entry("rprop", 0.01, OWN_STEPS, decays=()),
    "Schedule-free": Entry("schedule_free", 3.0, ("schedule=constant",), package="schedulefree"),
}


@dataclass(frozen=True, kw_only=True)
class OptimizerPreset(Preset):
    """Sizes: the budget and the warm-up in passes, candidates by optimizer; whether weight decay is tuned or none."""

    seeds: int = 10
    passes: float = 40
    warmup: float = 2
    candidates: int = 7
    decays: int = 5
    tuned_decay: bool = False


BLOCKS = ("regime.block_size=100", "impl.blocks_per_call=1")
PRESETS = {
    "mnist1d": OptimizerPreset(words=(*data_words("mnist1d", 5), *BLOCKS)),
    "fashion_mnist": OptimizerPreset(words=(*data_words("fashion_mnist", 10), *BLOCKS)),
    "cifar10": OptimizerPreset(words=(*data_words("cifar10", 10), "regime.block_size=128"), passes=300, warmup=5),
}


def entries(preset: OptimizerPreset) -> dict[tuple[str, str], Entry]:
    """Every installed optimizer in both regimes, by regime and name; without decay AdamW is Adam, and left out."""
    return {
        (regime, name): entry
        for regime in REGIMES
        for name, entry in OPTIMIZERS.items()
        if (not entry.package or find_spec(entry.package) is not None) and (preset.tuned_decay or name != DECOUPLED)
    }


def decay_words(entry: Entry, value: float) -> tuple[str, ...]:
    """The words for a weight decay of an optimizer's own kind."""
    own = tuple(f"{key}={value!r}" for key in entry.decays)
    return own or ("regularizer=[l2]", f"regularizer.l2.strength={value!r}")


def rungs(preset: OptimizerPreset) -> list[Rung]:
    """Every installed optimizer in both regimes."""
    made = []
    for (regime, name), entry in entries(preset).items():
        words = (
            *preset.words,
            f"budget.passes={preset.passes / entry.evaluations:g}",
            f"budget.gradients_per_sample={preset.passes:g}",
            "schedule=cosine",
            REGIMES[regime],
            f"optimizer={entry.choice}",
            f"schedule.warmup={preset.warmup / entry.evaluations:g}",
            *entry.words,
            *(f"{key}=0" for key in entry.decays),
        )
        made.append(Rung(f"{name}, {regime}", words, labels={"regime": regime, "optimizer": name}))
    return made


def candidates(preset: OptimizerPreset) -> Candidates:
    """The learning rates of every rung."""
    return {
        f"{name}, {regime}": log_grid(entry.centre, preset.candidates)
        for (regime, name), entry in entries(preset).items()
    }


def decays(preset: OptimizerPreset) -> Tuning | None:
    """The search for weight decays, where they are tuned; in few full-batch steps it takes more of it to be felt."""
    if not preset.tuned_decay:
        return None
    known = {f"{name}, {regime}": (regime, entry) for (regime, name), entry in entries(preset).items()}
    grids = {
        rung: log_grid((1 if regime == "SGD" else 10) * entry.decay, preset.decays)
        for rung, (regime, entry) in known.items()
    }
    return Tuning(DECAY, lambda preset: grids, words=lambda rung, value: decay_words(known[rung][1], value))


def with_decay(data: str, preset: OptimizerPreset, decay: str | None) -> OptimizerPreset:
    """The preset with weight decays of everybody's own."""
    if decay not in (None, "none", "tuned"):
        raise ConfigError(f"--decay {decay} must be none or tuned")
    return replace(preset, tuned_decay=True, variant="decay-tuned") if decay == "tuned" else preset


def quick(preset: OptimizerPreset, data: str) -> OptimizerPreset:
    """The preset on next to nothing."""
    words = (*preset.words, *quick_words(data), "regime.block_size=16")
    return replace(preset, words=words, seeds=1, passes=2, warmup=0, candidates=1, decays=1)


def searched_figure(key: str, name: str) -> "Callable[[Evidence], Figure | None]":
    """What draws the validation accuracy by a setting, the chosen value ringed; nothing where it was not searched."""

    def draw(evidence: Evidence) -> "Figure | None":
        searched = by_setting(evidence.searched, KEY).get(key)
        if searched is None:
            return None
        chosen = chosen_values(searched, ["regime", "optimizer"])
        title = f"{evidence.title}: validation accuracy by {name}, the chosen one ringed"
        return search_figure(searched, chosen, "optimizer", "regime", name, title, columns=6)

    return draw


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
        "All that have heavy-ball momentum have Nesterov's, 0.9; all warm up over the same share of their budget but "
        "those that choose the lengths of their own steps. Weight decay is equal, namely none, or, on the page of that "
        "name, tuned for each: what an optimizer has of its own, decoupled from the gradient in AdamW, Lion and Muon, "
        "and as l2 in the loss for L-BFGS and Rprop.",
    ),
    held=(
        "optimizer=",
        "optimizer._target_",
        KEY,
        "regime=",
        "regime.blocks_per_step",
        "budget",
        "optimizer.weight_decay",
        "optimizer.base.weight_decay",
        "optimizer.matrices.weight_decay",
        "optimizer.others.weight_decay",
        "regularizer.l2",
    ),
    options=(Option(*catalogue.DECAY, with_decay),),
    execute=Tuning(KEY, candidates, then=decays),
    figures={
        "accuracy.png": lambda evidence: panels_figure(
            evidence.runs, evidence.table, "optimizer", "regime", evidence.title
        ),
        "learning_rates.png": searched_figure(KEY, "learning rate"),
        "weight_decays.png": searched_figure(DECAY, DECAY),
        "curves.png": lambda evidence: curves_of(evidence, "optimizer", "regime"),
    },
    claims=tuple(
        against_baseline("optimizer", BASELINE, name, "regime") for name in ("Adam", "AdamW", "AGC", "Muon", "SAM")
    ),
)
