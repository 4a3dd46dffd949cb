"""What leaves saddles: this repository's optimizer from many starts at once, with noise where a method has it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fbgd.engine.blocks import BlockOrder
from fbgd.seeds import generator
from optimizers import SGD

DESCENT, PERTURBED, STOCHASTIC, HEAVY_BALL, NESTEROV = (
    "GD",
    "perturbed GD",
    "SGD",
    "heavy ball",
    "Nesterov",
)
# The samples of SGD, so many a block, drawn with replacement: the noise of its steps is white.
SAMPLES, BLOCK, SHIFT = 64, 8, 0.1
Gradient = Callable[[Tensor], Tensor]
Noise = Iterator[Tensor]


@dataclass(frozen=True)
class Perturbation:
    """Perturbed gradient descent's: a point of a ball is added where the gradient is small, not too often.

    Args:
        radius: of the ball.
        threshold: the largest norm of a gradient that is small.
        pause: steps between two perturbations, at least.

    Source: Jin, Ge, Netrapalli, Kakade & Jordan 2017, "How to Escape Saddle Points Efficiently", algorithm 2.
    """

    radius: float
    threshold: float
    pause: int

    def __call__(self, points: Tensor, gradients: Tensor, last: Tensor, step: int, draw: torch.Generator) -> None:
        """Perturb, in place, those of the ``points`` (n, d) that it is time for; ``last`` (n) has their last times."""
        due = (gradients.norm(dim=1) <= self.threshold) & (step - last >= self.pause)
        # One draw a step, so that a start's noise does not depend on the other starts.
        noise = ball(len(points), points.shape[1], draw)
        points[due] += self.radius * noise[due]
        last[due] = step


def ball(count: int, dimension: int, draw: torch.Generator) -> Tensor:
    """Uniform points (count, dimension) of the unit ball.

    >>> points = ball(1000, 2, torch.Generator().manual_seed(0))
    >>> bool((points.norm(dim=1) <= 1).all()), round(float(points.square().sum(1).mean()), 1)  # 2 / (2 + 2)
    (True, 0.5)
    """
    directions = torch.randn(count, dimension, generator=draw, dtype=torch.float64)
    lengths = torch.rand(count, 1, generator=draw, dtype=torch.float64) ** (1 / dimension)
    return lengths * directions / directions.norm(dim=1, keepdim=True)


def block_noise(shifts: Tensor, order: BlockOrder) -> Noise:
    """What every step's blocks add to the mean gradient, without end.

    Samples share a quadratic and differ in a linear term, so a sample's gradient is the mean one and its ``shift``.

    Args:
        shifts: of N samples (N, d), which sum to zero.
        order: of the blocks, over the N samples.
    """
    pass_index = 0
    while True:
        blocks = order.blocks(pass_index)
        for step in range(order.steps_per_pass):
            yield shifts[torch.cat([blocks[index] for index in order.step_blocks(step)])].mean(0)
        pass_index += 1


def noise_of(seeds: int, dimension: int) -> Noise:
    """Of every seed its own blocks of the same samples, whose shifts have mean 0 and variance SHIFT squared; (n, d)."""
    shifts = torch.randn(SAMPLES, dimension, generator=generator(0, "shifts"), dtype=torch.float64)
    shifts = shifts - shifts.mean(0)
    shifts *= SHIFT / shifts.square().mean(0).sqrt()
    streams = [block_noise(shifts, BlockOrder(SAMPLES, BLOCK, 1, "with_replacement", seed)) for seed in range(seeds)]
    while True:
        yield torch.stack([next(stream) for stream in streams])


def follow(
    gradient: Gradient,
    starts: Tensor,
    left: Callable[[Tensor], Tensor],
    most: int,
    noise: Noise | None = None,
    perturbation: Perturbation | None = None,
    seed: int = 0,
    **options,
) -> Tensor:
    """The steps (n) that :class:`optimizers.SGD` takes from every one of ``starts`` (n, d); NaN beyond ``most``.

    The starts are the rows of one parameter: the optimizer acts on every number by itself.

    Args:
        gradient: of points (n, d), row by row.
        starts: float64.
        left: of points, whether each has got away (n).
        most: steps.
        noise: what is added to the gradients of a step, (n, d) or (d).
        perturbation: of the points, before their step.
        seed: of the perturbation.
        options: of the optimizer.
    """
    points = torch.nn.Parameter(starts.clone())
    optimizer = SGD([points], **options)
    steps = torch.full((len(starts),), float("nan"), dtype=torch.float64)
    draw = generator(seed, "perturbation")
    last = torch.full((len(starts),), -(10**9))
    with torch.no_grad():
        for step in range(most + 1):
            steps[left(points) & steps.isnan()] = step
            if not steps.isnan().any():
                break
            points.grad = gradient(points)
            if perturbation is not None:
                perturbation(points, points.grad, last, step, draw)
                points.grad = gradient(points)
            if noise is not None:
                points.grad += next(noise)
            optimizer.step()
            # Those that are away would overflow.
            points.clamp_(-1e6, 1e6)
    return steps
