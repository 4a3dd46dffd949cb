"""What the figure ``sharpness`` is made of: ways of training, their learning rates, and what their edge is."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from fbgd.runs.plan import Rung
from fbgd.studies.study import Preset

PLAIN = ("momentum=0", "nesterov=false", "weight_decay=0")
DESCENT = ("optimizer=sgd", *(f"optimizer.{word}" for word in PLAIN))
MOMENTUM = ("optimizer=sgd", "optimizer.momentum=0.9", "optimizer.weight_decay=0")
GD, CLIPPED, PENALISED, SAM = "GD", "clipped GD", "penalised GD", "SAM"
CROSS_ENTROPY = "GD, cross-entropy"
CLIP, STRENGTH = 0.1, 1.0
RATES = (0.2, 0.3, 0.5)


def of_optimizer(rows: pd.DataFrame) -> pd.Series:
    """The sharpness over the optimizer's own threshold, as the probe gives them."""
    return rows["preconditioned/ratio"]


def of_descent(rows: pd.DataFrame) -> pd.Series:
    """The sharpness over 2 / h."""
    return rows["preconditioned/sharpness"] * rows["learning_rate"] / 2


def of_clipped(rows: pd.DataFrame) -> pd.Series:
    r"""The sharpness over :math:`2 / h'` with the rate that clipping leaves, :math:`h' = h \min(1, c / |g|)`."""
    effective = (CLIP / rows["gradient_sharpness/gradient_norm"]).clip(upper=1)
    return rows["preconditioned/ratio"] * effective


def of_penalised(rows: pd.DataFrame) -> pd.Series:
    r"""The sharpness over the one at which the penalised objective of a quadratic has the curvature 2 / h.

    Its curvature is :math:`\lambda + 2 c \lambda^2` with :math:`c = s h / 4`, so
    :math:`h \lambda + \tfrac{s}{2} (h \lambda)^2 = 2` and :math:`h \lambda = (\sqrt{1 + 4 s} - 1) / s`.
    """
    return rows["preconditioned/ratio"] * 2 / penalised_edge(STRENGTH)


def penalised_edge(strength: float) -> float:
    """The learning rate times the sharpness at the edge of a penalised quadratic; 2 without a penalty.

    >>> round(penalised_edge(1.0), 3)
    1.236
    """
    return (math.sqrt(1 + 4 * strength) - 1) / strength


def of_batches(rows: pd.DataFrame) -> pd.Series:
    """The batch sharpness over 2 / h."""
    return rows["batch_sharpness/batch_sharpness"] * rows["learning_rate"] / 2


@dataclass(frozen=True)
class Method:
    """A way of training.

    Args:
        name: in tables and figures.
        words: of its runs.
        rates: learning rates.
        ratio: from recorded rows to what is measured over its own edge, 1 at the edge.
        plain: to the sharpness over the threshold of the optimizer alone, without what acts beside it.
        passes: its budget.
        blocks: steps a pass; 1 for full batch.
        probes: those beside the sharpness in the optimizer's metric.
        margin: how far from 1 is still at the edge; 0: it is not expected to stay there.
    """

    name: str
    words: tuple[str, ...]
    rates: tuple[float, ...]
    ratio: Callable[[pd.DataFrame], pd.Series] = of_optimizer
    plain: Callable[[pd.DataFrame], pd.Series] = of_optimizer
    passes: float = 600
    blocks: int = 1
    probes: tuple[str, ...] = ()
    margin: float = 0.1


def sgd(blocks: int, rates: tuple[float, ...], passes: float) -> Method:
    """SGD without momentum with so many steps a pass."""
    name = f"SGD, {blocks} blocks"
    return Method(name, (*DESCENT, "regime=sgd"), rates, of_batches, of_optimizer, passes, blocks, ("batch_sharpness",))


SAM_WORDS = ("optimizer=sam", "optimizer.rho=0.05", *(f"optimizer.base.{word}" for word in PLAIN))
CLIP_WORDS = ("regularizer=gradient_clipping", f"regularizer.gradient_clipping.max_norm={CLIP:g}")
PENALTY_WORDS = ("regularizer=gradient_penalty", f"regularizer.gradient_penalty.strength={STRENGTH:g}")
METHODS = (
    Method(GD, DESCENT, RATES, passes=3000, margin=0.05),
    Method("heavy ball", (*MOMENTUM, "optimizer.nesterov=false"), (0.18, 0.2, 0.25), passes=500),
    Method("Nesterov", MOMENTUM, (0.075, 0.1, 0.125), passes=500),
    Method("Adam", ("optimizer=adam",), (0.003, 0.005, 0.01), passes=400),
    sgd(5, (0.5, 0.65, 0.8), 400),
    Method(CLIPPED, (*DESCENT, *CLIP_WORDS), RATES, of_clipped, probes=("gradient_sharpness",)),
    Method(PENALISED, (*DESCENT, *PENALTY_WORDS), RATES, of_penalised),
    Method(SAM, SAM_WORDS, RATES, plain=of_descent),
    Method("RMSprop", ("optimizer=rmsprop",), (0.0003, 0.0005, 0.001), passes=500),
    Method(CROSS_ENTROPY, (*DESCENT, "objective=cross_entropy"), (0.25, 0.5, 1.0), passes=400, margin=0),
    sgd(2, (0.4, 0.5, 0.65), 600),
)


