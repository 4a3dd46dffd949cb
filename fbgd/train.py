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
from collections.abc import Callable

from fbgd.experiment import Experiment, Progress
from fbgd.seeds import generator, seed_step
from fbgd.step import StepClosure
from fbgd.tally import Row, Tally
from regularizers import foreach_norm


def train(experiment: Experiment, progress: Progress, on_record: Callable[[Row, Progress], None]) -> Progress:
    """Run the loop from ``progress`` to the end of the budget.

    It ends before that when a recorded row is no longer finite, when the gradient evaluations are used up, or when
    early stopping says so.

    Args:
        experiment: what to train.
        progress: where to begin, after model, optimizer and monitor were brought to the same point; changed in place.
        on_record: called with every recorded row: the means since the last one of loss, accuracy, gradient norms and
            share of clipped steps; the learning rate and parameter norm now; the costs so far; evaluations when due.

    Returns:
        ``progress`` at the end.
    """
    params = list(experiment.model.parameters())
    source, monitor = experiment.source, experiment.monitor
    steps, steps_per_pass = experiment.steps, source.steps_per_pass
    length = 1 / steps_per_pass
    record_interval = experiment.interval(experiment.record_every)
    evaluation_steps = experiment.evaluation_steps()
    for group in experiment.optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    start = generator(experiment.seed, "step").initial_seed()
    tally = Tally()
    clock = time.perf_counter()
    while progress.step < steps and not (progress.diverged or progress.stopped):
        factor = experiment.schedule(progress.step * length, length)
        for group in experiment.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        blocks = source.step(progress.step)
        closure = StepClosure(experiment, params, progress.step, blocks, factor * experiment.lr, tally)
        seed_step(start, progress.step)
        experiment.optimizer.step(closure)
        progress.step += 1
        progress.gradient_evaluations += closure.evaluations
        monitor.after_step(progress.step, steps_per_pass, steps)
        progress.stopped = progress.gradient_evaluations >= experiment.most_evaluations
        last = progress.stopped or progress.step == steps
        evaluating = last or progress.step in evaluation_steps
        if evaluating or progress.step % record_interval == 0:
            passes = progress.step * length
            row: Row = {"step": progress.step, "passes": passes, **tally.means()}
            row["learning_rate"] = factor * experiment.lr
            row["parameter_norm"] = foreach_norm([param.detach() for param in params]).item()
            progress.diverged = not all(
                math.isfinite(row[name]) for name in ("loss", "gradient_norm", "parameter_norm")
            )
            row["gradient_evaluations"] = progress.gradient_evaluations
            row["seconds"] = 0.0
            if evaluating or progress.diverged:
                row |= monitor.evaluate(blocks.pass_index, passes)
                progress.stopped |= monitor.exhausted(passes)
            if last or progress.diverged or progress.stopped:
                row |= monitor.finish()
            now = time.perf_counter()
            progress.seconds, clock = progress.seconds + now - clock, now
            row["seconds"] = progress.seconds
            tally = Tally()
            on_record(row, progress)
    return progress
