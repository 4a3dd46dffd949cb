"""What Ray calls on a node: a bundle's jobs, in the study's folder where it is seen, else in one that is sent home."""

import tempfile
from pathlib import Path
from typing import Any

from fbgd.runs.launchers.bundle import Bundle


def execute(bundle: Bundle, key: str, queue: Any, mark: str | None, begun: list[list[dict]]) -> None:
    """Execute the jobs of a bundle.

    Args:
        bundle: the jobs.
        key: what the study knows it by.
        queue: of the study, for what is to be told: pairs of the key and a message.
        mark: a file that whoever sees the study's folder sees; empty: all see it; ``None``: none does.
        begun: of every run of every job what its directory held, for a node that does not see it.
    """

    def send(**message: object) -> None:
        queue.put((key, message))

    if mark == "" or (mark is not None and Path(mark).exists()):
        bundle.execute(send)
        return
    # Where the disk is shared, PyTorch is loaded by the worker alone.
    from fbgd.runs.launchers.away import Away

    with tempfile.TemporaryDirectory(prefix="fbgd-") as name:
        Away(bundle, Path(name), begun, send).execute()
