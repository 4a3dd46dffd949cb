"""The sizes of the figure ``map`` by data set, and their ``--quick`` form."""

from dataclasses import replace

from fbgd.studies.weight_decay.prior_settings import PriorSizes

# In float64, so that a minimiser is one to the last digits.
WORDS = (
    "regime=full_batch",
    "precision=fp64",
    "impl.blocks_per_call=1",
    "impl.checkpoint_seconds=600",
    "record.evaluate_every=100",
)
PRESETS: dict[str, PriorSizes] = {
    "digits": PriorSizes(
        words=("data=digits", "data.source.test=597", "data.validation_size=300", *WORDS),
        mlp=("model.width=50",),
        train_sizes=(50, 100, 200, 400, 900),
        precisions=(0.0, 0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0),
        held_precision=10.0,
        held_sizes=(100, 400),
        solves=15,
        passes=2000,
        seeds=5,
    ),
}
PRESETS["mnist1d"] = replace(
    PRESETS["digits"],
    words=("data=mnist1d", "data.source.test=4000", "data.validation_size=500", *WORDS),
    train_sizes=(50, 200, 800, 3500),
)


def quick(sizes: PriorSizes, data: str) -> PriorSizes:
    """The sizes of ``--quick``: few priors and samples."""
    fewer = ("data.source.train=200", "data.source.test=100", "data.validation_size=50") if data == "mnist1d" else ()
    return replace(
        sizes,
        words=(*sizes.words, *fewer),
        mlp=("model.width=8",),
        train_sizes=(20, 60),
        precisions=(0.0, 1.0),
        held_sizes=(20,),
        solves=3,
        passes=500,
        seeds=2,
    )
