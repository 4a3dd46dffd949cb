"""Runs of Weights & Biases."""

from collections.abc import Mapping

from fbgd.errors import needs
from fbgd.runs.trackers.run import TrackedRun

MODES = ("online", "offline")


class WeightsAndBiases:
    """A run at Weights & Biases, or, offline, files in ``DIRECTORY/wandb/`` that ``wandb sync`` sends there.

    A resumed run goes on under the same identifier.

    Args:
        run: what is tracked.
        project: that it belongs to.
        mode: "online" or "offline".

    Raises:
        ValueError: the mode is another one.
        MissingPackageError: wandb is not installed.
    """

    extra = "wandb"

    def __init__(self, run: TrackedRun, project: str = "fbgd", mode: str = "online"):
        if mode not in MODES:
            raise ValueError(f"mode = {mode!r} is not one of {', '.join(MODES)}")
        with needs(self.extra):
            import wandb
        self.run = wandb.init(
            project=project,
            id=run.identifier,
            name=run.name,
            dir=str(run.directory),
            config=dict(run.settings),
            mode="online" if mode == "online" else "offline",
            # Offline there is nobody to ask; runs of one identifier are joined when they are sent.
            resume="allow" if mode == "online" else None,
            # Seeds that are trained together have a run each.
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write a row."""
        self.run.log(dict(values), step=step)

    def finish(self, summary: Mapping[str, object]) -> None:
        """Say how the run ended, and send what is left."""
        self.run.summary["status"] = summary["status"]
        self.run.finish(exit_code=0)
