"""Classical surfaces: functions of two numbers with known minima."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Surface:
    r"""A function of two numbers.

    Args:
        function: of a point (2), to be minimised.
        start: where paths begin.
        minima: its global minima, where it is ``lowest``.
        window: of the picture, (left, right, bottom, top).
        lowest: the value there.
    """

    function: Callable[[Tensor], Tensor]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    window: tuple[float, float, float, float]
    lowest: float = 0.0


def valley(point: Tensor) -> Tensor:
    """A quadratic whose curvatures are 1/50 and 1, turned by 30 degrees."""
    x, y = point
    along, across = 3**0.5 / 2 * x + y / 2, 3**0.5 / 2 * y - x / 2
    return (along**2 / 50 + across**2) / 2


def rosenbrock(point: Tensor) -> Tensor:
    r"""The bent valley :math:`(1 - x)^2 + 100 (y - x^2)^2` (Rosenbrock 1960)."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def himmelblau(point: Tensor) -> Tensor:
    r"""Four minima: :math:`(x^2 + y - 11)^2 + (x + y^2 - 7)^2` (Himmelblau 1972)."""
    x, y = point
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def plateau(point: Tensor) -> Tensor:
    r"""Flat far away, and a saddle in the way: :math:`1 - e^{-(x - 2)^2 / 2 - y^2/2} - e^{-(x + 2)^2 / 2 - y^2 / 2}`.

    Two equal wells at about :math:`(\pm 2, 0)`, a saddle between them at the origin.
    """
    x, y = point
    right, left = (torch.exp(-((x - centre) ** 2 + y**2) / 2) for centre in (2.0, -2.0))
    return 1 - right - left


SURFACES = {
    "valley": Surface(valley, (-4.0, 1.5), ((0.0, 0.0),), (-5.0, 1.5, -3.5, 2.5)),
    "Rosenbrock": Surface(rosenbrock, (-1.2, 1.0), ((1.0, 1.0),), (-1.8, 1.6, -0.8, 2.2)),
    "Himmelblau": Surface(
        himmelblau, (0.0, -0.5), ((3.0, 2.0), (3.584428, -1.848127), (-2.805118, 3.131313), (-3.779310, -3.283186)),
        (-5.0, 5.0, -5.0, 5.0),
    ),
    "plateau": Surface(
        plateau, (0.01, 2.5), ((1.998651, 0.0), (-1.998651, 0.0)), (-4.0, 4.0, -3.0, 3.5), lowest=-0.00033636747
    ),
}  # fmt: skip
