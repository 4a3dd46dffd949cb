"""Finished runs, read back from their checkpoints for what a study measures afterwards."""

import torch
from torch import Tensor

from fbgd.config.build import Built, build, build_model
from fbgd.data import Dataset
from fbgd.engine.evaluate import mode
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


@torch.no_grad()
def outputs_on_test(run: PlannedRun, dataset: Dataset) -> Tensor:
    """The outputs (N, C) of a finished run on the test set, float64.

    Args:
        run: finished.
        dataset: its data.

    Raises:
        ValueError: it has no checkpoint.
    """
    model = build_model(run.config, dataset)
    model.load_state_dict(final_weights(run))
    inputs = dataset.test.inputs.split(run.config.impl.evaluation_batch)
    with mode(model, training=False):
        return torch.cat([model(batch) for batch in inputs]).double()
