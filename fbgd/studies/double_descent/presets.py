"""The sizes of every data set and model: small ones that were run on a CPU, and the published ones for a GPU."""

from dataclasses import replace
from typing import Any

import numpy as np

from fbgd.studies.double_descent.settings import Procedure, Reference, Sizes

RECORD = ("record.evaluate_every=1", "record.growth=1.05", "record.train=true")
# Of networks that small a step is mostly overhead, which seeds trained together share.
TINY = ("impl.blocks_per_call=1", "impl.seeds_together=auto")
PLAIN_SGD = ("optimizer=sgd", "optimizer.nesterov=false", "optimizer.weight_decay=0", "schedule=constant")


def full_batch(lr: float, passes: int, block_size: int, *penalty: str) -> tuple[str, ...]:
    """Full-batch descent; without batch norm the blocks change nothing but the penalty, which is taken on each."""
    words = ("regime=full_batch", "regime.order=fixed", f"regime.block_size={block_size}", *PLAIN_SGD)
    return (*words, f"optimizer.lr={lr:g}", f"budget.passes={passes}", *penalty)


# The double-descent notebook of MNIST-1D (Greydanus & Kobak 2024).
MNIST1D = (
    "data=mnist1d",
    "data.source.train=4000",
    "data.source.test=12000",
    "data.label_noise_over=all",
    "regime=sgd",
    "regime.block_size=100",
    "budget.passes=500",
    *TINY,
    *RECORD,
)
NOTEBOOK_SGD = Procedure("SGD", (*PLAIN_SGD, "optimizer.lr=0.01"))
NOTEBOOK = "the double-descent notebook of MNIST-1D (Greydanus & Kobak 2024)"
# After the standard one in the stochasticity figure; the full-batch runs take larger steps, and longer to interpolate.
NOTEBOOK_PROCEDURES = (
    Procedure("full batch", full_batch(0.2, 1000, 4000)),
    Procedure(
        "full batch, penalty",
        (
            *full_batch(0.2, 1000, 100, "regularizer=gradient_penalty", "regularizer.gradient_penalty.strength=1"),
            "impl.blocks_per_call=40",
        ),
    ),
    Procedure("Adam", ("optimizer=adam", "optimizer.lr=0.001", "schedule=constant")),
)
# h of the notebook: whole numbers of a geometric sequence.
NOTEBOOK_WIDTHS = tuple(int(width) for width in np.unique(np.geomspace(2, 300, 20).astype(int)))
MLP = Sizes(
    variant="mlp",
    words=(*MNIST1D, "model=mlp"),
    standard=NOTEBOOK_SGD,
    widths=NOTEBOOK_WIDTHS,
    few_widths=(4, 9, 16, 21, 27, 36, 47, 61, 80, 135, 300),
    three_widths=(9, 47, 300),
    label_noises=(0.15, 0.0),
    train_size=4000,
    train_sizes=(500, 700, 1000, 1400, 2000, 2800, 4000),
    smallest=125,
    weight_decays=(1e-3, 3e-3, 1e-2),
    procedures=NOTEBOOK_PROCEDURES,
    seeds=5,
    references=(
        Reference(NOTEBOOK, 0.15, (16, 0.472), (47, 0.5405), (300, 0.455)),
        Reference(NOTEBOOK, 0.0, None, None, (300, 0.373)),
    ),
)

# By data set, then by model; the first is the data set's usual one.
MODELS: dict[str, dict[str, Sizes]] = {
    "mnist1d": {
        "mlp": MLP,
        "strided_cnn": replace(
            MLP,
            variant="strided_cnn",
            words=(*MNIST1D, "model=strided_cnn"),
            widths=(2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 30, 40, 60, 100),
            few_widths=(4, 8, 12, 18, 24, 40, 100),
            three_widths=(6, 18, 100),
            references=(Reference(NOTEBOOK, 0.15, (10, 0.196), (18, 0.338), (100, 0.277)),),
        ),
    },
    "fashion_mnist": {
        "mlp": replace(
            MLP,
            words=(
                "data=fashion_mnist",
                "model=mlp",
                "model.layers=1",
                "regime=sgd",
                "regime.block_size=100",
                "budget.passes=500",
                *TINY,
                *RECORD,
            ),
            widths=(1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 128, 256),
            few_widths=(2, 4, 8, 16, 32, 64, 256),
            three_widths=(3, 16, 256),
            label_noises=(0.2, 0.0),
            references=(),
        ),
    },
}


