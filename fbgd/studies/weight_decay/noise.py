r"""How noisy the gradients of blocks are at the weights that a run ended with.

.. math::
    \operatorname{tr} \Sigma = \sum_B \frac{|B|}{N} \lVert g_B \rVert^2 - \lVert \bar g \rVert^2, \qquad
    \bar g = \sum_B \frac{|B|}{N} g_B

The rows of a run hold the mean of :math:`\lVert g_B \rVert`, not of its square, and in SGD nothing of the mean
gradient, so this takes another pass over the training set.
"""

from typing import NamedTuple

import torch

from fbgd.config.build import build
from fbgd.engine.objective import classification
from fbgd.runs.plan import PlannedRun
from fbgd.studies.weight_decay.weights import final_weights


class Noise(NamedTuple):
    """The trace of the covariance of block gradients, and the squared norm of their mean."""

    trace: float
    squared_mean: float

    @property
    def ratio(self) -> float:
        """Noise to signal."""
        return self.trace / self.squared_mean


def gradient_noise(run: PlannedRun) -> Noise:
    """The noise of a finished run's block gradients over the blocks of its first pass, without penalties.

    Args:
        run: its last weights are read from its checkpoint.

    Raises:
        ValueError: it has no checkpoint.
    """
    state = final_weights(run)
    experiment = build(run.config, blocks_per_call=1).experiment
    experiment.model.load_state_dict(state)
    objective = classification(experiment.model)
    params = list(experiment.model.parameters())
    blocks = experiment.source.whole_pass(0)
    mean, squares = [torch.zeros_like(param, dtype=torch.float64) for param in params], 0.0
    for stack in blocks.stacks(1):
        share = stack.targets.shape[1] / blocks.samples
        loss, _ = objective(params, stack.inputs[0], stack.targets[0], stack.keys[0])
        gradient = [entry.double() for entry in torch.autograd.grad(loss, params)]
        squares += share * sum(float(entry.square().sum()) for entry in gradient)
        mean = [total + share * entry for total, entry in zip(mean, gradient, strict=True)]
    squared_mean = sum(float(entry.square().sum()) for entry in mean)
    return Noise(squares - squared_mean, squared_mean)
