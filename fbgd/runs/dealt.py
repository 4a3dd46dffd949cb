"""A run that is dealt to several processes: rank 0 has its directory, and the others do as it does."""

from pathlib import Path
from typing import Any

from torch import Tensor

from fbgd.config.build import Built, build
from fbgd.config.schema import Config
from fbgd.engine.experiment import Experiment, Member, Progress
from fbgd.engine.ranks import Ranks
from fbgd.engine.train import train_members
from fbgd.runs.attempt import Attempt, OnRow, Warn, begin, believed
from fbgd.runs.directory import opened
from fbgd.runs.signals import StopRequest
from fbgd.runs.snapshots import restore, snapshot


def execute_dealt(
    config: Config, path: Path | str, ranks: Ranks, on_row: OnRow, warn: Warn, stop: StopRequest | None = None
) -> dict:
    """:func:`fbgd.runs.attempt.execute` on several ranks; all of them return the summary.

    Rank 0 alone reads and writes the directory. It tells the others where the run stands, and from then on all of them
    take the same steps. A signal that any of them hears ends all of them after the same step.

    Args:
        config: the experiment.
        path: its directory; only rank 0 must see it.
        ranks: the processes, of which this is one.
        on_row: called on rank 0 with every recorded row and the run's number of steps.
        warn: hears, on rank 0, of damaged checkpoints and of what cannot be dealt.
        stop: says when to stop before the end, with a checkpoint; ``None``: never.

    Raises:
        ConfigError: the directory holds another experiment, or a rank has other data or other weights.
        Interrupted: a rank was asked to stop, and all have.
        RankLost: a rank is gone.
        TimeoutError: another process is at work in the directory.
    """
    stop = StopRequest() if stop is None else stop
    if not ranks.first:
        return follow(config, ranks, stop)
    with opened(config, path) as directory:
        if (summary := believed(config, directory, warn)) is not None:
            return ranks.of_first({"summary": summary})["summary"]
        attempt = begin(config, directory, on_row, warn, ranks=ranks)
        for line in undealt(attempt.built.experiment):
            warn(line)
        ranks.of_first(standing(attempt))
        check_replica(attempt.built, ranks)
        train_members(attempt.built.experiment, [attempt.member(attempt.record)], AgreedStop(stop, ranks))
        if not attempt.ended:
            stop.check()
        return ranks.of_first(attempt.finish())


def follow(config: Config, ranks: Ranks, stop: StopRequest) -> dict:
    """The part of every other rank: it begins where rank 0 does, and writes nothing."""
    told: dict = ranks.of_first({})
    if "summary" in told:
        return told["summary"]
    built = build(config, told["blocks_per_call"], ranks=ranks)
    experiment, progress = built.experiment, Progress()
    if told["state"] is not None:
        restore(experiment, told["state"])
        progress = Progress.restored(told["state"]["progress"])
    check_replica(built, ranks)
    member = Member(experiment.model, experiment.monitor, progress, lambda row, progress: None, told["tally"])
    train_members(experiment, [member], AgreedStop(stop, ranks))
    if not (progress.diverged or progress.stopped or progress.step == experiment.steps):
        stop.check()
    return ranks.of_first({})


def standing(attempt: Attempt) -> dict:
    """Where a run stands, as the other ranks have to know it; at its beginning, they make the same by its seed."""
    progress = attempt.progress
    state = snapshot(attempt.built.experiment, progress, []) if progress.step else None
    told = {"state": state, "tally": attempt.tally, "blocks_per_call": attempt.built.facts.blocks_per_call}
    return on_cpu(told)


def on_cpu(value: Any) -> Any:
    """Nested containers with their tensors on the CPU: those of a GPU would go to the same GPU on all ranks."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {key: on_cpu(own) for key, own in value.items()}
    return type(value)(map(on_cpu, value)) if type(value) in (list, tuple) else value


def check_replica(built: Built, ranks: Ranks) -> None:
    """Raise :class:`ConfigError` where a rank has other data than rank 0, or begins with other weights."""
    ranks.check_same("the data are", built.facts.content_hash)
    ranks.check_weights(built.experiment.model)


class AgreedStop:
    """Asks a rank's :class:`StopRequest` before every step, and says what all ranks agreed on in the step before.

    Args:
        stop: of this rank.
        ranks: carry the signals from one to the other, with the sum of a step's gradients.
    """

    def __init__(self, stop: StopRequest, ranks: Ranks):
        self.stop, self.ranks = stop, ranks

    def __call__(self) -> bool:
        self.stop()
        self.ranks.asked = self.stop.number
        if self.ranks.agreed:
            self.stop.number = self.ranks.agreed
        return bool(self.ranks.agreed)


def undealt(experiment: Experiment) -> list[str]:
    """What several ranks do not share, each in a line."""
    ranks, order, lines = experiment.ranks.count, experiment.source.order, []
    most = len(order.step_blocks(0))
    if most == 1:
        lines.append(
            f"a step of one block cannot be dealt: {ranks - 1} of {ranks} ranks wait in every step, and share only "
            "evaluations; regime.blocks_per_step says how many blocks a step has"
        )
    elif most < ranks:
        lines.append(
            f"a step has {most} blocks: {ranks - most} of {ranks} ranks wait in every step; regime.block_size and "
            "regime.blocks_per_step say how many there are"
        )
    for noise in experiment.block_noises:
        lines.append(f"{type(noise).__name__} looks at every block: each rank evaluates the gradients of all of them")
    if experiment.probes:
        lines.append("probes look on rank 0 alone, while the others wait")
    return lines
