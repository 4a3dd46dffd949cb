"""A process that executes jobs of a study, one after another: a run, or several that are trained together.

    python -P -m fbgd.runs.worker                         jobs on standard input, each a line of JSON: a list of runs,
                                                          several to be trained together, each with its ``path`` and
                                                          its ``config``
    python -P -m fbgd.runs.worker DIRECTORY key=value ... one run

Standard output carries a line of JSON for every recorded row (``run``, its place in the job, ``row``, ``steps``), for
what a user should hear (``run``, ``warning``) and for the end of a job (``ended``: nothing, or why it failed); whatever
else is printed goes to standard error. A worker that saw a job fail ends, and so does one whose study is gone;
checkpoints stay. The study's number is in ``FBGD_PARENT``, since it may be gone before this process can ask for it.
"""

import json
import os
import sys
from typing import TextIO

from fbgd.runs.processes import end_with, orphaned, parent


def main(words: list[str]) -> int:
    """Execute the run on the command line, or all that arrive; returns the exit status."""
    study = parent()
    end_with(study)
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Packages that greet their users would otherwise be read as messages.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return execute_jobs(words, study, messages)


def execute_jobs(words: list[str], study: int, messages: TextIO) -> int:
    """Load what training needs, which takes seconds, and execute what is asked for; returns the exit status."""
    from fbgd.runs import jobs

    def send(**message: object) -> None:
        print(json.dumps(message), file=messages, flush=True)

    jobs.git_revision()
    if words:
        return 0 if jobs.work(jobs.job_of_words(words), send) else 1
    for line in sys.stdin:
        if orphaned(study) or not jobs.work(json.loads(line), send):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
