"""Finished runs, read back from their checkpoints for what a study measures afterwards."""

from torch import Tensor

from fbgd.config.build import Built, build
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import PlannedRun


def final_weights(run: PlannedRun) -> dict[str, Tensor]:
    """The last parameters of a finished run, by name.

    Raises:
        ValueError: it has no checkpoint.
    """
    state = RunDirectory(run.path).read_checkpoint(print)
    if state is None:
        raise ValueError(f"{run.path} has no checkpoint, which its weights are read from; delete it to train again")
    return state["model"]


def rebuilt(run: PlannedRun) -> Built:
    """A finished run as objects, its model at the weights that it ended with.

    Raises:
        ValueError: it has no checkpoint.
    """
    weights = final_weights(run)
    built = build(run.config, blocks_per_call=1)
    built.experiment.model.load_state_dict(weights)
    return built
