"""The ladder of Geiping et al. 2022: from plain full-batch gradient descent up to SGD, one ingredient a rung.

    python scripts/geiping_ladder.py                       MNIST-1D, 7 rungs x 3 seeds, about 7 minutes on 2 cores
    python scripts/geiping_ladder.py data=fashion_mnist    2000 images, about an hour and a half on 2 cores
    python scripts/geiping_ladder.py data=cifar10          the published settings; days on a GPU
    python scripts/geiping_ladder.py --list data=cifar10   what these settings are
    python scripts/geiping_ladder.py --quick               under a minute, to see that everything runs

What to expect on MNIST-1D: Baseline FB far below SGD, every later rung above it, and FB strong reg. back at SGD's
level. Results go to results/geiping_ladder/<data>/: table.md, table.csv, runs.csv, study.json, ladder.png, curves.png;
scripts/compare.py sets them beside others. A finished run is never computed again, an interrupted one resumes.
"""

import argparse
import sys
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from fbgd.config.schema import Config
from fbgd.errors import ConfigError, nearest
from fbgd.report.plots import curves_figure, ladder_figure
from fbgd.runs.plan import PlannedRun, Published, Rung, plan, select
from fbgd.studies.cli import make_data, run_planned, study_parser
from fbgd.studies.script import Outcome, Request, study_main

BASELINE = "Baseline SGD"
SOURCE = "Geiping et al. 2022, arXiv 2109.14119"
PARAGRAPHS = ("Nothing was selected on the test set.",)
FIGURES = {
    "ladder.png": lambda evidence: ladder_figure(evidence.runs, evidence.table, evidence.title),
    "curves.png": lambda evidence: curves_figure(evidence.curves, list(evidence.table["rung"]), evidence.title),
}


@dataclass(frozen=True)
class Preset:
    """A ladder's sizes. Passes are passes over the training set; rates are peak learning rates.

    Args:
        words: overrides of all rungs: data, model, execution.
        short: budget of the two baselines, with their warm-up and their cosine's horizon.
        long: budget, warm-up and horizon of the other rungs.
        rates: peak learning rate of the baselines, of longer training and clipping, and of the regularised rungs.
        clip: threshold on the global norm of the mean gradient.
        strength: of the gradient penalty, in units of lr / 4.
        blocks: block size of most rungs, and of the strongly regularised ones.
        calls: ``impl.blocks_per_call`` for either block size: fixed where it was measured, so that the sums are taken
            in the same order every time.
    """

    words: tuple[str, ...]
    short: tuple[float, float, float]
    long: tuple[float, float, float]
    rates: tuple[float, float, float] = (0.1, 0.4, 0.8)
    clip: float = 0.25
    strength: float = 0.25
    blocks: tuple[int, int] = (128, 32)
    calls: tuple[int | str, int | str] = ("auto", "auto")


SMALL = Preset(words=(), short=(30, 0.5, 30), long=(210, 28, 280))
PRESETS = {
    "mnist1d": replace(
        SMALL,
        words=(
            "data=mnist1d",
            "data.source.train=2000",
            "data.source.test=4000",
            "model=resnet",
            "record.evaluate_every=10",
        ),
        calls=(1, 64),
    ),
    "fashion_mnist": replace(
        SMALL,
        words=(
            "data=fashion_mnist",
            "data.train_size=2000",
            "model=resnet",
            "record.evaluate_every=15",
            "impl.channels_last=true",
        ),
        calls=(1, 1),
    ),
    "cifar10": Preset(
        words=("data=cifar10", "data.augment=random", "model=resnet18", "record.evaluate_every=10"),
        short=(300, 5, 300),
        long=(3000, 400, 4000),
    ),
}
QUICK = (
    "model=resnet",
    "model.depth=8",
    "model.width=4",
    "data.train_size=64",
    "data.source.test=100",
    "record.evaluate_every=2",
)

# Percent on CIFAR-10's test images, ResNet-18. Unconfirmed values are recalled from the paper's table.
PUBLISHED = {
    ("cifar10", "random"): {
        "Baseline SGD": Published(95.70, 0.11),
        "Baseline FB": Published(75.42, 0.13),
        "FB train longer": Published(87.36, 1.23),
        "FB clipped": Published(93.85, 0.10, confirmed=False),
        "FB regularised": Published(95.36, 0.07, confirmed=False),
        "FB strong reg.": Published(95.67, 0.08),
        "FB in practice": Published(95.91, 0.14, confirmed=False),
    },
    ("cifar10", "none"): {
        "Baseline SGD": Published(84.32, 1.12),
        "FB strong reg.": Published(89.17, 0.24),
    },
}


