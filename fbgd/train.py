"""The training loop: stochastic, large-batch and full-batch training are this one function.

for step in steps:
    blocks = 1 | k | all blocks of the training set
    lr     = schedule(passes done) * optimizer's learning rate

    closure():                      the optimizer may call it again: line search, SAM, L-BFGS
        gradient = weighted mean of block gradients, with penalties
        gradient = clip, noise, ...
        return loss + penalties

    optimizer.step(closure)
    record, evaluate                every so many passes
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.blocks import BlockSource
from fbgd.gradient import MeanGradient
from fbgd.schedules import Schedule
from fbgd.seeds import generator, seed_step
from fbgd.tally import Row, Tally
from regularizers import foreach_norm

Transform = Callable[[list[Tensor]], list[Tensor]]


@dataclass
class Progress:
    """How far a run is: all the loop's state beside model and optimizer."""

    step: int = 0
    gradient_evaluations: int = 0
    seconds: float = 0.0
    diverged: bool = False


@dataclass(frozen=True)
class Experiment:
    """What the loop needs.

    Args:
        model: its parameters are trained.
        source: the blocks of every step.
        gradient: the mean gradient of a step's blocks.
        transforms: applied to the mean gradient, in order.
        optimizer: any ``torch.optim.Optimizer`` on the model's parameters.
        lr: the peak learning rate, which the penalties scale with.
        schedule: factor on the learning rates of all parameter groups.
        passes: the budget in passes over the training set; rounded to whole steps, at least one.
        seed: PyTorch's global generators are seeded anew from it before every step, for optimizers and models that
            draw from them, so that a resumed run draws the same.
        evaluate: metrics of the current model, called with the number of the current pass.
        record_every: passes between two recorded rows.
        evaluate_every: passes between two evaluations; the last step is always evaluated.
    """

    model: nn.Module
    source: BlockSource
    gradient: MeanGradient
    transforms: tuple[Transform, ...]
    optimizer: torch.optim.Optimizer
    lr: float
    schedule: Schedule
    passes: float
    evaluate: Callable[[int], Row]
    seed: int = 0
    record_every: float = 1.0
    evaluate_every: float = 1.0

    @property
    def steps(self) -> int:
        """The whole budget in steps."""
        return self.interval(self.passes)

    def interval(self, passes: float) -> int:
        """So many passes as a number of steps, at least one."""
        return max(1, round(passes * self.source.steps_per_pass))


def train(experiment: Experiment, progress: Progress, on_record: Callable[[Row, Progress], None]) -> Progress:
    """Run the loop from ``progress`` to the end of the budget, or until a recorded row is no longer finite.

    Args:
        experiment: what to train.
        progress: where to begin, after model and optimizer were brought to the same point; changed in place.
        on_record: called with every recorded row: the means since the last one of loss, accuracy, gradient norms and
            share of clipped steps; the learning rate and parameter norm now; the costs so far; evaluations when due.

    Returns:
        ``progress`` at the end.
    """
    params = list(experiment.model.parameters())
    length = 1 / experiment.source.steps_per_pass
    record_interval = experiment.interval(experiment.record_every)
    evaluate_interval = experiment.interval(experiment.evaluate_every)
    for group in experiment.optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    start = generator(experiment.seed, "step").initial_seed()
    tally = Tally()
    clock = time.perf_counter()
    while progress.step < experiment.steps and not progress.diverged:
        factor = experiment.schedule(progress.step * length, length)
        for group in experiment.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        blocks = experiment.source.step(progress.step)
        evaluations: list[int] = []

        def closure(blocks=blocks, factor=factor, tally=tally, evaluations=evaluations) -> Tensor:
            result = experiment.gradient([param.detach() for param in params], blocks, factor * experiment.lr)
            gradient = result.gradient
            for transform in experiment.transforms:
                gradient = transform(gradient)
            for param, entry in zip(params, gradient, strict=True):
                param.grad = entry
            if not evaluations:
                tally.add(result, gradient)
            evaluations.append(result.evaluations)
            return result.objective

        seed_step(start, progress.step)
        experiment.optimizer.step(closure)
        progress.step += 1
        progress.gradient_evaluations += sum(evaluations)
        last = progress.step == experiment.steps
        evaluating = last or progress.step % evaluate_interval == 0
        if evaluating or progress.step % record_interval == 0:
            row: Row = {"step": progress.step, "passes": progress.step * length, **tally.means()}
            row["learning_rate"] = factor * experiment.lr
            row["parameter_norm"] = foreach_norm([param.detach() for param in params]).item()
            progress.diverged = not all(
                math.isfinite(row[name]) for name in ("loss", "gradient_norm", "parameter_norm")
            )
            row["gradient_evaluations"] = progress.gradient_evaluations
            row["seconds"] = 0.0
            if evaluating or progress.diverged:
                row |= experiment.evaluate(blocks.pass_index)
            now = time.perf_counter()
            progress.seconds, clock = progress.seconds + now - clock, now
            row["seconds"] = progress.seconds
            tally = Tally()
            on_record(row, progress)
    return progress
