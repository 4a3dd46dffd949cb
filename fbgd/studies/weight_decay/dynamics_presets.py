"""The sizes of the figure ``overparameterised`` by data set, and their ``--quick`` form."""

from dataclasses import replace

from fbgd.studies.weight_decay.dynamics_settings import FULL_BATCH, SGD, DynamicsSizes

# The learning rate is constant, then a tenth, then a hundredth of it.
SHARED = (
    "optimizer=sgd",
    "optimizer.nesterov=false",
    "optimizer.momentum=0",
    "schedule=step",
    "schedule.milestones=[0.7,0.9]",
    "record.evaluate_every=1",
    "record.growth=1.15",
)
PRESETS: dict[str, DynamicsSizes] = {
    "mnist1d": DynamicsSizes(
        words=(
            "data=mnist1d",
            "data.source.train=1000",
            "data.source.test=4000",
            "data.validation_size=500",
            "model=resnet",
            "impl.blocks_per_call=1",
            *SHARED,
        ),
        regimes={
            SGD: ("regime=sgd", "regime.block_size=50", "budget.passes=100"),
            FULL_BATCH: (
                "regime=full_batch",
                "regime.block_size=50",
                "impl.blocks_per_call=10",
                "budget.passes=400",
            ),
        },
        small={SGD: 0.1, FULL_BATCH: 0.3},
        large={SGD: 1.0, FULL_BATCH: 2.0},
        rates=(0.1, 0.3, 1.0, 3.0),
        decays=(3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        seeds=10,
    ),
}


def quick(sizes: DynamicsSizes, data: str) -> DynamicsSizes:
    """The sizes of ``--quick``: few passes on next to nothing."""
    tiny = ("data.source.train=60", "data.source.test=100", "data.validation_size=20", "model.width=2")
    blocks = ("regime.block_size=10", "impl.blocks_per_call=1", "budget.passes=4")
    return replace(
        sizes,
        words=(*sizes.words, *tiny),
        regimes={name: (*words, *blocks) for name, words in sizes.regimes.items()},
        small=dict.fromkeys(sizes.regimes, 0.1),
        large=dict.fromkeys(sizes.regimes, 1.0),
        rates=(0.1, 1.0),
        decays=(1e-3, 1e-1),
        seeds=2,
    )