def ladder(preset: Preset, published: dict[str, Published]) -> list[Rung]:
    """The seven rungs in the sizes of ``preset``."""
    large, small = preset.blocks
    first, second, third = preset.rates

    def budget(passes: tuple[float, float, float], lr: float) -> tuple[str, ...]:
        total, warmup, horizon = passes
        return (
            f"budget.passes={total}",
            f"schedule.warmup={warmup}",
            f"schedule.horizon={horizon}",
            f"optimizer.lr={lr}",
        )

    def full_batch(block_size: int, *regularizers: str, order: str = "fixed") -> tuple[str, ...]:
        calls = preset.calls[block_size == small]
        words = ["regime=full_batch", f"regime.block_size={block_size}", f"regime.order={order}"]
        words.append(f"impl.blocks_per_call={calls}")
        words.append(f"regularizer=[{','.join(regularizers)}]")
        if "gradient_clipping" in regularizers:
            words.append(f"regularizer.gradient_clipping.max_norm={preset.clip}")
        if "gradient_penalty" in regularizers:
            words.append(f"regularizer.gradient_penalty.strength={preset.strength}")
        return tuple(words)

    everything = ("gradient_clipping", "gradient_penalty")
    settings = {
        BASELINE: ("regime=sgd", f"regime.block_size={large}", *budget(preset.short, first)),
        "Baseline FB": (*full_batch(large), *budget(preset.short, first)),
        "FB train longer": (*full_batch(large), *budget(preset.long, second)),
        "FB clipped": (*full_batch(large, "gradient_clipping"), *budget(preset.long, second)),
        "FB regularised": (*full_batch(large, *everything), *budget(preset.long, third)),
        "FB strong reg.": (*full_batch(small, *everything), *budget(preset.long, third)),
        "FB in practice": (*full_batch(small, *everything, order="reshuffle"), *budget(preset.long, third)),
    }
    shared = (*preset.words, "optimizer=sgd", "schedule=cosine")
    return [Rung(name, (*shared, *words), published.get(name)) for name, words in settings.items()]


def choose(data: str, augment: str | None, quick: bool, changed: bool) -> list[Rung]:
    """The rungs for a data set; published values only where nothing was changed about the published setting."""
    if data not in PRESETS:
        raise ConfigError(f"data={data}: the ladder has no preset for it; {nearest(data, PRESETS)}")
    preset = PRESETS[data]
    published = PUBLISHED.get((data, augment or "random"), {})
    if augment is not None:
        preset = replace(preset, words=(*preset.words, f"data.augment={augment}"))
    if quick:
        sizes = [word for word in QUICK if data == "mnist1d" or not word.startswith("data.source")]
        preset = replace(preset, words=(*preset.words, *sizes), short=(2, 0.5, 2), long=(4, 1, 5), blocks=(16, 8))
    return ladder(preset, {} if quick or changed else published)


def setting_row(name: str, config: Config) -> list[str]:
    """What ``--list`` prints of one rung, read back from its composed configuration."""
    clip = config.regularizer.get("gradient_clipping", {}).get("max_norm")
    penalty = config.regularizer.get("gradient_penalty")
    schedule = config.schedule
    return [
        name,
        f"{config.budget.passes:g}",
        f"{config.optimizer.get('lr', 'default')}",
        f"{schedule['warmup']:g}",
        f"{schedule['_target_'].rpartition('.')[2].lower()} over {schedule['horizon']:g}",
        "–" if clip is None else f"{clip:g}",
        "–" if penalty is None else f"{penalty['strength']:g}",
        f"{config.regime.block_size} {config.regime.order}",
        f"{config.regime.blocks_per_step}",
        f"{config.data.augment}",
    ]


def print_settings(rungs: list[Rung], planned: list[PlannedRun]) -> None:
    """The settings of all rungs as a table, with what was published."""
    shown = Table(
        title=f"model: {planned[0].config.model}\noptimizer: {planned[0].config.optimizer}", title_justify="left"
    )
    names = ("rung", "passes", "peak lr", "warm-up", "schedule", "clip", "penalty strength", "blocks", "blocks a step",
             "augment", "published %")  # fmt: skip
    for name in names:
        shown.add_column(name, no_wrap=True)
    for rung, run in zip(rungs, planned, strict=False):
        known = rung.published
        value = (
            "–" if known is None else f"{known.mean:.2f} ± {known.std:.2f}{'' if known.confirmed else ' (recalled)'}"
        )
        shown.add_row(*setting_row(rung.name, run.config), value)
    console = Console()
    console.width = max(console.width, 180)
    console.print(shown)


def execute(request: Request) -> Outcome | None:
    """Run every rung."""
    rungs = choose(request.data, request.arguments.augment, request.quick, changed=bool(request.changed))
    planned = plan(rungs, request.overrides, request.arguments.seeds, request.out)
    only = select(rungs, request.arguments.only)
    if request.arguments.list:
        print_settings(rungs, planned)
        return None
    make_data(planned)
    finished = run_planned(planned, only, request.workers)
    options = {"baseline": {"rung": BASELINE}, "source": SOURCE, "paragraphs": PARAGRAPHS, "figures": FIGURES}
    return Outcome(request.title("Geiping ladder"), rungs, planned, finished, options)


def main(words: list[str] | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    parser = study_parser(__doc__)
    parser.add_argument(
        "--augment",
        metavar="none|random|10x|40x",
        help="the paper's other tables: no augmentation, fresh draws, or a fixed set k times as large "
        "(default: random for cifar10, none for the others)",
    )
    return study_main("geiping_ladder", parser, words, execute, variant=variant)


def variant(arguments: argparse.Namespace) -> str:
    """What ``--augment`` changed, as part of the folder's name."""
    return f"augment-{arguments.augment}" if arguments.augment else ""


if __name__ == "__main__":
    sys.exit(main())
