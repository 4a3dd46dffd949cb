"""What submitit calls on a node: a bundle's jobs, with a checkpoint and a new place in the queue when told to stop."""

import os
import signal
import sys
import threading
import time
from typing import Any

from fbgd.runs.launchers.bundle import Bundle, Once, signal_named
from fbgd.runs.launchers.events import Writer
from fbgd.runs.processes import POLL_SECONDS, born
from fbgd.runs.signals import ASKING, Interrupted, exit_status, heard_by

# Which signal Slurm sends by submitit before it takes a job's node away, without SIG.
PREEMPT = "SUBMITIT_PREEMPT_SIGNAL"


class Task:
    """A callable for submitit that can be requeued at any time, since run directories know how far they are.

    Slurm's notice of a preemption or of the time limit stops the training after its step, with a checkpoint, and only
    then submitit puts the job back into the queue. SIGTERM, which ``scancel`` sends, and Slurm itself before it
    requeues a job by its own rules, also leaves a checkpoint; then the job ends.

    Args:
        bundle: the jobs.
        events: the file that hears of them.
        study: the process that started this one and its start, where both end together; ``None``: they do not.
    """

    def __init__(self, bundle: Bundle, events: str, study: "tuple[int, str | None] | None" = None):
        self.bundle, self.events, self.study = bundle, events, study

    def __call__(self) -> None:
        """Execute the jobs."""
        if self.study is not None:
            end_with_study(*self.study)
        send = Writer(self.events).send
        preempted = signal_named(os.environ.get(PREEMPT, "USR2"))
        requeue: Any = signal.getsignal(preempted)
        with heard_by(Once(), (*ASKING, preempted)):
            try:
                self.bundle.execute(send)
            except Interrupted as interruption:
                if interruption.number != preempted or not callable(requeue):
                    send(stopped=interruption.number)
                    sys.exit(exit_status(interruption))
                send(requeued=interruption.number)
                # Of submitit; it ends this process.
                requeue(preempted, None)

    def checkpoint(self) -> Any:
        """What is submitted when the job is put back into the queue: the same once more."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def end_with_study(pid: int, start: str | None) -> None:
    """End this process within a second of the study's end; its worker ends with it."""

    def watch() -> None:
        while born(pid) == start:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