def published(data: str) -> dict[str, Sizes]:
    """Nakkiran et al. 2019: the pre-activation ResNet-18 with Adam, and the 5-layer CNN with SGD, on CIFAR."""
    shared = (f"data={data}", "regime=sgd", "regime.block_size=128", *RECORD)
    # 512 steps of 391 a pass; 500,000 steps.
    decay = ("schedule=inverse_sqrt", f"schedule.period={512 / 391!r}", f"budget.passes={round(500_000 / 391)}")
    sgd = Procedure("SGD", (*PLAIN_SGD[:3], "optimizer.lr=0.1", "optimizer.momentum=0", *decay))
    adam = Procedure("Adam", ("optimizer=adam", "optimizer.lr=0.0001", "schedule=constant", "budget.passes=4000"))
    penalty = ("regularizer=gradient_penalty", "regularizer.gradient_penalty.strength=1")
    batch = Procedure("full batch", full_batch(0.1, 4000, 128))
    penalised = Procedure("full batch, penalty", full_batch(0.1, 4000, 128, *penalty))
    resnet = Sizes(
        variant="preact_resnet18",
        words=(*shared, "model=preact_resnet18"),
        standard=adam,
        widths=(*range(1, 16), 16, 18, 20, 24, 28, 32, 40, 48, 56, 64),
        few_widths=(2, 4, 7, 10, 14, 20, 32, 64),
        three_widths=(3, 12, 64),
        label_noises=(0.15, 0.2, 0.1, 0.0),
        train_size=50_000,
        train_sizes=(6250, 12_500, 25_000, 50_000),
        smallest=1000,
        weight_decays=(1e-4, 3e-4, 1e-3, 3e-3),
        procedures=(sgd, batch, penalised),
        seeds=5,
    )
    cnn = replace(
        resnet,
        variant="cnn5",
        words=(*shared, "model=cnn5"),
        standard=sgd,
        procedures=(adam, batch, penalised),
        label_noises=(0.2, 0.1, 0.0),
    )
    return {"preact_resnet18": resnet, "cnn5": cnn}


MODELS |= {data: published(data) for data in ("cifar10", "cifar100")}


def translated(data: str, *, steps: int, warmup_steps: int, block_size: int, lr: float, **sizes) -> Sizes:
    """The Transformer of Nakkiran et al. 2019: Adam, label smoothing 0.1, no dropout, a fixed number of steps."""
    words = (f"data={data}", "model=transformer", "regime=sgd", "regularizer=label_smoothing", *RECORD)
    adam = ("optimizer=adam", f"optimizer.lr={lr:g}", "optimizer.betas=[0.9,0.98]", "schedule=noam")
    options: dict[str, Any] = {
        "variant": "transformer",
        "words": (*words, *sizes.pop("words", ())),
        "standard": Procedure("Adam", adam),
        "few_widths": (),
        "three_widths": (0, 0, 0),
        "label_noises": (0.0,),
    }
    return Sizes(**options, **sizes, steps=steps, warmup_steps=warmup_steps, block_size=block_size)


def published_translation(data: str, *train_sizes: int) -> Sizes:
    """Six layers, 80,000 steps of about 4096 tokens: 160 sentences each."""
    return translated(
        data,
        steps=80_000,
        warmup_steps=4000,
        block_size=160,
        lr=5e-4,
        words=("impl.evaluation_batch=100",),
        widths=(8, 16, 24, 32, 48, 56, 64, 80, 96, 128, 192, 256, 384, 512),
        train_size=train_sizes[-1],
        train_sizes=train_sizes,
    )


TRANSLATION_MODELS: dict[str, dict[str, Sizes]] = {
    "catalogues": {
        "transformer": translated(
            "catalogues",
            steps=800,
            warmup_steps=80,
            block_size=32,
            lr=0.005,
            words=(
                "data.source.max_tokens=20",
                "data.source.vocabulary=600",
                "model.layers=2",
                "record.growth=1.3",
                "impl.blocks_per_call=1",
            ),
            widths=(8, 16, 24, 32, 48, 96),
            train_size=580,
            train_sizes=(145, 580),
        )
    },
    "iwslt14": {"transformer": published_translation("iwslt14", 4000, 18_000)},
    "wmt14": {"transformer": published_translation("wmt14", 50_000, 200_000)},
}


def usual(models: dict[str, dict[str, Sizes]]) -> dict[str, Sizes]:
    """Every data set with its usual model."""
    return {data: next(iter(sizes.values())) for data, sizes in models.items()}


PRESETS, TRANSLATION = usual(MODELS), usual(TRANSLATION_MODELS)
