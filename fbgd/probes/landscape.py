"""The loss along lines and planes: directions scaled filter by filter, and the plane through three minima."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from regularizers.tensor_lists import flatten, unflatten

# From parameters to numbers, such as training loss and accuracy.
Values = Callable[[list[Tensor]], Sequence[float]]


def filter_normalised(direction: list[Tensor], params: list[Tensor]) -> list[Tensor]:
    r"""A direction whose filters are as long as those of the parameters.

    .. math:: d_f \leftarrow \frac{d_f}{\lVert d_f \rVert} \lVert \theta_f \rVert

    for every filter f, the weights of one output: a slice of a parameter along its first dimension. Biases and the
    parameters of norm layers, which have one dimension, stay where they are. Without this a network with large weights
    looks flat.

    Args:
        direction: one tensor a parameter.
        params: of the same shapes.

    Source: Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the Loss Landscape of Neural Nets", section 4.

    >>> filter_normalised([torch.tensor([[3.0, 4.0]]), torch.ones(1)], [torch.tensor([[0.0, 10.0]]), torch.ones(1)])
    [tensor([[6., 8.]]), tensor([0.])]
    """
    return [
        torch.zeros_like(param) if param.dim() < 2 else scaled(own, param)
        for own, param in zip(direction, params, strict=True)
    ]


def scaled(direction: Tensor, param: Tensor) -> Tensor:
    """One parameter's direction, filter by filter; zero where the direction is."""
    lengths, wanted = (part.flatten(1).norm(dim=1) for part in (direction, param))
    factors = torch.where(lengths > 0, wanted / lengths.where(lengths > 0, 1.0), 0.0)
    return direction * factors.view(-1, *[1] * (param.dim() - 1))


def line(values: Values, start: list[Tensor], end: list[Tensor], places: Sequence[float]) -> list[list[float]]:
    """The values at ``(1 - place) * start + place * end``, for every place.

    >>> line(lambda params: [float(params[0] ** 2)], [torch.tensor(1.0)], [torch.tensor(3.0)], [-1, 0, 0.5, 2])
    [[1.0], [1.0], [4.0], [25.0]]
    """
    return [
        list(values([(1 - place) * first + place * last for first, last in zip(start, end, strict=True)]))
        for place in places
    ]


class Plane(NamedTuple):
    """A plane in the space of parameters.

    Args:
        origin: the point (0, 0), one tensor a parameter.
        across: the direction of the first coordinate.
        up: the direction of the second.
    """

    origin: list[Tensor]
    across: list[Tensor]
    up: list[Tensor]

    def point(self, x: float, y: float) -> list[Tensor]:
        """The parameters at the coordinates (x, y)."""
        return [own + x * first + y * second for own, first, second in zip(*self, strict=True)]

    def coordinates(self, params: list[Tensor]) -> tuple[float, float]:
        """Those of the point of the plane that is nearest to ``params``."""
        origin, across, up = (flatten(part).double() for part in self)
        axes = torch.stack([across, up], dim=1)
        found = torch.linalg.lstsq(axes, (flatten(params).double() - origin)[:, None]).solution[:, 0]
        return float(found[0]), float(found[1])


def through(first: list[Tensor], second: list[Tensor], third: list[Tensor]) -> Plane:
    """The plane through three points, with orthogonal axes of length 1: the first is the origin, the second on an axis.

    Raises:
        ValueError: the points lie on one line.

    >>> plane = through([torch.zeros(2)], [torch.tensor([2.0, 0.0])], [torch.tensor([3.0, 4.0])])
    >>> plane.coordinates([torch.tensor([3.0, 4.0])])
    (3.0, 4.0)
    """
    origin = flatten(first)
    ahead, aside = flatten(second) - origin, flatten(third) - origin
    length = ahead.norm()
    across = ahead / length
    rest = aside - (aside @ across) * across
    if not length > 0 or not rest.norm() > 1e-6 * aside.norm():
        raise ValueError("the three points of a plane lie on one line")
    return Plane(list(first), unflatten(across, first), unflatten(rest / rest.norm(), first))


def grid(values: Values, plane: Plane, places: Sequence[tuple[float, float]]) -> list[list[float]]:
    """The values at the given coordinates of a plane."""
    return [list(values(plane.point(x, y))) for x, y in places]
