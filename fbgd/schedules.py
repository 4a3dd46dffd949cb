"""Learning-rate factors as closed forms of the progress in passes: resuming needs no scheduler state.

A schedule is called with the passes done before a step and the passes the step itself takes, and returns the factor
on the optimizer's learning rate. Warm-up looks at the step's end, so that no first step is lost at rate zero; decay
looks at its start, so that no last step is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar

from torch import Tensor

from fbgd.errors import ConfigError, said
from regularizers import foreach_norm

HORIZONS = ("start", "warmup")


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up from 0 over ``warmup`` passes, then a decay that subclasses define.

    Args:
        warmup: passes of warm-up, at least 0.
        horizon: the pass at which the decay is complete; it may lie beyond the budget, when training stops early on
            its curve, and must lie beyond the warm-up.
        final: the factor at the horizon and after it, in [0, 1].
        horizon_from: ``"start"``: the horizon is counted from pass 0; ``"warmup"``: it is counted from the end of the
            warm-up, and is so the length of the decay, which ends at pass ``warmup + horizon``. A decay chained behind
            a warm-up, as in the code of Geiping et al. 2022, is the latter.

    Raises:
        ValueError: an argument is outside its range.
    """

    #: Whether the factor depends on the weights, so that no two networks share it.
    needs_weights: ClassVar[bool] = False

    warmup: float = 0.0
    horizon: float = 1.0
    final: float = 0.0
    horizon_from: str = field(default="start", kw_only=True)

    def __post_init__(self):
        if not 0 <= self.warmup < math.inf:
            raise ValueError(f"schedule.warmup = {self.warmup!r} is outside the valid range [0, inf) passes")
        if self.horizon_from not in HORIZONS:
            valid = ", ".join(map(repr, HORIZONS))
            raise ValueError(f"schedule.horizon_from = {self.horizon_from!r} is not one of {valid}")
        if not 0 < self.length < math.inf:
            if self.horizon_from == "warmup":
                raise ValueError(f"schedule.horizon = {self.horizon!r} is outside the valid range (0, inf) passes")
            raise ValueError(
                f"schedule.horizon = {self.horizon!r} must be larger than schedule.warmup = {self.warmup!r} passes"
            )
        if not 0 <= self.final <= 1:
            raise ValueError(f"schedule.final = {self.final!r} is outside the valid range [0, 1]")

    @property
    def length(self) -> float:
        """Passes from the end of the warm-up to the end of the decay."""
        return self.horizon if self.horizon_from == "warmup" else self.horizon - self.warmup

    def __call__(self, passes: float, step: float) -> float:
        """The factor for a step that begins after ``passes`` passes and takes ``step`` passes itself."""
        if passes + step <= self.warmup:
            return (passes + step) / self.warmup
        return self.after_warmup(passes, step)

    def factor(self, passes: float, step: float, params: Sequence[Tensor]) -> float:
        """What the loop multiplies every learning rate with; the same as a call unless the weights matter.

        Args:
            passes: passes done before the step.
            step: passes that the step itself takes.
            params: the parameters before the step.
        """
        return self(passes, step)

    def after_warmup(self, passes: float, step: float) -> float:
        """The factor for a step that ends after the warm-up."""
        progress = (passes - self.warmup) / self.length
        return self.final + (1 - self.final) * self.decay(min(max(progress, 0.0), 1.0))

    def decay(self, progress: float) -> float:
        """From 1 at progress 0 to 0 at progress 1."""
        raise TypeError(f"{type(self).__name__} defines no decay")


class Constant(Schedule):
    """No decay: 1 after the warm-up."""

    def decay(self, progress: float) -> float:
        return 1.0


class Linear(Schedule):
    """A straight line down to ``final``."""

    def decay(self, progress: float) -> float:
        return 1 - progress


