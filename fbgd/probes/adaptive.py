"""Adaptive sharpness: the rise of the loss when every weight moves by a share of itself."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.products import check_precision, single_blocks
from fbgd.probes.surface import Surface, surface

SETS = ("set", "block")
NORMS = ("linf", "l2")
Slope = Callable[[Tensor], tuple[float, Tensor]]
Move = Callable[[Tensor, Tensor, float], Tensor]


class AdaptiveSharpness:
    r"""The rise of the objective under perturbations in units of the weights, at worst and on average.

    .. math::
        \max_{|\delta_i| \le \rho |w_i|} L(w + \delta) - L(w), \qquad
        E_{\delta_i \sim N(0, \rho^2 w_i^2)} L(w + \delta) - L(w)

    Both stay what they are when weights are rescaled without changing the function. The worst case is found by steps
    of signed ascent from the middle of the box, whose size begins with the box's and halves where a step brings no
    gain: those of APGD without momentum, a lower bound. The average is over pairs of opposite draws. Logits are not
    normalised. With ``norm="l2"`` the worst case is that of a ball, ASAM's own neighbourhood with its eta at 0:

    .. math:: \max_{\lVert \delta / |w| \rVert_2 \le \rho} L(w + \delta) - L(w)

    The first step then is ASAM's, :math:`\rho\, w^2 g / \lVert w g \rVert`.

    Returns columns ``worst`` and ``average``, in units of the objective.

    Args:
        rho: the share of a weight, positive.
        steps: of signed ascent, each a gradient of every sample.
        samples: draws for the average, even; 0: no average.
        per: ``"set"``: one perturbation for all samples; ``"block"``: every block its own, and the mean of their
            rises. The smaller the blocks, the larger that is, so it compares runs of equal block sizes only.
        norm: ``"linf"``: a box around every weight; ``"l2"``: a ball around all of them, for which a useful ``rho``
            is larger by the root of their number.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: a number that is out of range.

    Source: Kwon, Kim, Park & Choi 2021, "ASAM"; Andriushchenko, Croce, Müller, Hein & Flammarion 2023, "A Modern Look
    at the Relationship between Sharpness and Generalization"; Croce & Hein 2020 for APGD.
    """

    def __init__(
        self,
        rho: float = 0.05,
        steps: int = 20,
        samples: int = 20,
        per: str = "set",
        precision: str = "as trained",
        norm: str = "linf",
    ):
        if not 0 < rho < math.inf:
            raise ConfigError(f"rho = {rho!r} is outside the valid range (0, inf)")
        if steps < 1:
            raise ConfigError(f"steps = {steps!r} must be at least 1")
        if samples < 0 or samples % 2:
            raise ConfigError(f"samples = {samples!r} must be an even number, of pairs of opposite draws")
        if per not in SETS:
            raise ConfigError(f"per = {per!r} must be one of {', '.join(SETS)}")
        if norm not in NORMS:
            raise ConfigError(f"norm = {norm!r} must be one of {', '.join(NORMS)}")
        check_precision(precision)
        self.ascent = signed_ascent if norm == "linf" else normed_ascent
        self.rho, self.steps, self.samples, self.per, self.precision = rho, steps, samples, per, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        landscape = surface(state, self.precision)
        columns = {"worst": self.worst(state, landscape)}
        if self.samples:
            columns["average"] = self.average(landscape, state.generator())
        return columns

    def worst(self, state: ProbeState, landscape: Surface) -> float:
        """The rise at worst: of the whole set, or the mean over the blocks of training."""
        if self.per == "set":
            return self.ascent(landscape.value_and_gradient, landscape.origin, self.rho, self.steps)
        blocks, total = state.blocks(), 0.0
        for block in single_blocks(blocks, landscape.origin.dtype):
            total += (
                len(block[0])
                / blocks.samples
                * self.ascent(partial(landscape.of_block, block), landscape.origin, self.rho, self.steps)
            )
        return total

    def average(self, landscape: Surface, generator: torch.Generator) -> float:
        """The mean rise over pairs of opposite draws."""
        origin, total = landscape.origin, 0.0
        for _ in range(self.samples // 2):
            draw = torch.randn(len(origin), generator=generator, dtype=torch.float64).to(origin)
            total += sum(landscape.value(origin + sign * self.rho * origin.abs() * draw) for sign in (1, -1))
        return total / self.samples - landscape.value(origin)


def signed_ascent(slope: Slope, origin: Tensor, rho: float, steps: int) -> float:
    """The largest rise of a function that signed ascent finds in the box ``|delta| <= rho |origin|``.

    Args:
        slope: value and gradient at a vector.
        origin: the middle of the box (D).
        rho: half its width, in units of the entries of ``origin``.
        steps: gradients after the first.
    """
    box = rho * origin.abs()

    def move(step: Tensor, gradient: Tensor, size: float) -> Tensor:
        return torch.maximum(torch.minimum(step + size * box * gradient.sign(), box), -box)

    return ascent(slope, origin, steps, move)


def normed_ascent(slope: Slope, origin: Tensor, rho: float, steps: int) -> float:
    """The largest rise of a function that ascent finds in the ball ``norm(delta / origin) <= rho``.

    Steps are as long as the ball's radius, or half of that and so on, in the ball's own units, and led back to its
    surface where they leave it; what is 0 in ``origin`` stays. Args as those of :func:`signed_ascent`.
    """
    extent = origin.abs()

    def move(step: Tensor, gradient: Tensor, size: float) -> Tensor:
        uphill = extent * gradient
        units = torch.where(extent > 0, step / extent, 0.0) + size * rho * uphill / uphill.norm().clamp_min(1e-300)
        return extent * units * (rho / units.norm().clamp_min(rho))

    return ascent(slope, origin, steps, move)


def ascent(slope: Slope, origin: Tensor, steps: int, move: Move) -> float:
    """The largest rise that is found by steps whose size halves where one brings no gain.

    Args:
        slope: value and gradient at a vector.
        origin: where it begins (D).
        steps: gradients after the first.
        move: from the perturbation so far, the gradient there and a step's size to the next perturbation.
    """
    first, gradient = slope(origin)
    best, step, size = first, torch.zeros_like(origin), 1.0
    for _ in range(steps):
        trial = move(step, gradient, size)
        value, ahead = slope(origin + trial)
        if value > best:
            best, step, gradient = value, trial, ahead
        else:
            size /= 2
    return best - first
