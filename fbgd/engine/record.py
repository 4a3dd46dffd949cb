"""What is recorded of training: when a row is due, what it holds, and who hears of it."""

import math
import time
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.engine.experiment import Experiment, Member
from fbgd.engine.probe import ProbeState, ScheduledProbe, run_probes
from fbgd.engine.step import StepClosure
from fbgd.engine.tally import Row, Tally
from regularizers import foreach_norm

__all__ = ["Recorder", "Row", "Tally", "is_complete", "layer_norms"]


class Recorder:
    """Looks at every step, and makes the rows of all members where they are due.

    A row holds the means since the last one, the learning rate and parameter norm now, the costs so far, evaluations
    when due, and the columns of probes. Where only a probe is due, its columns stand in a row of their own and the
    means go on, so that a run with probes has the rows of one without them.

    Args:
        experiment: what is trained.
        members: the runs, all of them at the same step.

    Raises:
        ValueError: there are probes and several members.
    """

    def __init__(self, experiment: Experiment, members: Sequence[Member]):
        if experiment.probes and len(members) > 1:
            raise ValueError("probes look at one network: train these runs separately")
        self.experiment, self.members = experiment, members
        self.going = [member for member in members if member.going]
        self.evaluations = members[0].progress.gradient_evaluations
        self.steps, self.interval = experiment.steps, experiment.interval(experiment.record_every)
        self.evaluation_steps = experiment.evaluation_steps()
        self.tally = Tally(self.experiment.metric)
        self.tally.load([member.tally for member in members])
        self.clock = time.perf_counter()

    def pause(self, step: int) -> None:
        """Tell every member that training stops after so many steps, and what its next row's means need to go on."""
        self._keep_shares()
        share = (time.perf_counter() - self.clock) / len(self.going)
        for index, member in enumerate(self.members):
            if member.going:
                progress = member.progress
                progress.step, progress.gradient_evaluations = step, self.evaluations
                progress.seconds += share
                member.on_pause(self.tally.state(index))

    def after_step(self, step: int, closure: StepClosure) -> None:
        """Count a step that was taken and record it where that is due.

        Args:
            step: steps taken so far.
            closure: of the step.
        """
        experiment = self.experiment
        self.tally.add(closure.first, closure.clipped, closure.shares)
        self.evaluations += closure.evaluations
        for member in self.going:
            member.monitor.after_step(step, experiment.source.steps_per_pass, self.steps)
        last = self.evaluations >= experiment.most_evaluations or step == self.steps
        evaluating = last or step in self.evaluation_steps
        probes = experiment.probes if experiment.ranks.first else ()
        due = [probe for probe in probes if last or step % experiment.interval(probe.every) == 0]
        columns = self._probe(tuple(due), step, closure) if due else {}
        if evaluating or step % self.interval == 0:
            self._record(step, closure, columns, evaluating, last)
        elif due:
            (member,) = self.going
            row = {**self._place(step, closure), **columns, "gradient_evaluations": self.evaluations}
            member.on_record(row, member.progress)

    def _keep_shares(self) -> None:
        """Add what the ingredients did since the last record to what every member knows of them."""
        if names := self.experiment.share_names:
            for member, shares in zip(self.members, self.tally.largest_shares(), strict=False):
                if member.going:
                    member.progress.keep_shares(names, shares)

    def _place(self, step: int, closure: StepClosure) -> Row:
        """Where in the run a row is."""
        length = 1 / self.experiment.source.steps_per_pass
        return {"step": step, "passes": step * length, "learning_rate": closure.lr}

    def _record(self, step: int, closure: StepClosure, columns: Row, evaluating: bool, last: bool) -> None:
        """Make every member's row, hand it on, and drop the members that have ended."""
        place = self._place(step, closure)
        self._keep_shares()
        rows = []
        for member, means in zip(self.members, self.tally.means(), strict=True):
            if member.going:
                progress = member.progress
                progress.step, progress.gradient_evaluations = step, self.evaluations
                progress.stopped = self.evaluations >= self.experiment.most_evaluations
                row = {"step": step, "passes": place["passes"], **means, "learning_rate": closure.lr}
                row |= layer_norms(member.model) if self.experiment.record_layers else {}
                rows.append(complete(row, member, closure.blocks.pass_index, evaluating, last) | columns)
        now = time.perf_counter()
        for member, row in zip(self.going, rows, strict=True):
            # Each one's share: the seconds of all runs add up to the time that was spent.
            member.progress.seconds += (now - self.clock) / len(self.going)
            row["seconds"] = member.progress.seconds
        self.clock = now
        self.tally = Tally(self.experiment.metric)
        for member, row in zip(self.going, rows, strict=True):
            member.on_record(row, member.progress)
        self.going = [member for member in self.going if member.going]

    def _probe(self, probes: tuple[ScheduledProbe, ...], step: int, closure: StepClosure) -> Row:
        """The columns of the probes that are due, at a cost that is counted apart; none of a diverged network."""
        (member,) = self.going
        experiment, start = self.experiment, time.perf_counter()
        params = [param.detach() for param in member.model.parameters()]
        columns: Row = {}
        if math.isfinite(foreach_norm(params).item()):
            state = partial(
                ProbeState,
                model=member.model,
                params=params,
                step=step,
                passes=self._place(step, closure)["passes"],
                lr=closure.lr,
                blocks=partial(experiment.source.training_pass, closure.blocks.pass_index),
                objective=experiment.gradient.objective,
                optimizer=experiment.optimizer,
                initial=experiment.initial,
            )
            columns, evaluations = run_probes(probes, state, experiment.seed, step)
            member.progress.probe_evaluations += evaluations
        self.clock += time.perf_counter() - start
        return {**columns, "probe_evaluations": member.progress.probe_evaluations}


def is_complete(row: Row) -> bool:
    """Whether a run can be resumed after a row: one of a probe alone comes while means are under way."""
    return "loss" in row


def layer_norms(model: nn.Module) -> Row:
    """The norm of every parameter, as ``norm/<name>``, and that of all matrices together, as ``norm/matrices``."""
    named = {name: param.detach() for name, param in model.named_parameters()}
    # No biases, and no scales of normalisation layers.
    matrices: list[Tensor] = [param for param in named.values() if param.dim() > 1]
    norms = torch.stack([*torch._foreach_norm(list(named.values())), foreach_norm(matrices)]).tolist()
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
