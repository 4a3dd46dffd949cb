"""What the figure ``strength`` is made of: a way of training, its learning rate, and an explicit penalty."""

from dataclasses import dataclass, replace

from fbgd.runs.plan import Rung
from fbgd.studies.presets import quick_words
from fbgd.studies.study import Preset

LARGE, SMALL = "large rate", "small rate"
GD, SGD = "GD", "SGD"
SHARED = (
    "optimizer=sgd",
    "optimizer.momentum=0",
    "optimizer.nesterov=false",
    "optimizer.weight_decay=0",
    "schedule=constant",
)


@dataclass(frozen=True)
class Training:
    """A way of training with a large learning rate, and what is to do the same with a small one.

    Args:
        regime: words of the large rate's regime.
        block_size: samples of a block: of a step of SGD, and of what is penalised.
        steps: steps in a pass with the large rate.
        rates: large learning rates to choose from, ascending.
        ratio: of the large rate to the small one in the same regime.
        explicit: of the large rate to that of the full-batch runs with a penalty.
        time: learning rate times steps, the same for all runs.
        strengths: of the explicit penalty in units of what the theory says, h_large / 4; the first is 0.
    """

    regime: tuple[str, ...]
    block_size: int
    steps: int
    rates: tuple[float, ...]
    ratio: float
    explicit: float
    time: float
    strengths: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, kw_only=True)
class StrengthSizes(Preset):
    """Sizes of the study.

    Args:
        trainings: by name.
    """

    trainings: dict[str, Training]


def large(sizes: StrengthSizes, name: str, rate: float) -> Rung:
    """A large learning rate without a penalty."""
    return rung(sizes, name, rate, LARGE, rate, sizes.trainings[name].regime, sizes.trainings[name].steps)


def compared(sizes: StrengthSizes, name: str, rate: float) -> list[Rung]:
    """What a large learning rate is compared with: itself, a small rate, and a small rate in full batch with penalties.

    The penalty's coefficient is to be s h_large / 4. That of the regulariser is strength * h_small / 4, so its strength
    is s h_large / h_small. The part h_small / 4 that small steps bring along themselves is added to it.
    """
    own = sizes.trainings[name]
    found = [large(sizes, name, rate)]
    if own.steps > 1:
        found.append(rung(sizes, name, rate, SMALL, rate / own.ratio, own.regime, own.steps))
    for strength in own.strengths:
        scaled = f"regularizer.gradient_penalty.strength={strength * own.explicit:g}"
        words = ("regularizer=[gradient_penalty]", scaled) if strength else ()
        penalised = ("regime=full_batch", *words)
        found.append(rung(sizes, name, rate, f"{strength:g}", rate / own.explicit, penalised, 1))
    return found


def rung(
    sizes: StrengthSizes, name: str, large_rate: float, setting: str, rate: float, words: tuple[str, ...], steps: int
) -> Rung:
    """A run of ``sizes.time`` with a learning rate: ``time / rate`` steps, ``steps`` of them in a pass."""
    passes = sizes.trainings[name].time / rate / steps
    size = f"regime.block_size={sizes.trainings[name].block_size}"
    labels = {"training": name, "large rate": f"{large_rate:g}", "setting": setting}
    title = f"{name}, large rate {large_rate:g}, {'penalty ' * setting[0].isdigit()}{setting}"
    # Rows of every pass would take as long as the steps.
    moments = (f"budget.passes={passes:g}", f"record.evaluate_every={passes:g}", f"record.every={passes / 20:g}")
    return Rung(title, (*sizes.words, *words, size, f"optimizer.lr={rate:g}", *moments), labels=labels)


PRESETS: dict[str, StrengthSizes] = {
    "mnist1d": StrengthSizes(
        words=(
            "data=mnist1d",
            "data.source.train=1000",
            "data.source.test=4000",
            "data.validation_size=500",
            "model=mlp",
            "model.width=50",
            # The network is small: a second thread would only wait for the first.
            "impl.threads=1",
            "impl.blocks_per_call=20",
            *SHARED,
        ),
        seeds=10,
        trainings={
            SGD: Training(("regime=sgd",), 25, 20, (0.1, 0.2, 0.4, 0.8), 4, 2, 200),
            GD: Training(("regime=full_batch",), 500, 1, (0.4, 0.8, 1.6, 3.2), 8, 8, 200),
        },
    ),
    # As in an appendix of Smith et al. 2021: a network on 10000 images, for a GPU.
    "fashion_mnist": StrengthSizes(
        words=(
            "data=fashion_mnist",
            "data.train_size=12000",
            "data.validation_size=2000",
            "model=mlp",
            "model.width=500",
            *SHARED,
        ),
        seeds=10,
        trainings={
            SGD: Training(("regime=sgd",), 50, 200, (0.1, 0.2, 0.4, 0.8), 8, 4, 1000),
            GD: Training(("regime=full_batch",), 10000, 1, (0.2, 0.4, 0.8, 1.6), 8, 8, 1000),
        },
    ),
}


def quick(sizes: StrengthSizes, data: str) -> StrengthSizes:
    """The sizes of ``--quick``: two rates, three strengths, a few steps on next to nothing."""
    tiny = [word for word in quick_words(data) if not word.startswith("model=")]
    return replace(
        sizes,
        words=(*sizes.words, *tiny, "data.train_size=64", "data.validation_size=16", "impl.blocks_per_call=1"),
        seeds=2,
        trainings={
            SGD: Training(("regime=sgd",), 12, 4, (0.1, 0.2), 2, 2, 1.6, (0.0, 1.0, 4.0)),
            GD: Training(("regime=full_batch",), 48, 1, (0.1, 0.2), 2, 2, 1.6, (0.0, 1.0, 4.0)),
        },
    )