class Cosine(Schedule):
    r"""Half a cosine: :math:`\frac12 (1 + \cos \pi t)` (Loshchilov & Hutter 2017, SGDR, without restarts)."""

    def decay(self, progress: float) -> float:
        return (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplied by ``gamma`` at each of ``milestones``, which are fractions of the decay in (0, 1)."""

    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        for milestone in self.milestones:
            if not 0 < milestone < 1:
                raise ValueError(f"schedule.milestones = {self.milestones!r}: {milestone!r} is not in (0, 1)")
        if not 0 < self.gamma < 1:
            raise ValueError(f"schedule.gamma = {self.gamma!r} is outside the valid range (0, 1)")

    def decay(self, progress: float) -> float:
        return self.gamma ** sum(progress >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    r"""A staircase: :math:`1 / \sqrt{1 + \lfloor t / p \rfloor}`, t passes after the warm-up, p the ``period``.

    It has no end, so ``horizon``, ``horizon_from`` and ``final`` are without effect.

    Args:
        period: passes between two drops, which may be a fraction of one; a drop every 512 steps is 512 / steps per
            pass. Default 1.

    Raises:
        ValueError: an argument is outside its range.

    Source: Nakkiran et al. 2019, "Deep Double Descent", appendix B: 0.1 / sqrt(1 + floor(t / 512)), t in steps.
    """

    period: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.period < math.inf:
            raise ValueError(f"schedule.period = {self.period!r} is outside the valid range (0, inf) passes")

    def after_warmup(self, passes: float, step: float) -> float:
        # Steps are fractions of a pass: without the millionth of one, rounding would delay some drops by a whole step.
        since = max(passes - self.warmup + 1e-6 * step, 0.0)
        return 1 / math.sqrt(1 + math.floor(since / self.period))


@dataclass(frozen=True)
class Noam(Schedule):
    r"""The inverse square root of the progress, after a linear warm-up that meets it at factor 1.

    .. math:: \min(t / w, \sqrt{w / t}) = \sqrt{w} \min(t^{-1/2}, t\, w^{-3/2})

    with t the passes done at the end of the step, so that steps count from 1 as in the paper, in decay as well. It
    knows no horizon.

    Args:
        warmup: w, passes of warm-up, more than 0; the peak, factor 1, is at its end.

    Raises:
        ValueError: ``warmup`` is not positive and finite.

    Source: Vaswani et al. 2017, "Attention Is All You Need", eq. 3.
    """

    warmup: float = 1.0
    horizon: float = field(init=False, default=math.inf)
    final: float = field(init=False, default=0.0)
    horizon_from: str = field(init=False, default="start")

    def __post_init__(self):
        if not 0 < self.warmup < math.inf:
            raise ValueError(f"schedule.warmup = {self.warmup!r} is outside the valid range (0, inf) passes")

    def __call__(self, passes: float, step: float) -> float:
        progress = (passes + step) / self.warmup
        return min(progress, progress**-0.5)


@dataclass(frozen=True)
class EffectiveRate(Schedule):
    r"""A given course of the effective learning rate: the factor is in proportion to the norm of the weights.

    .. math:: \eta_t = \eta\, r(t)\, \lVert w_t \rVert

    with w all parameters of two or more dimensions, those that weight decay acts on, and r linear between its values,
    so that a run can follow the effective rate of another one whose norm took another course. ``warmup`` and ``final``
    must be 0: the course has its own.

    Args:
        ratios: r, the factor over the norm, at equal distances from pass 0 to the ``horizon``; at least two, none of
            them negative.

    Raises:
        ValueError: an argument is outside its range.

    Source: D'Angelo, Andriushchenko, Varre & Flammarion 2023, "Why Do We Need Weight Decay in Modern Deep Learning?",
    where a run without weight decay is given the effective learning rate of a run with it.
    """

    needs_weights: ClassVar[bool] = True

    horizon_from: str = field(init=False, default="start")
    ratios: tuple[float, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        if self.warmup or self.final:
            raise ValueError(f"schedule.warmup = {self.warmup!r} and schedule.final = {self.final!r} must be 0 here")
        if len(self.ratios) < 2 or not all(0 <= ratio < math.inf for ratio in self.ratios):
            raise ValueError(f"schedule.ratios = {self.ratios!r}: two or more numbers in [0, inf) are needed")

    def __call__(self, passes: float, step: float) -> float:
        """The factor, without the norm, at the end of a step: that is where rows tell the rate of another run."""
        place = min((passes + step) / self.horizon, 1.0) * (len(self.ratios) - 1)
        left = min(math.floor(place), len(self.ratios) - 2)
        before, after = self.ratios[left : left + 2]
        return before + (place - left) * (after - before)

    def factor(self, passes: float, step: float, params: Sequence[Tensor]) -> float:
        """The factor with the norm of all parameters of two or more dimensions before the step."""
        return self(passes, step) * foreach_norm([param.detach() for param in params if param.dim() > 1]).item()


@dataclass(frozen=True)
class PlainSchedule:
    """A function of the passes alone, ``(passes, step) -> factor``, with a schedule's interface."""

    function: Callable[[float, float], float]
    needs_weights: ClassVar[bool] = False

    def factor(self, passes: float, step: float, params: Sequence[Tensor]) -> float:
        """As :meth:`Schedule.factor`.

        Raises:
            ConfigError: the function fails, or gives something else than a finite number of at least 0.
        """
        try:
            factor: Any = self.function(passes, step)
        except Exception as error:
            raise ConfigError(f"schedule: after {passes:g} passes the function failed: {said(error)}") from error
        if isinstance(factor, bool) or not isinstance(factor, Real) or not 0 <= float(factor) < math.inf:
            raise ConfigError(
                f"schedule: after {passes:g} passes the factor is {factor!r}, and must be a number in [0, inf)"
            )
        return float(factor)


def as_schedule(schedule: Any) -> Schedule | PlainSchedule:
    """A schedule as it is, and any other function of the passes with a schedule's interface.

    >>> as_schedule(lambda passes, step: 1 / (1 + passes)).factor(1.0, 0.5, [])
    0.5

    Raises:
        ConfigError: it cannot be called.
    """
    if callable(getattr(schedule, "factor", None)):
        return schedule
    if not callable(schedule):
        raise ConfigError(f"schedule = {schedule!r} is no function (passes, step) -> factor")
    return PlainSchedule(schedule)
