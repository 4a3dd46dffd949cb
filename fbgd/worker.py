"""One run of a study, in a process of its own: ``python -m fbgd.worker DIRECTORY key=value ...``.

Every recorded row goes to standard output as a line of JSON. When the study that reads them is gone, the next line
cannot be written and the worker ends; its checkpoint stays.
"""

import json
import math
import sys

from fbgd.config import compose
from fbgd.runs import execute
from fbgd.tally import Row


def main(words: list[str]) -> None:
    """Run the experiment that ``words[1:]`` describe in the directory ``words[0]``."""
    path, *overrides = words

    def report(row: Row, steps: int) -> None:
        plain = {key: value for key, value in row.items() if math.isfinite(value)}
        print(json.dumps({"row": plain, "steps": steps}), flush=True)

    execute(compose(overrides), path, report, warn=lambda text: print(f"warning: {text}", file=sys.stderr))


if __name__ == "__main__":
    main(sys.argv[1:])
