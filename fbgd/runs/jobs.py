"""What a worker does with a job: a run, or several that are trained together."""

import math
import traceback
from collections.abc import Callable
from functools import partial

from fbgd.config.compose import compose
from fbgd.config.schema import from_dict, to_dict
from fbgd.config.targets import import_from
from fbgd.engine.record import Row
from fbgd.runs.attempt import execute
from fbgd.runs.provenance import git_revision
from fbgd.runs.signals import StopRequest
from fbgd.runs.together import execute_together

__all__ = ["git_revision", "job_of_words", "work"]


def job_of_words(words: list[str]) -> list[dict]:
    """The job of a single run: its directory, and the words of its configuration."""
    return [{"path": words[0], "config": to_dict(compose(words[1:]))}]


def work(job: list[dict], send: Callable[..., None], stop: StopRequest) -> bool:
    """Execute the runs of a job.

    Args:
        job: of every run the ``path`` and the ``config``.
        send: what is to be told, as keyword arguments.
        stop: says when to stop before the end.

    Returns:
        Whether they succeeded.

    Raises:
        Interrupted: it was asked to stop; checkpoints are written.
    """

    def report(run: int, row: Row, steps: int) -> None:
        send(run=run, row={key: value for key, value in row.items() if math.isfinite(value)}, steps=steps)

    def warn(run: int, text: str) -> None:
        send(run=run, warning=text)

    try:
        configs, paths = [from_dict(run["config"]) for run in job], [run["path"] for run in job]
        for config in configs:
            import_from(config.impl.module_path)
        if len(job) == 1:
            execute(configs[0], paths[0], partial(report, 0), partial(warn, 0), stop)
        else:
            execute_together(configs, paths, report, warn, stop)
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 - whatever goes wrong in a run is the study's to tell
        traceback.print_exc()
        send(ended=traceback.format_exc())
        return False
    send(ended=None)
    stop.check()
    return True
