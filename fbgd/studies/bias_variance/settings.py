"""Which networks are trained on which training sets: the settings of the study, by data set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fbgd.runs.plan import PlannedRun, Rung, run_path
from fbgd.studies.double_descent.presets import PLAIN_SGD, TINY, full_batch
from fbgd.studies.double_descent.settings import Procedure
from fbgd.studies.study import Preset

END, MATCHED = "end", "matched"


@dataclass(frozen=True, kw_only=True)
class NetworkPreset(Preset):
    """Sizes; ``seeds`` are repetitions, each with data of its own.

    Args:
        widths: of the network.
        label_noises: the one that all procedures are compared at, and others for the first procedure alone.
        procedures: ways to train.
        train_size: samples of a training set.
        parts: training sets of a repetition, with nothing in common.
        networks: on each training set, of the procedures that are ``repeated``; the others have one.
        repeated: names of procedures whose variance is split into its sources.
        draws: whether every repetition draws data of its own, which it always does.
    """

    widths: tuple[int, ...]
    label_noises: tuple[float, ...]
    procedures: tuple[Procedure, ...]
    train_size: int
    parts: int = 2
    networks: int = 2
    repeated: tuple[str, ...] = ("SGD", "full batch")
    draws: bool = True

    @property
    def label_noise(self) -> float:
        """The one at which all procedures are compared."""
        return self.label_noises[0]


def rungs(preset: NetworkPreset) -> list[Rung]:
    """Every procedure over the width at the first label noise, and the first one at the others."""
    first = preset.procedures[0]
    settings = [(procedure, preset.label_noise) for procedure in preset.procedures]
    settings += [(first, noise) for noise in preset.label_noises[1:]]
    return [rung(preset, procedure, noise, width) for procedure, noise in settings for width in preset.widths]


def rung(preset: NetworkPreset, procedure: Procedure, noise: float, width: int) -> Rung:
    """One setting, to the end of its budget."""
    words = (
        *preset.words,
        f"data.train_size={preset.train_size}",
        f"data.label_noise={noise:g}",
        f"model.width={width}",
        *procedure.words,
    )
    labels = {"procedure": procedure.name, "width": str(width), "label_noise": f"{noise:g}", "moment": END}
    return Rung(f"{procedure.name}, width {width}, noise {noise:g}", words, labels=labels)


def is_repeated(preset: NetworkPreset, rung: Rung) -> bool:
    """Whether a setting has several networks on each training set."""
    return rung.labels["procedure"] in preset.repeated and rung.labels["label_noise"] == f"{preset.label_noise:g}"


def seeds_of(preset: NetworkPreset, rung: Rung, repetitions: int) -> list[int]:
    """The seeds of a setting's runs: each its own place among repetitions, training sets and networks.

    Networks on different training sets must differ in initial weights and order as well, or what these have in common
    would count as bias.
    """
    every = 1 if is_repeated(preset, rung) else preset.networks
    return list(range(0, repetitions * preset.parts * preset.networks, every))


def place(preset: NetworkPreset, seed: int) -> tuple[int, int, int]:
    """Repetition, training set and network of a seed.

    >>> place(PRESETS["mnist1d"], 7)
    (1, 1, 1)
    """
    training_set, network = divmod(seed, preset.networks)
    return (*divmod(training_set, preset.parts), network)


def with_own_data(planned: Sequence[PlannedRun], preset: NetworkPreset, out: Path) -> list[PlannedRun]:
    """The same runs, each on its part of the data of its repetition.

    ``data.seed``, of the parts and the label noise, and the seed of a generated or split source are moved by the number
    of the repetition.

    Args:
        planned: the runs.
        preset: which says where a seed belongs.
        out: the folder whose ``runs/`` they go to.
    """
    runs = []
    for run in planned:
        repetition, part, _ = place(preset, run.seed)
        data = run.config.data
        source: dict[str, Any] = dict(data.source)
        if "seed" in source:
            source["seed"] += repetition
        own = replace(data, source=source, seed=data.seed + repetition, part=part)
        config = replace(run.config, data=own)
        runs.append(replace(run, config=config, path=run_path(run.rung, config, out)))
    return runs


def quick(preset: NetworkPreset, data: str) -> NetworkPreset:
    """The preset on next to nothing."""
    sizes = ("data.source.train=60", "data.source.test=60") if data == "mnist1d" else ()
    tiny = ("budget.passes=4", "regime.block_size=12", "impl.blocks_per_call=1")
    return replace(
        preset,
        words=(*preset.words, *sizes),
        procedures=tuple(replace(own, words=(*own.words, *tiny)) for own in preset.procedures),
        widths=(2, 4, 8),
        label_noises=preset.label_noises[:2],
        train_size=24,
        seeds=2,
    )


RECORD = ("record.train=true", "record.every=1e6", "record.evaluate_every=1", "record.growth=1.05")
PENALTY = ("regularizer=gradient_penalty", "regularizer.gradient_penalty.strength=1")


def procedures(block: int, size: int, rates: tuple[float, float, float], passes: tuple[int, int, int]):
    """SGD, full batch with and without penalty, and Adam; constant rates, so that a shorter run is a part of a longer.

    Args:
        block: of SGD, Adam and the penalty.
        size: of the training set.
        rates: of SGD, full batch and Adam.
        passes: of the three.
    """
    return (
        Procedure("SGD", (*PLAIN_SGD, f"optimizer.lr={rates[0]:g}", f"budget.passes={passes[0]}")),
        Procedure("full batch", full_batch(rates[1], passes[1], size)),
        Procedure(
            "full batch, penalty", (*full_batch(rates[1], passes[1], 2 * block, *PENALTY), "impl.blocks_per_call=4")
        ),
        Procedure(
            "Adam", ("optimizer=adam", f"optimizer.lr={rates[2]:g}", "schedule=constant", f"budget.passes={passes[2]}")
        ),
    )


def sgd(data: str, *words: str) -> tuple[str, ...]:
    """What all runs on a data set have in common."""
    return (f"data={data}", *words, "model=mlp", "regime=sgd", "regime.block_size=50", *RECORD, *TINY)


PRESETS = {
    "mnist1d": NetworkPreset(
        words=sgd("mnist1d", "data.source.train=800", "data.source.test=2000"),
        seeds=10, widths=(4, 8, 12, 18, 27, 50, 150), label_noises=(0.15, 0.0, 0.3), train_size=400,
        procedures=procedures(50, 400, (0.03, 0.2, 0.005), (75, 300, 60)),
    ),
    "digits": NetworkPreset(
        words=sgd("digits", "model.layers=1"),
        seeds=10, widths=(2, 3, 4, 6, 9, 14, 25, 60), label_noises=(0.2, 0.0, 0.4), train_size=400,
        procedures=procedures(50, 400, (0.05, 0.2, 0.01), (100, 400, 60)),
    ),
    # As published, but for the network, the size and the number of training sets: five parts.
    "fashion_mnist": NetworkPreset(
        words=sgd("fashion_mnist", "model.layers=1"),
        seeds=5, widths=(1, 2, 3, 4, 6, 10, 18, 32, 64, 128), label_noises=(0.2, 0.0, 0.4), train_size=2000, parts=5,
        procedures=procedures(50, 2000, (0.02, 0.1, 0.002), (100, 500, 60)),
    ),
}  # fmt: skip
