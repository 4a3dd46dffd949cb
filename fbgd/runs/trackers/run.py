"""What a tracker is told of its run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TrackedRun:
    """A run, or the rest of one, for a tracker.

    Args:
        directory: of the run.
        name: to show.
        identifier: of the run at the service: the same whenever the run is resumed.
        first_step: steps from this one on will be logged; those before were, by an earlier start.
        settings: its configuration, nested.
    """

    directory: Path
    name: str
    identifier: str
    first_step: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
