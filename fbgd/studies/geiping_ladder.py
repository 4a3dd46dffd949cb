"""The ladder of Geiping et al. 2022: from plain full-batch gradient descent up to SGD, one ingredient a rung.

    python scripts/geiping_ladder.py                       MNIST-1D, 7 rungs x 3 seeds, about 7 minutes on 2 cores
    python scripts/geiping_ladder.py data=fashion_mnist    2000 images, about an hour and a half on 2 cores
    python scripts/geiping_ladder.py data=cifar10          the published settings; days on a GPU
    python scripts/geiping_ladder.py --list data=cifar10   what these settings are
    python scripts/geiping_ladder.py --quick               under a minute, to see that everything runs

What to expect on MNIST-1D: Baseline FB far below SGD, every later rung above it, and FB strong reg. near SGD.
Results go to results/geiping_ladder/<data>/: table.md with the claims, table.csv, runs.csv, study.json,
ladder.png, curves.png; scripts/compare.py sets them beside others. A finished run is never computed again, an
interrupted one resumes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fbgd.report.claims import Claim, Rule, higher, lower, within
from fbgd.report.group_plots import ladder_figure
from fbgd.report.plots import curves_figure
from fbgd.runs.plan import Published, Rung
from fbgd.studies.catalogue import AUGMENT, BUDGET
from fbgd.studies.differences import accuracy_difference
from fbgd.studies.presets import data_words, ingredient_words, share_of
from fbgd.studies.study import Option, Preset, Study

BASELINE = "Baseline SGD"
# Percent on CIFAR-10's test images, ResNet-18. Unconfirmed values are recalled from the paper's table.
PUBLISHED = {
    "Baseline SGD": Published(95.70, 0.11),
    "Baseline FB": Published(75.42, 0.13),
    "FB train longer": Published(87.36, 1.23),
    "FB clipped": Published(93.85, 0.10, confirmed=False),
    "FB regularised": Published(95.36, 0.07, confirmed=False),
    "FB strong reg.": Published(95.67, 0.08),
    "FB in practice": Published(95.91, 0.14, confirmed=False),
}
PUBLISHED_WITHOUT_AUGMENTATION = {"Baseline SGD": Published(84.32, 1.12), "FB strong reg.": Published(89.17, 0.24)}


@dataclass(frozen=True, kw_only=True)
class LadderPreset(Preset):
    """A ladder's sizes. Passes are passes over the training set; rates are peak learning rates.

    Args:
        short: budget of the two baselines, with their warm-up and their cosine's horizon.
        long: budget, warm-up and horizon of the other rungs.
        rates: peak learning rate of the baselines, of longer training and clipping, and of the regularised rungs.
        clip: threshold on the global norm of the mean gradient.
        strength: of the gradient penalty, in units of lr / 4.
        blocks: block size of most rungs, and of the strongly regularised ones.
        calls: ``impl.blocks_per_call`` for either block size: fixed where it was measured, so that the sums are taken
            in the same order every time.
        accuracies: published values by rung.
    """

    short: tuple[float, float, float] = (30, 0.5, 30)
    long: tuple[float, float, float] = (210, 28, 280)
    rates: tuple[float, float, float] = (0.1, 0.4, 0.8)
    clip: float = 0.25
    strength: float = 0.25
    blocks: tuple[int, int] = (128, 32)
    calls: tuple[int | str, int | str] = ("auto", "auto")
    accuracies: Mapping[str, Published] = field(default_factory=dict)


# As in the published code. There every cosine, also that of the baselines over 300 passes, is chained to the warm-up
# and begins at its end; so the rate of the baselines ends at 0.1 % of the peak, where one counted from pass 0 ends at
# 0.003 %. The two differ by at most 1.5 % of the peak in the baselines, and by 9.6 % in the other rungs.
PUBLISHED_SETTINGS = ("data.augment=random", "model.shortcut=pool", "schedule.horizon_from=warmup")
PRESETS = {
    "mnist1d": LadderPreset(words=data_words("mnist1d", 10, validation=False), calls=(1, 64)),
    "fashion_mnist": LadderPreset(words=data_words("fashion_mnist", 15, validation=False), calls=(1, 1)),
    "cifar10": LadderPreset(
        words=(*data_words("cifar10", 10, validation=False), *PUBLISHED_SETTINGS),
        short=(300, 5, 300),
        long=(3000, 400, 4000),
        accuracies=PUBLISHED,
    ),
}


def rungs(preset: LadderPreset) -> list[Rung]:
    """The seven rungs in the sizes of ``preset``."""
    large, small = preset.blocks
    first, second, third = preset.rates

    def budget(passes: tuple[float, float, float], lr: float) -> tuple[str, ...]:
        total, warmup, horizon = passes
        return (f"budget.passes={total:.10g}", f"schedule.warmup={warmup:.10g}", f"schedule.horizon={horizon:.10g}",
                f"optimizer.lr={lr}")  # fmt: skip

    def full_batch(block_size: int, *regularizers: str, order: str = "fixed") -> tuple[str, ...]:
        calls = preset.calls[block_size == small]
        words = ("regime=full_batch", f"regime.block_size={block_size}", f"regime.order={order}")
        ingredients = ingredient_words(regularizers, preset.clip, preset.strength)
        return (*words, f"impl.blocks_per_call={calls}", *ingredients)

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
    return [Rung(name, (*shared, *words), preset.accuracies.get(name)) for name, words in settings.items()]


def quick(preset: LadderPreset, data: str) -> LadderPreset:
    """The preset on next to nothing."""
    sizes = ("model=resnet", "model.depth=8", "model.width=4", "data.train_size=64", "record.evaluate_every=2",
             "impl.channels_last=false")  # fmt: skip
    test = ("data.source.test=100",) if data == "mnist1d" else ()
    words = (*preset.words, *sizes, *test)
    return replace(preset, words=words, short=(2, 0.5, 2), long=(4, 1, 5), blocks=(16, 8), accuracies={})


def augmented(data: str, preset: LadderPreset, augment: str | None) -> LadderPreset:
    """The preset of the paper's other tables."""
    if augment is None:
        return preset
    accuracies = {"random": preset.accuracies, "none": PUBLISHED_WITHOUT_AUGMENTATION if data == "cifar10" else {}}
    words = (*preset.words, f"data.augment={augment}")
    return replace(preset, words=words, variant=f"augment-{augment}", accuracies=accuracies.get(augment, {}))


