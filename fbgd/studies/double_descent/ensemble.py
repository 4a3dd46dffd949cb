"""The ensemble of a setting's seeds: the class with the highest mean probability."""

import torch

from fbgd.config.build import load_data
from fbgd.runs.plan import PlannedRun
from fbgd.studies.trained import outputs_on_test


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
        total += outputs_on_test(run, dataset).softmax(-1)
    return float((total.argmax(-1) != dataset.test.targets).double().mean())
