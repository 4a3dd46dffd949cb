"""The ensemble of a setting's seeds: the class with the highest mean probability."""

import torch

from fbgd.config.build import build_model, load_data
from fbgd.engine.evaluate import mode
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import PlannedRun


@torch.no_grad()
def ensemble_error(runs: list[PlannedRun]) -> float:
    r"""Test error of :math:`\arg\max_c \frac1K \sum_k p_k(c \mid x)` over the K finished runs of one setting.

    Args:
        runs: of one setting; their last weights are read from their checkpoints.

    Raises:
        ValueError: a run has no checkpoint.
    """
    dataset = load_data(runs[0].config)
    total = torch.zeros(len(dataset.test), dataset.classes, dtype=torch.float64)
    for run in runs:
        state = RunDirectory(run.path).read_checkpoint(print)
        if state is None:
            raise ValueError(
                f"{run.path} has no checkpoint, which the ensemble of the seeds needs; delete it to train again"
            )
        model = build_model(run.config, dataset)
        model.load_state_dict(state["model"])
        with mode(model, training=False):
            for start in range(0, len(total), run.config.impl.evaluation_batch):
                batch = slice(start, start + run.config.impl.evaluation_batch)
                total[batch] += model(dataset.test.inputs[batch]).double().softmax(-1)
    return float((total.argmax(-1) != dataset.test.targets).double().mean())