def shortened(data: str, preset: LadderPreset, budget: str | None) -> LadderPreset:
    """The preset with a share of all passes, warm-ups and horizons; published values are not of such a ladder."""
    if budget is None:
        return preset
    share = share_of(budget)
    short, long = ((share * a, share * b, share * c) for a, b, c in (preset.short, preset.long))
    variant = "_".join(filter(None, [preset.variant, f"budget-{share:g}"]))
    return replace(preset, short=short, long=long, variant=variant, accuracies={})


def change(name: str, sentence: str, left: str, right: str, rule: Rule = higher) -> Claim:
    """A claim about the difference of two rungs, with what the published values say about it."""
    values = [PUBLISHED[rung] for rung in (left, right)]
    recalled = "" if all(value.confirmed for value in values) else ", recalled"
    published = f"{values[0].mean - values[1].mean:+.2f} (CIFAR-10{recalled})"
    estimates = accuracy_difference({"rung": left}, {"rung": right})
    return Claim(name, sentence, "difference in test accuracy, points", estimates, rule, published)


RUNGS = (
    "Rungs: SGD takes one block a step in a new order every pass, FB (full batch) all blocks, in a fixed order; the "
    "baselines train briefly. Train longer: more passes, a longer warm-up, a larger rate. Clipped: also the norm of "
    "the mean gradient is bounded. Regularised: also a penalty on the norms of the blocks' gradients, and a larger "
    "rate. Strong reg.: the same with small blocks. In practice: also a new order every pass."
)
CLAIMS = (
    change("full batch falls short", "Trained as briefly as SGD, full batch is worse.", "Baseline FB", BASELINE, lower),
    change("longer", "Longer training, warm-up and a larger rate lift it.", "FB train longer", "Baseline FB"),
    change("clipping", "Clipping lifts it further.", "FB clipped", "FB train longer"),
    change("penalty", "The penalty and a larger rate lift it further.", "FB regularised", "FB clipped"),
    change("small blocks", "Small blocks lift it further.", "FB strong reg.", "FB regularised"),
    change("level with SGD", "FB strong reg. is level with SGD, to a point.", "FB strong reg.", BASELINE, within(1)),
    change("in practice", "Reshuffled as well, it is better than SGD.", "FB in practice", BASELINE),
)
STUDY = Study(
    name="geiping_ladder",
    title="Geiping ladder",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    baseline={"rung": BASELINE},
    source="Geiping et al. 2022, arXiv 2109.14119",
    paragraphs=(RUNGS, "Nothing was selected on the test set."),
    options=(Option(*AUGMENT, augmented), Option(*BUDGET, shortened)),
    figures={
        "ladder.png": lambda evidence: ladder_figure(evidence.runs, evidence.table, evidence.title),
        "curves.png": lambda evidence: curves_figure(evidence.curves, list(evidence.table["rung"]), evidence.title),
    },
    claims=CLAIMS,
)
