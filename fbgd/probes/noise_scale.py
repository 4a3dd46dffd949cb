"""The simple gradient noise scale: at which batch size noise and signal of a step are level."""

import math

from fbgd.engine.probe import ProbeState
from fbgd.probes.moments import GradientMoments, gradient_moments


class GradientNoiseScale:
    r"""The noise scale :math:`\operatorname{tr}(\Sigma) / |G|^2`, from the block gradients of a pass.

    With G the true gradient, :math:`\Sigma` the covariance of the gradient of one sample, and b samples in each of K
    blocks, whose mean gradient over all N = K b samples is :math:`\bar g`, both are estimated without bias by

    .. math::
        |G|^2 \approx \frac{N |\bar g|^2 - b |g_b|^2}{N - b}, \qquad
        \operatorname{tr}(\Sigma) \approx \frac{|g_b|^2 - |\bar g|^2}{1/b - 1/N}

    where :math:`|g_b|^2` is the mean over blocks. Blocks of unequal sizes are weighted by |B| / N; then
    :math:`E |g_B|^2 = |G|^2 + \operatorname{tr}(\Sigma) / |B|` gives

    .. math::
        \sum_B \frac{|B|}{N} |g_B|^2 \approx |G|^2 + \frac{K}{N} \operatorname{tr}(\Sigma), \qquad
        |\bar g|^2 \approx |G|^2 + \frac{1}{N} \operatorname{tr}(\Sigma)

    so that b is the mean size N / K in the formulas above, which stay unbiased. Samples are taken as independent, so
    blocks without replacement estimate the noise of the distribution that the training set was drawn from. With batch
    norm, whose gradients are no means over samples, it is what the formulas give and no property of samples.

    The gradients are those of the objective: with penalties on parameters, without gradient penalties and clipping.

    Returns columns ``squared_gradient`` (:math:`|G|^2`, which may be negative where noise drowns it), ``trace``
    (:math:`\operatorname{tr}(\Sigma)`) and ``noise_scale``, in samples. It costs one gradient of every sample. With a
    single block all three are unknown: not a number.

    Source: McCandlish, Kaplan, Amodei & OpenAI Dota Team 2018, "An Empirical Model of Large-Batch Training",
    appendix A.1.
    """

    def __call__(self, state: ProbeState) -> dict[str, float]:
        return noise_scale(gradient_moments(state.block_gradients()))


def noise_scale(moments: GradientMoments) -> dict[str, float]:
    r"""The columns of :class:`GradientNoiseScale` from the moments of block gradients.

    >>> noise_scale(GradientMoments(samples=4, blocks=2, squared_mean=3.0, mean_square=5.0))
    {'squared_gradient': 1.0, 'trace': 8.0, 'noise_scale': 8.0}
    """
    if moments.blocks < 2:
        return dict.fromkeys(("squared_gradient", "trace", "noise_scale"), math.nan)
    size, samples = moments.samples / moments.blocks, moments.samples
    squared = (samples * moments.squared_mean - size * moments.mean_square) / (samples - size)
    trace = moments.trace / (1 / size - 1 / samples)
    return {"squared_gradient": squared, "trace": trace, "noise_scale": trace / squared if squared else math.nan}
