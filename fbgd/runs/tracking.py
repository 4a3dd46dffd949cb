"""Telling a tracker a run's rows: each once, whatever is interrupted, and never at the cost of the run."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fbgd.config.schema import Config, to_dict
from fbgd.config.targets import build_target
from fbgd.engine.record import Row
from fbgd.runs.directory import RunDirectory, write_atomically
from fbgd.runs.trackers import TrackedRun

STATE = ".tracker.json"


class Tracking:
    """Sends the rows that ``metrics.csv`` holds to a run's tracker.

    What was sent is noted in the run's directory before it is sent, so that no row arrives twice; one that was cut off
    in between is in ``metrics.csv`` alone. The first exception of the tracker is said, and ends it.

    Args:
        config: the experiment, with its ``tracker``.
        directory: of the run.
        warn: hears of the exception.
    """

    def __init__(self, config: Config, directory: RunDirectory, warn: Callable[[str], None]):
        self.config, self.directory, self.warn = config, directory, warn
        self.state = directory.path / STATE
        self.tracker: Any = None
        self.going = bool(config.tracker)

    def send(self, rows: Sequence[Row]) -> None:
        """Send those of the run's rows so far that were not sent yet."""
        if not self.going:
            return
        noted = self._noted()
        new = [row for row in rows if row["step"] > noted["step"]]
        if not new:
            return
        write_atomically(self.state, json.dumps({**noted, "step": new[-1]["step"]}))
        self._guarded(lambda: self._log(noted, new))

    def finish(self, summary: Mapping[str, object]) -> None:
        """The run has ended."""
        if self.tracker is not None:
            self._guarded(lambda: self.tracker.finish(summary))
            self.tracker, self.going = None, False

    def _noted(self) -> dict[str, Any]:
        """The tracker's run and the last step that was sent to it; a new run for another tracker."""
        fresh = {"tracker": self.config.tracker, "identifier": uuid.uuid4().hex[:12], "step": -1}
        try:
            noted = json.loads(self.state.read_text())
            return noted if noted["tracker"] == self.config.tracker else fresh
        except (OSError, ValueError, KeyError, TypeError):
            return fresh

    def _log(self, noted: Mapping[str, Any], rows: Sequence[Row]) -> None:
        if self.tracker is None:
            path = self.directory.path
            run = TrackedRun(path, path.name, noted["identifier"], noted["step"] + 1, to_dict(self.config))
            self.tracker = build_target("tracker", self.config.tracker, run=run)
        for row in rows:
            self.tracker.log(row["step"], {key: value for key, value in row.items() if key != "step"})

    def _guarded(self, work: Callable[[], object]) -> None:
        """Do what may fail for reasons that have nothing to do with the run."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong at a service, the run goes on
            self.tracker, self.going = None, False
            text = " ".join(str(error).split()) or type(error).__name__
            self.warn(f"tracker ({self.config.tracker['_target_']}) failed and is told no more: {text}")
