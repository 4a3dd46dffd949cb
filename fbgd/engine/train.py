"""The training loop: stochastic, large-batch and full-batch training are this one function.

for step in steps:
    blocks = 1 | k | all blocks of the training set
    lr     = schedule(passes done) * optimizer's learning rate

    closure():                      the optimizer may call it again: line search, SAM, L-BFGS
        gradient = weighted mean of block gradients, with penalties
        gradient = clip, noise, ...
        return loss + penalties

    optimizer.step(closure)
    record, average, evaluate       every so many passes
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.engine.experiment import Experiment, Member, Progress
from fbgd.engine.record import Row, Tally
from fbgd.engine.step import StepClosure
from fbgd.seeds import generator, seed_step
from regularizers import foreach_norm


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


def train_members(experiment: Experiment, members: Sequence[Member]) -> None:
    """Run the loop until each of ``members`` has come to its end.

    Args:
        experiment: what to train; of several members, their parameters, blocks and gradients are stacked.
        members: the runs, all of them at the same step. One that has ended is no longer looked at.
    """
    params = list(experiment.model.parameters())
    source, optimizer = experiment.source, experiment.optimizer
    steps, steps_per_pass = experiment.steps, source.steps_per_pass
    length = 1 / steps_per_pass
    record_interval = experiment.interval(experiment.record_every)
    evaluation_steps = experiment.evaluation_steps()
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    start = generator(experiment.seed, "step").initial_seed()
    step, evaluations = members[0].progress.step, members[0].progress.gradient_evaluations
    going = [member for member in members if member.going]
    tally = Tally()
    clock = time.perf_counter()
    while step < steps and going:
        factor = experiment.schedule(step * length, length)
        if experiment.schedule.follows_norm:
            factor *= foreach_norm(matrices(params)).item()
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        blocks = source.step(step)
        closure = StepClosure(experiment, params, step, blocks, factor * experiment.lr, tally)
        seed_step(start, step)
        optimizer.step(closure)
        step += 1
        evaluations += closure.evaluations
        for member in going:
            member.monitor.after_step(step, steps_per_pass, steps)
        stopped = evaluations >= experiment.most_evaluations
        last = stopped or step == steps
        evaluating = last or step in evaluation_steps
        if evaluating or step % record_interval == 0:
            passes = step * length
            rows = []
            for member, means in zip(members, tally.means(), strict=True):
                if member.going:
                    member.progress.step, member.progress.gradient_evaluations = step, evaluations
                    member.progress.stopped = stopped
                    row = {"step": step, "passes": passes, **means, "learning_rate": factor * experiment.lr}
                    row |= layer_norms(member.model) if experiment.record_layers else {}
                    rows.append(complete(row, member, blocks.pass_index, evaluating, last))
            now = time.perf_counter()
            for member, row in zip(going, rows, strict=True):
                # Each one's share: the seconds of all runs add up to the time that was spent.
                member.progress.seconds += (now - clock) / len(going)
                row["seconds"] = member.progress.seconds
            clock = now
            tally = Tally()
            for member, row in zip(going, rows, strict=True):
                member.on_record(row, member.progress)
            going = [member for member in going if member.going]


def matrices(params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters with two or more dimensions: no biases, and no scales of normalisation layers."""
    return [param.detach() for param in params if param.dim() > 1]


def layer_norms(model: nn.Module) -> Row:
    """The norm of every parameter, as ``norm/<name>``, and that of all matrices together, as ``norm/matrices``."""
    named = {name: param.detach() for name, param in model.named_parameters()}
    norms = torch.stack([*torch._foreach_norm(list(named.values())), foreach_norm(matrices(named.values()))]).tolist()
    return {f"norm/{name}": norm for name, norm in zip([*named, "matrices"], norms, strict=True)}


def complete(row: Row, member: Member, pass_index: int, evaluating: bool, last: bool) -> Row:
    """Add to a row what is read off its member; this says whether the member has diverged, stopped early or ended."""
    progress, monitor, passes = member.progress, member.monitor, row["passes"]
    row["parameter_norm"] = foreach_norm([param.detach() for param in member.model.parameters()]).item()
    progress.diverged = not all(math.isfinite(row[name]) for name in ("loss", "gradient_norm", "parameter_norm"))
    row["gradient_evaluations"] = progress.gradient_evaluations
    row["seconds"] = 0.0
    if evaluating or progress.diverged:
        row |= monitor.evaluate(pass_index, passes)
        progress.stopped |= monitor.exhausted(passes)
    if last or progress.diverged or progress.stopped:
        row |= monitor.finish()
    return row
