r"""How noisy the gradients of blocks are at the weights that a run ended with.

.. math::
    \operatorname{tr} \Sigma = \sum_B \frac{|B|}{N} \lVert g_B \rVert^2 - \lVert \bar g \rVert^2, \qquad
    \bar g = \sum_B \frac{|B|}{N} g_B

The rows of a run hold the mean of :math:`\lVert g_B \rVert`, not of its square, and in SGD nothing of the mean
gradient, so this takes another pass over the training set.
"""

from typing import NamedTuple

from fbgd.engine.gradient import block_gradients
from fbgd.engine.objective import classification
from fbgd.probes.moments import gradient_moments
from fbgd.runs.plan import PlannedRun
from fbgd.studies.trained import rebuilt


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
    experiment = rebuilt(run).experiment
    params = [param.detach() for param in experiment.model.parameters()]
    gradients = block_gradients(classification(experiment.model), params, experiment.source.whole_pass(0))
    moments = gradient_moments(gradients)
    return Noise(moments.trace, moments.squared_mean)
