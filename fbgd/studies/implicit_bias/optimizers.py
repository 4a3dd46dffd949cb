"""What the meter is pointed at: optimizers, the time that their steps take, and the flow they are compared with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.probes.block_losses import BlockLosses, InMetric, Whole
from fbgd.probes.implicit_bias import Bias, fit_bias
from fbgd.probes.modified_flow import mean_pass, orders

BETAS, EPSILON = (0.9, 0.999), 1e-8
# Steps that are compared with the flow, once the optimizer's state is that of the place.
STEPS = 10


class Walk(NamedTuple):
    """What an optimizer did.

    Args:
        start: where it was when the meter began to look (D).
        end: where it was some steps later (D).
        time: the sum of its effective rates.
        metric: what the optimizer preconditions with at the start (D), if it does.
    """

    start: Tensor
    end: Tensor
    time: float
    metric: Tensor | None


@dataclass(frozen=True)
class FullBatch:
    """An optimizer on the mean gradient.

    Args:
        make: of the parameters and a rate.
        rate: the effective rate of a step over ``lr``: 1 / (1 - beta) with momentum.
        theory: the coefficient that is known, in units of the effective rate over 4; not a number where none is.
        clip: the threshold on the norm of the gradient, as a share of that at the start; a clipped step's effective
            rate is its own.
        smaller: ``lr`` is so much smaller than the effective rate asked for, where steps do not shrink with the
            gradient.
        preconditioned: whether the flow is that in the optimizer's metric, frozen at the start.
    """

    make: Callable[[list[Tensor], float], torch.optim.Optimizer]
    rate: float = 1.0
    theory: float = math.nan
    clip: float = math.inf
    smaller: float = 1.0
    preconditioned: bool = False


def heavy_ball(beta: float) -> FullBatch:
    r"""Momentum, whose steps are of the size h' = h / (1 - beta) on a path that bends slowly.

    .. math:: (1 - \beta) h' \theta' + \frac{(1 + \beta) h'^2}{2} \theta'' = -h \nabla L
        \;\Rightarrow\; \theta' = -\nabla\Big(L + \frac{1 + \beta}{1 - \beta} \frac{h'}{4} \lVert\nabla L\rVert^2\Big)

    so that the coefficient is (1 + beta) / (1 - beta) in units of h' / 4.

    Source: Ghosh, Lyu, Zhang & Wang 2023, "Implicit regularization in heavy-ball momentum accelerated stochastic
    gradient descent"; derived here.
    """
    return FullBatch(
        lambda params, rate: torch.optim.SGD(params, lr=rate * (1 - beta), momentum=beta),
        theory=(1 + beta) / (1 - beta),
    )


def plain(params: list[Tensor], rate: float) -> torch.optim.Optimizer:
    """Gradient descent."""
    return torch.optim.SGD(params, lr=rate)


FULL_BATCH = {
    "clipped GD": FullBatch(plain, theory=1.0, clip=0.5),
    "momentum 0.5": heavy_ball(0.5),
    "momentum 0.9": heavy_ball(0.9),
    "Adam": FullBatch(
        lambda params, rate: torch.optim.Adam(params, lr=rate, betas=BETAS, eps=EPSILON),
        smaller=0.1,
        preconditioned=True,
    ),
}
PLAIN = ("GD", "SGD")
NAMES = (*PLAIN, *FULL_BATCH)
THEORY = {**dict.fromkeys(PLAIN, 1.0), **{name: own.theory for name, own in FULL_BATCH.items()}}


def walk(losses: Whole, start: Tensor, own: FullBatch, rate: float, warm_up: int, steps: int = STEPS) -> Walk:
    """Steps of an optimizer that has warmed up, and the time that they took."""
    at = start.clone().requires_grad_()
    optimizer = own.make([at], rate)
    threshold = own.clip * float(losses.gradient(start, 0).norm())
    time, metric, before = 0.0, None, start
    for step in range(warm_up + steps):
        if step == warm_up:
            time, before = 0.0, at.detach().clone()
            metric = adam_metric(optimizer, at) if own.preconditioned else None
        gradient = losses.gradient(at.detach(), 0)
        factor = min(1.0, threshold / float(gradient.norm()))
        at.grad = factor * gradient
        optimizer.step()
        time += factor * rate
    return Walk(before, at.detach().clone(), time, metric)


def adam_metric(optimizer: torch.optim.Optimizer, param: Tensor) -> Tensor:
    """What Adam's next step multiplies its mean of gradients with, but for the rate."""
    state, group = optimizer.state[param], optimizer.param_groups[0]
    corrected = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
    return 1 / (corrected.sqrt() + group["eps"])


def reading(name: str, losses: BlockLosses, start: Tensor, rate: float, warm_up: int, tolerance: float = 1e-12) -> Bias:
    """What the meter says of an optimizer that begins at ``start``.

    Args:
        name: of :data:`NAMES`.
        losses: of the blocks.
        start: parameters (D).
        rate: the effective rate of a step; of Adam, ten times its learning rate.
        warm_up: steps before the meter looks, of what has a state.
        tolerance: of the flows.
    """
    if name in PLAIN:
        taken = losses if name == "SGD" else Whole(losses)
        steps = len(taken.weights)
        return fit_bias(taken, start, mean_pass(taken, start, rate, orders(steps)), steps * rate, rate, tolerance)
    own, whole = FULL_BATCH[name], Whole(losses)
    clipped = own.clip < math.inf
    found = walk(whole, start, own, rate * own.smaller, 0 if clipped else warm_up)
    unit = found.time / STEPS
    if found.metric is None:
        return fit_bias(whole, found.start, found.end, found.time, unit, tolerance)
    inside = InMetric(whole, found.metric)
    return fit_bias(inside, inside.inside(found.start), inside.inside(found.end), found.time, unit, tolerance)
