"""The fair ladder: every ingredient of full-batch training is given to SGD as well, at equal gradient evaluations.

    python scripts/fair_ladder.py                    MNIST-1D, 6 rungs x {SGD, full batch}, 20 minutes
    python scripts/fair_ladder.py --only "short" --seeds 3
    python scripts/fair_ladder.py data=fashion_mnist    2000 images; most of a day on 2 cores
    python scripts/fair_ladder.py data=cifar10          the sizes of the published ladder; weeks on a GPU
    python scripts/fair_ladder.py --list                every setting
    python scripts/fair_ladder.py --quick               under a minute, to see that everything runs

The ladder of Geiping et al. gives long training, warm-up, clipping, the gradient penalty and small blocks to full-batch
descent only. Is it then stochasticity that they replace, or would SGD have gained as much from them? Here both climb
the same rungs: one block a step, reshuffled, against all blocks a step, fixed. A rung costs both the same gradient
evaluations, both choose their learning rate from the same values on the validation split, and both anneal it to zero.

Read the table across for the effect of stochasticity, downwards for the effect of the ingredients. Results go to
results/fair_ladder/<data>/: table.md, table.csv, runs.csv, search.csv, pairs.png, learning_rates.png. A finished run is
never computed again, an interrupted one resumes.
"""

import sys
from dataclasses import dataclass, replace

import pandas as pd

from fbgd.report.plots import pairs_figure, search_figure
from fbgd.report.statistics import difference
from fbgd.runs.plan import Rung, collect, select
from fbgd.studies.cli import study_parser
from fbgd.studies.script import Outcome, Request, listed, quick_words, study_main
from fbgd.studies.tuning import Candidates, Tuned, chosen_values, search_paragraphs, search_rungs, tune, write_search
from fbgd.studies.writer import Evidence

KEY = "optimizer.lr"
TRAINING = {"SGD": "regime=sgd", "full batch": "regime=full_batch"}
REFERENCE = "full batch"
SHORT, LONGER = "short", "longer"
HELD = (KEY, "regime=", "regime.blocks_per_step", "regime.block_size", "regularizer=", "budget")
PARAGRAPH = (
    "Each rung adds to the one above; both columns of a rung take the same gradient evaluations. SGD: one block a "
    "step, reshuffled every pass; full batch: all blocks a step, fixed. The difference is SGD minus full batch."
)


@dataclass(frozen=True)
class Preset:
    """Sizes of the ladder.

    Args:
        words: overrides of all rungs: data, model, execution.
        short: gradients of each sample on the first rung.
        long: on all others; a penalised step takes two, so a penalised rung makes half as many passes.
        warmup: share of the passes that is warm-up, from its rung on.
        rates: the learning rates to choose from.
        clip: threshold on the global norm of the mean gradient.
        strength: of the gradient penalty, in units of lr / 4.
        blocks: block size of most rungs, and of the last one.
        calls: ``impl.blocks_per_call`` of full-batch steps for either block size.
    """

    words: tuple[str, ...]
    short: float = 30
    long: float = 150
    warmup: float = 0.125
    rates: tuple[float, ...] = (0.2, 0.6, 1.8)
    clip: float = 0.25
    strength: float = 0.25
    blocks: tuple[int, int] = (100, 25)
    calls: tuple[int | str, int | str] = (1, 60)


PRESETS = {
    "mnist1d": Preset(
        (
            "data=mnist1d",
            "data.source.train=2000",
            "data.source.test=4000",
            "data.validation_size=500",
            "model=resnet",
            "record.evaluate_every=15",
        )
    ),
    "fashion_mnist": Preset(
        (
            "data=fashion_mnist",
            "data.train_size=2000",
            "data.validation_size=1000",
            "model=resnet",
            "record.evaluate_every=15",
            "impl.channels_last=true",
        ),
        calls=(1, 1),
    ),
    "cifar10": Preset(
        (
            "data=cifar10",
            "data.augment=random",
            "data.validation_size=5000",
            "model=resnet18",
            "record.evaluate_every=10",
        ),
        short=300,
        long=3000,
        rates=(0.1, 0.2, 0.4, 0.8),
        blocks=(128, 32),
        calls=("auto", "auto"),
    ),
}


