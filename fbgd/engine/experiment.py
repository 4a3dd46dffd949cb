"""What the training loop is given, and how far it has come."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.engine.blocks import BlockSource
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.monitor import Monitor
from fbgd.engine.probe import ScheduledProbe
from fbgd.engine.ranks import ALONE, Ranks
from fbgd.engine.tally import Row
from fbgd.schedules import PlainSchedule, Schedule
from regularizers import BlockNoise, GradientTransform, ParameterNoise


@dataclass
class Progress:
    """How far a run is: the loop's state beside model, optimizer and monitor.

    ``diverged`` and ``stopped`` end it before its budget in passes is used up: numbers that are no longer finite, or
    early stopping and the budget in gradient evaluations. ``probe_evaluations`` are the gradients that probes
    evaluated, which are no part of ``gradient_evaluations``. ``shares`` are the largest so far of the ingredients, by
    the names in :class:`Experiment`; ``None``: not known, since an earlier version began the run.
    """

    step: int = 0
    gradient_evaluations: int = 0
    seconds: float = 0.0
    diverged: bool = False
    stopped: bool = False
    probe_evaluations: int = 0
    shares: dict[str, float] | None = field(default_factory=dict)

    @classmethod
    def restored(cls, state: dict) -> "Progress":
        """What ``vars`` gave, also that of an earlier version."""
        return cls(**{"shares": None, **state})

    def keep_shares(self, names: tuple[str, ...], shares: list[float]) -> None:
        """Let every share count that is larger than what it was so far, or no number."""
        if self.shares is not None:
            for name, value in zip(names, shares, strict=True):
                before = self.shares.get(name, 0.0)
                self.shares = {**self.shares, name: before if math.isnan(before) or value <= before else value}


@dataclass(frozen=True)
class Member:
    """A run as the loop sees it; what runs that are trained together do not share.

    Args:
        model: its parameters are those that are trained, or views into them.
        monitor: evaluates the model, averages weights, stops early.
        progress: where to begin; changed in place.
        on_record: called with every recorded row: the means since the last one of loss, accuracy, gradient norms and
            share of clipped steps; the learning rate and parameter norm now; the costs so far; evaluations when due;
            the columns of probes, see :class:`fbgd.engine.record.Recorder`.
        tally: the means that were under way where it was paused; empty elsewhere.
        on_pause: called when training is asked to stop between two records, with its ``tally``.
    """

    model: nn.Module
    monitor: Monitor
    progress: Progress
    on_record: Callable[[Row, Progress], None]
    tally: dict = field(default_factory=dict)
    on_pause: Callable[[dict], None] = lambda tally: None

    @property
    def going(self) -> bool:
        """Whether it has neither diverged nor stopped."""
        return not (self.progress.diverged or self.progress.stopped)


@dataclass(frozen=True)
class Experiment:
    """What the loop needs.

    Args:
        model: its parameters are trained.
        source: the blocks of every step.
        gradient: the mean gradient of a step's blocks.
        optimizer: any ``torch.optim.Optimizer`` on the model's parameters.
        lr: the peak learning rate, which the penalties scale with.
        schedule: factor on the learning rates of all parameter groups.
        passes: the budget in passes over the training set; rounded to whole steps, at least one.
        monitor: evaluates the model, averages weights, stops early.
        noises: change the parameters at which the gradient is taken, in order.
        block_noises: change the mean gradient by what the gradients of the blocks tell, in order.
        transforms: applied to the mean gradient after that, in order.
        most_evaluations: gradients of samples after which training ends, whatever the budget in passes.
        seed: of all noise. PyTorch's global generators are seeded anew from it before every step, for optimizers and
            models that draw from them, so that a resumed run draws the same.
        record_every: passes between two recorded rows.
        evaluate_every: passes between two evaluations; the last step is always evaluated.
        evaluation_growth: an evaluation comes no earlier than so many times the step of the one before.
        record_layers: whether every row has the norm of every parameter.
        probes: look on every so many passes.
        metric: what rows call the score of the loss, "accuracy" or, of a regression, "r2".
        initial: the parameters before the first step, for probes; a resumed run has them too.
        ranks: the processes that it is dealt to; probes look on the first alone.
        share_names: what the shares of the ingredients are called, in the order of
            :class:`fbgd.engine.step.StepClosure`; none: they are not kept.
    """

    model: nn.Module
    source: BlockSource
    gradient: MeanGradient
    optimizer: torch.optim.Optimizer
    lr: float
    schedule: Schedule | PlainSchedule
    passes: float
    monitor: Monitor
    noises: tuple[ParameterNoise, ...] = ()
    block_noises: tuple[BlockNoise, ...] = ()
    transforms: tuple[GradientTransform, ...] = ()
    most_evaluations: float = math.inf
    seed: int = 0
    record_every: float = 1.0
    evaluate_every: float = 1.0
    evaluation_growth: float = 1.0
    record_layers: bool = False
    probes: tuple[ScheduledProbe, ...] = ()
    metric: str = "accuracy"
    initial: list[Tensor] | None = None
    ranks: Ranks = ALONE
    share_names: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """The whole budget in steps."""
        return self.interval(self.passes)

    def interval(self, passes: float) -> int:
        """So many passes as a number of steps, at least one."""
        return max(1, round(passes * self.source.steps_per_pass))

    def evaluation_steps(self) -> set[int]:
        """The steps after which the model is evaluated; the last one is always among them."""
        interval = self.interval(self.evaluate_every)
        steps, step = {self.steps}, interval
        while step < self.steps:
            steps.add(step)
            step = max(step + interval, interval * round(self.evaluation_growth * step / interval))
        return steps
