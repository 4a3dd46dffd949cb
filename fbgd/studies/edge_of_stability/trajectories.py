r"""Descent beside the gradient flow from the same start, in double precision.

.. math:: \theta_{k+1} = \theta_k - h \nabla L(\theta_k), \qquad \frac{d\theta}{dt} = -\nabla L(\theta), \quad t = k h

The flow is integrated by the classical Runge-Kutta method of fourth order, with steps no longer than a share of one
over its sharpness.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from fbgd.config.build import build
from fbgd.config.schema import Config
from fbgd.engine.blocks import StepBlocks
from fbgd.engine.kernels import Objective, autograd_gradient
from fbgd.probes import HessianProduct, flatten, lanczos, unflatten
from fbgd.probes.products import single_blocks

# The longest step of the flow, times its sharpness; the method is stable up to 2.8.
LONGEST = 1.0

Gradient = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Landscape:
    """The training objective of one block as a function of a vector.

    Args:
        start: the initial parameters (D).
        gradient: of the objective.
        sharpness: the largest eigenvalue of its Hessian.
    """

    start: Tensor
    gradient: Gradient
    sharpness: Callable[[Tensor], float]


class Problem(NamedTuple):
    """A full-batch run with a single block, at its beginning: parameters, blocks, and the objective of the block."""

    params: list[Tensor]
    blocks: StepBlocks
    block: tuple[Tensor, ...]
    objective: Objective


def problem_of(config: Config) -> Problem:
    """The problem of a run, at the initial parameters of its seed.

    Raises:
        ValueError: the configuration is invalid.
    """
    experiment = build(config, blocks_per_call=1).experiment
    params = [param.detach() for param in experiment.model.parameters()]
    blocks = experiment.source.training_pass(0)
    (block,) = single_blocks(blocks, params[0].dtype)
    return Problem(params, blocks, block, experiment.gradient.objective)


def landscape(config: Config) -> Landscape:
    """That of a full-batch run with a single block, at the initial parameters of its seed.

    Raises:
        ValueError: the configuration is invalid.
    """
    params, blocks, block, objective = problem_of(config)
    gradient_of = autograd_gradient(objective)
    draw = torch.Generator().manual_seed(0)
    first = torch.randn(sum(param.numel() for param in params), generator=draw, dtype=torch.float64)

    def gradient(at: Tensor) -> Tensor:
        return flatten(gradient_of(unflatten(at, params), *block)[0])

    def sharpness(at: Tensor) -> float:
        product = HessianProduct(objective, unflatten(at, params), blocks)
        return float(lanczos(product, first, steps=40, count=1, tolerance=0.005).top(1)[0][0])

    return Landscape(flatten(params), gradient, sharpness)


def runge_kutta(gradient: Gradient, at: Tensor, time: float, steps: int) -> Tensor:
    """Where the flow is after ``time``, in equal steps of the classical fourth-order method.

    >>> end = runge_kutta(lambda at: at, torch.ones(1, dtype=torch.float64), 1.0, 20)  # of the loss x^2 / 2
    >>> abs(float(end) - math.exp(-1)) < 1e-6
    True
    """
    step = time / steps
    for _ in range(steps):
        first = gradient(at)
        second = gradient(at - step / 2 * first)
        third = gradient(at - step / 2 * second)
        fourth = gradient(at - step * third)
        at = at - step / 6 * (first + 2 * second + 2 * third + fourth)
    return at


def follow(place: Landscape, rates: Sequence[float], time: float, looks: int) -> pd.DataFrame:
    """A row a look of the flow and of descent with each learning rate, at the same times.

    ``distance`` is that between descent and flow, ``travelled`` the flow's from the start.

    Args:
        place: where.
        rates: each has to divide the time between two looks.
        time: until when.
        looks: so many.

    Raises:
        ValueError: a rate does not divide the time between two looks.
    """
    between = time / looks
    steps = {rate: round(between / rate) for rate in rates}
    for rate, count in steps.items():
        if not count or not math.isclose(count * rate, between, rel_tol=1e-9):
            raise ValueError(f"the rate {rate:g} does not divide {between:g}, the time between two looks")
    flow, sharpness = place.start, place.sharpness(place.start)
    descents = dict.fromkeys(rates, place.start)
    rows = []
    for look in range(looks + 1):
        if look:
            flow = runge_kutta(place.gradient, flow, between, math.ceil(between * max(sharpness, 1.0) / LONGEST))
            sharpness = place.sharpness(flow)
            for rate, count in steps.items():
                for _ in range(count):
                    descents[rate] = descents[rate] - rate * place.gradient(descents[rate])
        travelled = float((flow - place.start).norm())
        for rate, at in descents.items():
            rows.append(
                {
                    "rate": rate,
                    "time": look * between,
                    "sharpness": place.sharpness(at) if look else sharpness,
                    "flow_sharpness": sharpness,
                    "distance": float((at - flow).norm()),
                    "travelled": travelled,
                }
            )
    return pd.DataFrame(rows)
