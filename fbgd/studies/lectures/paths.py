"""Paths of an optimizer on a function of a few numbers."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]
MakeOptimizer = Callable[[list[Tensor]], torch.optim.Optimizer]


def path(make: MakeOptimizer, function: Function, start: Tensor, evaluations: int) -> Tensor:
    """The points (steps + 1, d) that an optimizer visits, in float64, until its gradient evaluations are used up.

    A step may take several evaluations, as SAM's and a line search's do; one that would go beyond the number is not
    begun. A path ends where it leaves the finite numbers.

    Args:
        make: from the parameters to the optimizer.
        function: of a point (d), to be minimised.
        start: (d).
        evaluations: of the gradient, at most; the last step may go beyond it.

    >>> from optimizers import SGD
    >>> path(lambda params: SGD(params, lr=0.25), lambda x: x.square().sum(), torch.tensor([1.0]), 3).tolist()
    [[1.0], [0.5], [0.25], [0.125]]
    """
    point = torch.nn.Parameter(start.double().clone())
    optimizer = make([point])
    count = 0

    def closure() -> Tensor:
        nonlocal count
        count += 1
        optimizer.zero_grad()
        with torch.enable_grad():
            value = function(point)
            value.backward()
        return value.detach()

    points = [point.detach().clone()]
    while count < evaluations:
        # A loss as a tensor is what optimizers expect, whatever PyTorch's annotation says.
        optimizer.step(cast(Callable[[], float], closure))
        if not bool(point.isfinite().all()):
            break
        points.append(point.detach().clone())
    return torch.stack(points)
