"""The same run on the CPU and on the device: weights after a few full-batch steps, for every part of the framework."""

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec

from fbgd.config.compose import choices
from fbgd.studies.gpu_check.check import TINY, Check, final_weights, guarded, relative_difference

# Sums in another order differ by some 1e-16; a few steps through ReLUs magnify that, a wrong number is far above it.
BOUND = 1e-8
# torch.optim.Muon orthogonalises in bfloat16, whatever the precision of the weights; the searches of L-BFGS magnify
# rounding over their many evaluations.
BOUNDS = {"optimizer=muon": 1e-2, "optimizer=lbfgs": 1e-4}
PACKAGES = {"schedule_free": "schedulefree"}


def cases(quick: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is compared, by name: every optimizer, every regulariser, both regimes, and several blocks a call."""
    optimizers = [name for name in choices("optimizer") if name != "custom"]
    regularizers = [name for name in choices("regularizer") if name != "none"]
    if quick:
        optimizers, regularizers = ["sgd", "adam"], ["gradient_penalty", "mixup"]
    for name in optimizers:
        if name not in PACKAGES or find_spec(PACKAGES[name]) is not None:
            yield f"optimizer={name}", (f"optimizer={name}",)
    for name in regularizers:
        yield f"regularizer={name}", (f"regularizer=[{name}]",)
    yield "regime=sgd", ("regime=sgd", "regime.block_size=17")
    yield "three blocks a call", ("impl.blocks_per_call=3", "regularizer=[gradient_penalty]")
    for name in () if quick else ("layer", "group", "none"):
        yield f"model.norm={name}", (f"model.norm={name}",)


def parity(device: str, quick: bool) -> list[Check]:
    """The relative difference of the final weights in float64, device against CPU, of every case.

    Args:
        device: the device to compare with the CPU.
        quick: a few cases only.
    """

    def difference(words: tuple[str, ...]) -> float:
        here, there = (final_weights((*TINY, "precision=fp64", *words, f"impl.device={at}")) for at in (device, "cpu"))
        return relative_difference(here, there)

    return [guarded(name, BOUNDS.get(name, BOUND), partial(difference, words)) for name, words in cases(quick)]
