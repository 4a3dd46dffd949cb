"""Hours of the CIFAR-10 ladder on this device, by its measured images a second."""

from collections.abc import Iterable, Sequence

from fbgd.config.compose import compose
from fbgd.config.schema import Config
from fbgd.runs.plan import Rung
from fbgd.studies.geiping_ladder import PRESETS, rungs
from fbgd.studies.gpu_check.check import Check
from fbgd.studies.gpu_check.throughput import MODES

IMAGES = 50_000


def is_penalised(config: Config) -> bool:
    """Whether a block's gradient is evaluated twice."""
    return "gradient_penalty" in config.regularizer


def seconds_of(settings: Iterable[Rung], rates: dict[tuple[int, bool], float]) -> float:
    """Seconds of one run of every rung, training alone.

    Args:
        settings: the rungs.
        rates: images a second by block size, plain or penalised; a penalised image has both its evaluations in it.
    """
    total = 0.0
    for rung in settings:
        config = compose(list(rung.overrides))
        images = config.budget.passes * IMAGES
        total += images / rates[(config.regime.block_size, is_penalised(config))]
    return total


def projection(measured: Sequence[Check]) -> list[Check]:
    """Hours of the seven rungs with one seed, for every way to do the arithmetic that was timed at their blocks."""
    known = {check.name: check.value for check in measured if check.made}
    settings = rungs(PRESETS["cifar10"])
    made = []
    for mode in MODES:
        names = {
            (size, penalised): f"{mode}: engine, block {size}{', penalised' * penalised}, images a second"
            for size in PRESETS["cifar10"].blocks
            for penalised in (False, True)
        }
        if set(names.values()) <= set(known):
            rates = {key: known[name] for key, name in names.items()}
            hours = seconds_of(settings, rates) / 3600
            made.append(Check(f"{mode}: CIFAR-10 ladder, hours a seed", hours, note="training alone, one block a call"))
    return made
