"""Event files for TensorBoard."""

from collections.abc import Mapping

from fbgd.errors import needs
from fbgd.runs.trackers.run import TrackedRun


class TensorBoard:
    """Scalars in ``DIRECTORY/tensorboard/``, one a column.

    A resumed run adds a file, which tells readers to forget what an earlier one says of the same steps.

    Args:
        run: what is tracked.

    Raises:
        MissingPackageError: TensorBoard is not installed.
    """

    extra = "tensorboard"

    def __init__(self, run: TrackedRun):
        with needs(self.extra):
            import tensorboard  # noqa: F401 - torch's writer imports it
            from torch.utils.tensorboard import SummaryWriter
        self.writer = SummaryWriter(str(run.directory / "tensorboard"), purge_step=run.first_step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write a row."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def finish(self, summary: Mapping[str, object]) -> None:
        """Close the file; TensorBoard has no place for a summary."""
        self.writer.close()
