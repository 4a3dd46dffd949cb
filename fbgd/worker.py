"""One run of a study, in a process of its own: ``python -m fbgd.worker DIRECTORY key=value ...``.

Every recorded row goes to standard output as a line of JSON, and whatever else is printed to standard error. When the
study that started it is gone, the worker ends; its checkpoint stays.
"""

import json
import math
import os
import sys
import threading
import time

from fbgd.config import compose
from fbgd.runs import execute
from fbgd.tally import Row


def end_with_parent(parent: int) -> None:
    """End this process within a second of its parent's end, whatever it is doing: all writes are atomic."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main(words: list[str]) -> None:
    """Run the experiment that ``words[1:]`` describe in the directory ``words[0]``."""
    path, *overrides = words
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    rows = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Packages that greet their users would otherwise be read as rows.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def report(row: Row, steps: int) -> None:
        plain = {key: value for key, value in row.items() if math.isfinite(value)}
        print(json.dumps({"row": plain, "steps": steps}), file=rows, flush=True)

    execute(compose(overrides), path, report, warn=lambda text: print(f"warning: {text}", file=sys.stderr))


if __name__ == "__main__":
    main(sys.argv[1:])
