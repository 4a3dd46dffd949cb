"""A process that executes jobs of a study, one after another: a run, or several that are trained together.

    python -P -m fbgd.runs.worker                         jobs on standard input, each a line of JSON: a list of runs,
                                                          several to be trained together, each with its ``path`` and
                                                          its ``config``
    python -P -m fbgd.runs.worker DIRECTORY key=value ... one run

Standard output carries a line of JSON for every recorded row (``run``, its place in the job, ``row``, ``steps``), for
what a user should hear (``run``, ``warning``) and for the end of a job (``ended``: nothing, or why it failed); whatever
else is printed goes to standard error. A worker that saw a job fail ends, and so does one whose study is gone;
checkpoints stay. The study's number is in ``FBGD_PARENT``, since it may be gone before this process can ask for it;
with it a line comes every few seconds that says that the process is alive: ``alive``, the steps so far, and ``busy``,
the seconds of processor time. After Ctrl-C or SIGTERM a checkpoint is written at the next step.
"""

import json
import os
import sys
import threading
import time
from typing import TextIO

from fbgd.runs.processes import PARENT, end_with, orphaned, parent
from fbgd.runs.signals import Interrupted, StopRequest, exit_status, heard_by

BEAT_SECONDS = 2.0


class Messages:
    """Lines of JSON on a stream, each whole, whichever thread says it."""

    def __init__(self, stream: TextIO):
        self.stream, self.lock = stream, threading.Lock()

    def send(self, **message: object) -> None:
        """Say something."""
        with self.lock:
            print(json.dumps(message), file=self.stream, flush=True)


def beat(messages: Messages, stop: StopRequest) -> None:
    """Say every few seconds that this process is alive and how far it is."""
    while True:
        try:
            messages.send(alive=stop.steps, busy=time.process_time())
        except (OSError, ValueError):
            # Nobody listens any more; the study's end is noticed elsewhere.
            return
        time.sleep(BEAT_SECONDS)


def main(words: list[str]) -> int:
    """Execute the run on the command line, or all that arrive; returns the exit status."""
    study, told = parent(), os.environ.pop(PARENT, None) is not None
    end_with(study)
    messages = Messages(os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    # Packages that greet their users would otherwise be read as messages.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Its study ends a worker that takes too long to stop.
    stop = StopRequest(patient=told)
    if told:
        threading.Thread(target=beat, args=(messages, stop), daemon=True).start()
    try:
        with heard_by(stop.hear):
            return execute_jobs(words, study, messages, stop)
    except Interrupted as interruption:
        print(f"{interruption}: the same command goes on from the last checkpoint", file=sys.stderr)
        return exit_status(interruption)


def execute_jobs(words: list[str], study: int, messages: Messages, stop: StopRequest) -> int:
    """Load what training needs, which takes seconds, and execute what is asked for; returns the exit status."""
    from fbgd.runs import jobs

    jobs.git_revision()
    if words:
        return 0 if jobs.work(jobs.job_of_words(words), messages.send, stop) else 1
    for line in sys.stdin:
        if orphaned(study) or not jobs.work(json.loads(line), messages.send, stop):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