def make_rungs(preset: Preset) -> tuple[list[Rung], Candidates]:
    """The six rungs for both ways of training, and their learning rates."""
    large, small = preset.blocks

    def words(passes: float, warmup: bool, regularizers: tuple[str, ...] = (), block_size: int = large) -> list[str]:
        said = [f"budget.passes={passes:g}", f"schedule.warmup={preset.warmup * passes if warmup else 0:g}"]
        said += [f"regime.block_size={block_size}", f"regularizer=[{','.join(regularizers)}]"]
        if "gradient_clipping" in regularizers:
            said.append(f"regularizer.gradient_clipping.max_norm={preset.clip}")
        if "gradient_penalty" in regularizers:
            said.append(f"regularizer.gradient_penalty.strength={preset.strength}")
        return said

    both = ("gradient_clipping", "gradient_penalty")
    ladder = {
        SHORT: words(preset.short, False),
        LONGER: words(preset.long, False),
        "+ warm-up": words(preset.long, True),
        "+ clipping": words(preset.long, True, both[:1]),
        "+ penalty": words(preset.long / 2, True, both),
        "+ small blocks": words(preset.long / 2, True, both, small),
    }
    shared = (*preset.words, "optimizer=sgd", "schedule=cosine")
    rungs = []
    for name, own in ladder.items():
        for training, regime in TRAINING.items():
            calls = preset.calls[name == "+ small blocks"] if training == REFERENCE else 1
            labels = {"ingredient": name, "training": training}
            execution = f"impl.blocks_per_call={calls}"
            rungs.append(Rung(f"{name}, {training}", (*shared, regime, *own, execution), labels=labels))
    return rungs, {rung.name: preset.rates for rung in rungs}


def scaled(preset: Preset, data: str, quick: bool) -> Preset:
    """The preset, or its ``--quick`` form."""
    if not quick:
        return preset
    words = (*preset.words, *quick_words(data))
    return replace(preset, words=words, short=2, long=4, rates=(0.3,), blocks=(16, 8), calls=(1, 6))


def moved(runs: pd.DataFrame) -> list[str]:
    """How far all ingredients together move each column from the rung of longer training on, with the interval."""
    last = list(dict.fromkeys(runs["ingredient"]))[-1]
    sentences = []
    for training in TRAINING:
        column = runs[runs["training"] == training].dropna(subset=["test_accuracy"])
        ends = [
            100 * column[column["ingredient"] == name].set_index("seed")["test_accuracy"].astype(float)
            for name in (last, LONGER)
        ]
        found = difference(*ends)
        if found.low == found.low:
            sentences.append(f"{training} by {found.delta:+.2f} ({found.low:.2f} to {found.high:.2f})")
    if not sentences:
        return []
    return [
        f"From {LONGER!r} to {last!r} the ingredients together move the test accuracy of "
        f"{', that of '.join(sentences)} points, with the 95 % interval of the difference, outside the correction of "
        "the table."
    ]


def rates(rungs: list[Rung], tuned: Tuned) -> str:
    """The chosen learning rates in a sentence."""
    chosen = chosen_values(rungs, tuned)
    parts = []
    for name, group in chosen.groupby("ingredient", sort=False):
        held = dict(zip(group["training"], group["candidate"], strict=True))
        parts.append(f"{name}: {', '.join(f'{training} {value}' for training, value in held.items())}")
    return f"Chosen learning rates: {'; '.join(parts)}."


def make_figures(rungs: list[Rung], tuned: Tuned) -> dict:
    """The study's figures by file name."""

    def search(evidence: Evidence):
        title = f"{evidence.title}: validation accuracy by learning rate, the chosen one ringed"
        chosen = chosen_values(rungs, tuned)
        return search_figure(tuned.searched, chosen, "ingredient", "training", "learning rate", title, columns=3)

    return {
        "pairs.png": lambda e: pairs_figure(e.runs, "ingredient", "training", e.title),
        "learning_rates.png": search,
    }


def execute(request: Request) -> Outcome | None:
    """Search, choose, and run what was chosen."""
    rungs, candidates = make_rungs(scaled(request.preset(PRESETS), request.data, request.quick))
    only = select(rungs, request.arguments.only)
    if listed(request, search_rungs(rungs, KEY, candidates)):
        return None
    seeds = 2 if request.quick else request.arguments.seeds
    tuned = tune(rungs, KEY, candidates, request.overrides, seeds, request.out, only, request.workers)
    write_search(request.out, tuned)
    paragraphs = [
        PARAGRAPH,
        *moved(collect(tuned.planned)),
        *search_paragraphs(KEY, candidates, tuned),
        rates(rungs, tuned),
    ]
    options = {
        "across": "training",
        "baseline": {"training": REFERENCE},
        "paragraphs": paragraphs,
        "figures": make_figures(rungs, tuned),
    }
    return Outcome(request.title("Fair ladder"), tuned.rungs, tuned.planned, tuned.finished, options)


def main(words: list[str] | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    return study_main("fair_ladder", study_parser(__doc__, seeds=5), words, execute, HELD)


if __name__ == "__main__":
    sys.exit(main())
