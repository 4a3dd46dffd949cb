"""A single check, and the words and weights that several of them use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fbgd.config.arithmetic import arithmetic_kept
from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train

# Blocks of 17, 17 and 16 different signals, batch norm in them, a step that is a whole pass.
TINY = (
    "data=mnist1d",
    "data.source.train=60",
    "data.source.test=20",
    "data.validation_size=10",
    "model=resnet",
    "model.depth=8",
    "model.width=4",
    "regime=full_batch",
    "regime.block_size=17",
    "impl.blocks_per_call=1",
    "budget.passes=4",
    "record.evaluate_every=2",
    "impl.threads=1",
)


@dataclass(frozen=True)
class Check:
    """What one check found.

    Args:
        name: of what was checked.
        value: what was measured.
        bound: up to which it passes; ``None`` where a number is measured and nothing is asked of it.
        note: what else a reader must know; why, where it could not be made.
        made: whether it could be made at all.
    """

    name: str
    value: float
    bound: float | None = None
    note: str = ""
    made: bool = True

    @property
    def passed(self) -> bool:
        """Whether it was made and its value is within its bound; NaN is not."""
        return self.made and (self.bound is None or self.value <= self.bound)


def final_weights(words: Sequence[str]) -> Tensor:
    """All weights at the end of a run, in one float64 vector on the CPU; nothing is written."""
    with arithmetic_kept():
        experiment = build(compose(list(words))).experiment
        train(experiment, Progress(), lambda row, progress: None)
        return torch.cat([param.detach().flatten().to("cpu", torch.float64) for param in experiment.model.parameters()])


def relative_difference(left: Tensor, right: Tensor) -> float:
    """The norm of the difference over that of ``right``."""
    return float((left - right).norm() / right.norm())


def attempted(name: str, work: Callable[[], list[Check]], bound: float | None = None) -> list[Check]:
    """The checks that ``work`` makes; where it fails one that was not made, and the error: the others still are."""
    try:
        return work()
    except (ArithmeticError, AssertionError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return [Check(name, float("nan"), bound, reason, made=False)]


def guarded(name: str, bound: float | None, measure: Callable[[], float]) -> Check:
    """The check of what ``measure`` gives."""
    (found,) = attempted(name, lambda: [Check(name, measure(), bound)], bound)
    return found
