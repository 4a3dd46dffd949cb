"""Batch size, learning-rate rule and budget: the settings of the study, by data set."""

from dataclasses import dataclass, replace

from fbgd.runs.plan import Rung
from fbgd.studies.presets import data_words
from fbgd.studies.study import Preset

PASSES, STEPS = "equal passes", "equal steps"
# The learning rate of a batch k times as large is k to this power times as large.
RULES = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}
# The linear rule as it was published: with a warm-up (Goyal et al. 2017), here over this share of the budget.
WARMUP = {"linear": 0.1}
# Of the rescaling that keeps a function.
FACTORS = (4.0, 16.0)
PROBES = (
    "sharpness",
    "keskar_sharpness",
    "adaptive_sharpness",
    "information_criterion",
    "pac_bayes",
    "norms",
)


@dataclass(frozen=True, kw_only=True)
class MinimaPreset(Preset):
    """Sizes.

    Args:
        sizes: of batches, the smallest first; its rate and budget are what the others' are derived from.
        rate: the learning rate of the smallest.
        passes: that the smallest makes.
        probes: look at the end of every run.
        points: of the plane, in each direction.
    """

    sizes: tuple[int, ...]
    rate: float
    passes: float
    probes: tuple[str, ...] = PROBES
    points: int = 25


def rungs(preset: MinimaPreset) -> list[Rung]:
    """The smallest batch, and every larger one with each rule and budget."""
    smallest = preset.sizes[0]
    made = [rung(preset, smallest, "none", PASSES)]
    for budget in (PASSES, STEPS):
        made += [rung(preset, size, rule, budget) for size in preset.sizes[1:] for rule in RULES]
    return made


def rung(preset: MinimaPreset, size: int, rule: str, budget: str) -> Rung:
    """One setting."""
    times = size / preset.sizes[0]
    rate = float(f"{preset.rate * times ** RULES[rule]:.6g}")
    passes = preset.passes * (times if budget == STEPS else 1)
    words = (
        *preset.words,
        f"probe=[{','.join(preset.probes)}]",
        # Only the last step, at which every probe looks.
        *(f"probe.{name}.every=1e6" for name in preset.probes),
        f"regime.block_size={size}",
        f"optimizer.lr={rate:g}",
        f"budget.passes={passes:g}",
        *([f"schedule.warmup={WARMUP[rule] * passes:g}"] if rule in WARMUP else []),
    )
    name = f"batch {size}, {rule}, {budget}"
    return Rung(name, words, labels={"batch": str(size), "rule": rule, "budget": budget})


def quick(preset: MinimaPreset, data: str) -> MinimaPreset:
    """The preset on next to nothing."""
    sizes = ("data.source.train=60", "data.source.test=40") if data == "mnist1d" else ("data.train_size=60",)
    words = (*preset.words, *sizes, "model=mlp", "model.layers=1", "model.width=4", "impl.channels_last=false")
    return replace(preset, words=words, sizes=(10, 30), passes=4, seeds=2, probes=PROBES, points=5)


PLAIN = (
    "regime=sgd",
    "optimizer=sgd",
    "optimizer.momentum=0",
    "optimizer.nesterov=false",
    "optimizer.weight_decay=0",
    "schedule=cosine",
    "record.train=true",
    "record.every=10",
)
ENDS = "record.evaluate_every=1e6"
PRESETS = {
    "mnist1d": MinimaPreset(
        words=("data=mnist1d", "data.source.train=480", "data.source.test=4000", "model=mlp", "model.layers=1",
               "model.width=16", *PLAIN, ENDS, "impl.blocks_per_call=1"),
        seeds=10, sizes=(20, 80, 240), rate=0.25, passes=80,
    ),
    # As published: a small batch, and a tenth of the data; no dense Hessian of eleven million parameters.
    "cifar10": MinimaPreset(
        words=(*data_words("cifar10", 1e6, validation=False), "model.norm=batch", *PLAIN),
        seeds=5, sizes=(250, 5000), rate=0.1, passes=100,
        probes=tuple(name for name in PROBES if name != "information_criterion"),
    ),
}  # fmt: skip
