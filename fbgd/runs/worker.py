"""A process that executes jobs of a study, one after another: a run, or several that are trained together.

    python -m fbgd.runs.worker                            jobs on standard input, each a line of JSON: a list of runs,
                                                          several to be trained together, each with its ``path`` and
                                                          its ``config``
    python -m fbgd.runs.worker DIRECTORY key=value ...    one run

Standard output carries a line of JSON for every recorded row (``run``, its place in the job, ``row``, ``steps``), for
what a user should hear (``run``, ``warning``) and for the end of a job (``ended``: nothing, or why it failed); whatever
else is printed goes to standard error. A worker that saw a job fail ends, and so does one whose study is gone;
checkpoints stay.
"""

import json
import math
import os
import sys
import threading
import time
import traceback
from functools import partial
from typing import TextIO

from fbgd.config.compose import compose
from fbgd.config.schema import from_dict, to_dict
from fbgd.config.targets import import_from
from fbgd.engine.record import Row
from fbgd.runs.attempt import execute
from fbgd.runs.provenance import git_revision
from fbgd.runs.together import execute_together


def end_with_parent(parent: int) -> None:
    """End this process within a second of its parent's end, whatever it is doing: all writes are atomic."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def work(job: list[dict], messages: TextIO) -> bool:
    """Execute the runs of a job, each a ``path`` and a ``config``; returns whether they succeeded."""

    def send(**message: object) -> None:
        print(json.dumps(message), file=messages, flush=True)

    def report(run: int, row: Row, steps: int) -> None:
        send(run=run, row={key: value for key, value in row.items() if math.isfinite(value)}, steps=steps)

    def warn(run: int, text: str) -> None:
        send(run=run, warning=text)

    try:
        configs, paths = [from_dict(run["config"]) for run in job], [run["path"] for run in job]
        for config in configs:
            import_from(config.impl.module_path)
        if len(job) == 1:
            execute(configs[0], paths[0], partial(report, 0), partial(warn, 0))
        else:
            execute_together(configs, paths, report, warn)
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 - whatever goes wrong in a run is the study's to tell
        traceback.print_exc()
        send(ended=traceback.format_exc())
        return False
    send(ended=None)
    return True


def main(words: list[str]) -> int:
    """Execute the run on the command line, or all that arrive; returns the exit status."""
    git_revision()
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Packages that greet their users would otherwise be read as messages.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if words:
        return 0 if work([{"path": words[0], "config": to_dict(compose(words[1:]))}], messages) else 1
    for line in sys.stdin:
        if not work(json.loads(line), messages):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
