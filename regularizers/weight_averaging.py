"""Averages of the weights over training, for evaluation: the trained weights themselves are left alone."""

from regularizers._checks import check_range
from regularizers.roles import WeightAverage


class EMA(WeightAverage):
    r"""Exponential moving average, whose memory is given in passes.

    .. math::
        \bar\theta_t = \frac{\sum_{s \le t} d^{\,t-s} \theta_s}{\sum_{s \le t} d^{\,t-s}}, \qquad
        d = 2^{-1 / (h \cdot \text{steps per pass})}

    Args:
        half_life: :math:`h > 0`, the passes after which a step's weight has halved. A decay of 0.999 with 100 steps a
            pass is a half-life of 6.9.

    Raises:
        ValueError: ``half_life`` is not positive and finite.

    Source: Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; the division that makes it
    unbiased from the first step on as in Kingma & Ba 2015, section 3.

    Examples:
        >>> ema, average = EMA(half_life=1.0), 0.0
        >>> for step, weights in enumerate((1.0, 4.0), start=1):  # one step a pass, so a decay of 1 / 2
        ...     average += ema.weight(step, steps_per_pass=1, steps=2) * (weights - average)
        >>> average  # (0.5 * 1 + 1 * 4) / 1.5
        3.0
    """

    def __init__(self, half_life: float = 2.0):
        check_range("half_life", half_life, 0.0, ends="()")
        self.half_life = half_life

    def weight(self, step: int, steps_per_pass: int, steps: int) -> float:
        decay = 2 ** (-1 / (self.half_life * steps_per_pass))
        return (1 - decay) / (1 - decay**step)


class SWA(WeightAverage):
    r"""Stochastic weight averaging: the plain mean of the weights at regular moments of the last part of training.

    Args:
        start: share of the budget in [0, 1) after which averaging begins.
        every: passes between two weights that enter the mean; the first is taken that long after ``start``.

    Raises:
        ValueError: an argument is outside its range.

    Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization", algorithm 1.
    Their learning rate stays constant or cycles; combine with ``schedule=constant`` for that.

    Examples:
        >>> swa = SWA(start=0.5, every=1.0)
        >>> [swa.weight(step, steps_per_pass=2, steps=8) for step in range(1, 9)]  # of the last half, every pass
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.5]
    """

    def __init__(self, start: float = 0.75, every: float = 1.0):
        check_range("start", start, 0.0, 1.0)
        check_range("every", every, 0.0, ends="()")
        self.start, self.every = start, every

    def weight(self, step: int, steps_per_pass: int, steps: int) -> float:
        since = step - int(self.start * steps)
        interval = max(1, round(self.every * steps_per_pass))
        return interval / since if since > 0 and since % interval == 0 else 0.0
