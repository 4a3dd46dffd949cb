"""The training loop: stochastic, large-batch and full-batch training are this one function.

for step in steps:
    lr     = schedule(passes done) * optimizer's learning rate
    blocks = 1 | k | all blocks of the training set

    closure():                      the optimizer may call it again: line search, SAM, L-BFGS
        gradient = weighted mean of block gradients, with penalties
        gradient = clip, noise, ...
        return loss + penalties

    optimizer.step(closure)
    average, record, probe, evaluate        every so many passes
"""

from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor

from fbgd.engine.experiment import Experiment, Member, Progress
from fbgd.engine.record import Recorder
from fbgd.engine.step import StepClosure
from fbgd.engine.tally import Row
from fbgd.seeds import generator, seed_step


def train(experiment: Experiment, progress: Progress, on_record: Callable[[Row, Progress], None]) -> Progress:
    """Run the loop for one run, from ``progress`` to the end of the budget.

    It ends before that when a recorded row is no longer finite, when the gradient evaluations are used up, or when
    early stopping says so.

    Args:
        experiment: what to train.
        progress: where to begin, after model, optimizer and monitor were brought to the same point; changed in place.
        on_record: called with every recorded row, see :class:`Member`.

    Returns:
        ``progress`` at the end.
    """
    train_members(experiment, [Member(experiment.model, experiment.monitor, progress, on_record)])
    return progress


def train_members(
    experiment: Experiment, members: Sequence[Member], asked_to_stop: Callable[[], bool] = lambda: False
) -> None:
    """Run the loop until each of ``members`` has come to its end.

    Args:
        experiment: what to train; of several members, their parameters, blocks and gradients are stacked.
        members: the runs, all of them at the same step. One that has ended is no longer looked at.
        asked_to_stop: asked before every step; where it says so, the members are paused, see :class:`Member`.
    """
    params: list[Tensor] = list(experiment.model.parameters())
    source, schedule, optimizer = experiment.source, experiment.schedule, experiment.optimizer
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    start = generator(experiment.seed, "step").initial_seed()
    length = 1 / source.steps_per_pass
    recorder = Recorder(experiment, members)
    first = step = members[0].progress.step
    while step < experiment.steps and recorder.going:
        if asked_to_stop():
            if step > first:
                recorder.pause(step)
            return
        factor = schedule.factor(step * length, length, params)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        closure = StepClosure(experiment, params, step, source.step(step), factor * experiment.lr)
        seed_step(start, step)
        # A tensor without dimensions serves as the number that torch's stub asks for.
        optimizer.step(cast(Callable[[], float], closure))
        step += 1
        recorder.after_step(step, closure)
