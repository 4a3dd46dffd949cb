"""Runs of Trackio."""

from collections.abc import Mapping

from fbgd.errors import needs
from fbgd.runs.rows import flatten
from fbgd.runs.trackers.run import TrackedRun


class Trackio:
    """A run of Trackio, in a database on this computer that ``trackio show`` opens, or in a space of Hugging Face.

    A resumed run goes on under the same name, which holds its identifier.

    Args:
        run: what is tracked.
        project: that it belongs to.
        space: of Hugging Face, ``USER/NAME``, to send it to; ``None``: this computer, below ``TRACKIO_DIR``.

    Raises:
        MissingPackageError: trackio is not installed.
    """

    extra = "trackio"

    def __init__(self, run: TrackedRun, project: str = "fbgd", space: str | None = None):
        with needs(self.extra):
            import trackio
        self.run = trackio.init(
            project=project,
            name=f"{run.name} {run.identifier}",
            space_id=space,
            config=flatten(run.settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write a row."""
        self.run.log({name: value for name, value in values.items() if value is not None}, step=step)

    def finish(self, summary: Mapping[str, object]) -> None:
        """Send what is left."""
        self.run.finish()