@dataclass(frozen=True, kw_only=True)
class EdgePreset(Preset):
    """What the figure is made of.

    Args:
        methods: all ways of training.
        samples: of the training set.
        looks: of every run, evenly spaced.
    """

    methods: tuple[Method, ...]
    samples: int
    looks: int = 25

    def rungs(self) -> list[Rung]:
        """Every method at each of its rates."""
        return [self.rung(method, rate) for method in self.methods for rate in method.rates]

    def rung(self, method: Method, rate: float) -> Rung:
        """One of them."""
        every = method.passes / self.looks
        probes = ("preconditioned", *method.probes)
        words = (
            *self.words,
            # A method's own objective comes after the one of all.
            *method.words,
            *(() if "regime=sgd" in method.words else ("regime=full_batch",)),
            f"regime.block_size={-(-self.samples // method.blocks)}",
            f"optimizer.lr={rate:g}",
            "schedule=constant",
            f"budget.passes={method.passes:g}",
            f"record.every={every:g}",
            f"record.evaluate_every={method.passes:g}",
            f"probe=[{','.join(probes)}]",
            *(f"probe.{probe}.every={every:g}" for probe in probes),
        )
        return Rung(f"{method.name}, rate {rate:g}", words, labels={"method": method.name, "rate": f"{rate:g}"})

    def quick(self) -> "EdgePreset":
        """Four passes of every method at one of its rates."""
        methods = tuple(replace(method, passes=4, rates=method.rates[-1:]) for method in self.methods)
        tiny = ("data.source.train=100", "data.source.test=100") if "data=mnist1d" in self.words else ()
        words = (*self.words, *tiny, "data.train_size=40", "model.width=4")
        return replace(self, methods=methods, samples=40, looks=4, words=words, seeds=1)


NETWORK = ("model=mlp", "model.activation=tanh", "objective=mse")


@dataclass(frozen=True, kw_only=True)
class TracedPreset(Preset):
    """Descent in double precision on all samples in one block, of which no run is kept.

    Args:
        rates: learning rates of descent.
        looks: at the trajectories, evenly spaced.
        samples: of the training set.
    """

    rates: tuple[float, ...]
    looks: int
    samples: int

    @property
    def all_words(self) -> tuple[str, ...]:
        """Those of every trajectory."""
        return (*self.words, *NETWORK, "precision=fp64", "regime=full_batch", f"regime.block_size={self.samples}",
                "impl.threads=1", "impl.blocks_per_call=1")  # fmt: skip


def traced_rungs(preset: TracedPreset) -> list[Rung]:
    """What is followed: for ``--list``."""
    return [Rung(f"descent, rate {rate:g}", (*preset.all_words, f"optimizer.lr={rate:g}")) for rate in preset.rates]


# One thread and one block a call: so small a network gains from neither.
SMALL = ("impl.threads=1", "impl.blocks_per_call=1")
# The published network and data: fully connected, two layers of 200, tanh, squared error, 5000 images; rates and
# budgets of descent are those of its figures, in passes.
PUBLISHED_RATES = (0.01, 0.02, 0.04)
PRESETS = {
    "mnist1d": EdgePreset(
        words=("data=mnist1d", "data.source.train=500", "data.source.test=500", *NETWORK, "model.width=60", *SMALL),
        methods=METHODS,
        samples=500,
        seeds=10,
    ),
    "cifar10": EdgePreset(
        words=("data=cifar10", "data.train_size=5000", *NETWORK, "model.width=200"),
        methods=tuple(
            replace(method, passes=10 * method.passes, rates=PUBLISHED_RATES)
            if method.name in (GD, SAM, CLIPPED, PENALISED)
            else replace(method, passes=10 * method.passes)
            for method in METHODS
        ),
        samples=5000,
        looks=200,
        seeds=3,
    ),
}
