"""Descent on batches that are drawn independently, until a training loss is reached: many copies at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vmap

from fbgd.config.build import build
from fbgd.config.schema import Config
from fbgd.probes.moments import GradientMoments
from fbgd.probes.noise_scale import noise_scale
from fbgd.seeds import generator

# The training loss is seen again after this share of the steps so far.
PATIENCE = 0.02

Params = list[Tensor]


@dataclass(frozen=True)
class Problem:
    """A training set and its objective.

    Args:
        inputs: (N, ...).
        targets: (N, ...).
        loss: the mean over samples, from parameters, inputs and targets.
        start: the initial parameters of a seed.
    """

    inputs: Tensor
    targets: Tensor
    loss: Callable[[Params, Tensor, Tensor], Tensor]
    start: Callable[[int], Params]


def problem_of(words: Sequence[str], compose: Callable[[Sequence[str]], Config]) -> Problem:
    """That of a configuration: the whole training set, and initial parameters as a run with a seed has them."""
    experiment = build(compose(words), blocks_per_call=1).experiment
    objective, samples = experiment.gradient.objective, experiment.source.data.samples
    key = torch.zeros(2, dtype=torch.int64)

    def loss(params: Params, inputs: Tensor, targets: Tensor) -> Tensor:
        return objective(params, inputs, targets, key)[0]

    def start(seed: int) -> Params:
        model = build(compose([*words, f"seed={seed}"]), blocks_per_call=1).experiment.model
        return [param.detach().clone() for param in model.parameters()]

    return Problem(samples.inputs, samples.targets, loss, start)


class Copies:
    """Copies of a problem that descend at the same time, each seed with each rate.

    Args:
        problem: what is descended.
        seeds: of initial parameters and of the draws of batches; a seed's are the same with every rate.
        rates: learning rates.
        size: of a batch.
    """

    def __init__(self, problem: Problem, seeds: Sequence[int], rates: Sequence[float], size: int):
        self.problem, self.size, self.shape = problem, size, (len(rates), len(seeds))
        starts = [problem.start(seed) for seed in seeds]
        self.params = [
            torch.stack(entries).repeat(len(rates), *[1] * entries[0].dim()) for entries in zip(*starts, strict=True)
        ]
        self.rates = torch.tensor(rates).repeat_interleave(len(seeds))
        self.draws = [generator(seed, "critical batch", size) for seed in seeds]
        self.gradient = vmap(grad(problem.loss))
        self.losses = vmap(problem.loss, in_dims=(0, None, None))

    def step(self) -> None:
        """One step of each: from its parameters, the learning rate times the mean gradient of a batch."""
        count = len(self.problem.targets)
        drawn = torch.stack([torch.randint(count, (self.size,), generator=draw) for draw in self.draws])
        chosen = drawn.repeat(self.shape[0], 1)
        gradients = self.gradient(self.params, self.problem.inputs[chosen], self.problem.targets[chosen])
        self.params = [
            param - self.rates.view(-1, *[1] * (param.dim() - 1)).to(param) * entry
            for param, entry in zip(self.params, gradients, strict=True)
        ]

    def reached(self, target: float) -> Tensor:
        """Which have a training loss of at most ``target``, (rates, seeds)."""
        losses = self.losses(self.params, self.problem.inputs, self.problem.targets)
        return (losses <= target).view(self.shape)


def steps_to(copies: Copies, target: float, most: int, enough: Callable[[Tensor, int], bool]) -> Tensor:
    """After how many steps each copy is first seen at a training loss, (rates, seeds); infinity where it is not.

    Args:
        copies: at their start.
        target: the training loss.
        most: steps that are taken at most.
        enough: whether what was found after so many steps is all that is wanted.
    """
    found, step = torch.full(copies.shape, math.inf), 0
    while step < most and not enough(found, step):
        for _ in range(max(1, int(PATIENCE * step))):
            copies.step()
            step += 1
        found[copies.reached(target) & found.isinf()] = step
    return found


def best_is_known(found: Tensor, step: int) -> bool:
    """Whether a rate has brought all seeds there, and any that has not is slower.

    >>> best_is_known(torch.tensor([[5.0, 7.0], [math.inf, 4.0]]), 7), best_is_known(torch.tensor([[5.0, 7.0]]), 7)
    (False, True)
    """
    means, waiting = found.mean(dim=1), found.isinf()
    # A rate's mean is at least that with all that are still on their way there now.
    least = torch.where(waiting, float(step), found).mean(dim=1)
    best = means.min()
    return bool(best.isfinite()) and bool((least[waiting.any(dim=1)] > best).all())


def noise_scales(copies: Copies, block: int) -> list[dict[str, float]]:
    """What :class:`fbgd.probes.noise_scale.GradientNoiseScale` says of every copy, by blocks of the training set.

    Args:
        copies: at their places.
        block: samples of a block, a divisor of the training set's.
    """
    inputs, targets = copies.problem.inputs, copies.problem.targets
    cut = [part.reshape(len(targets) // block, block, *part.shape[1:]) for part in (inputs, targets)]
    per_block = vmap(vmap(grad(copies.problem.loss), in_dims=(None, 0, 0)), in_dims=(0, None, None))
    gradients = torch.cat([entry.flatten(2).double() for entry in per_block(copies.params, *cut)], dim=2)
    squared_mean = gradients.mean(dim=1).square().sum(dim=1)
    mean_square = gradients.square().sum(dim=2).mean(dim=1)
    return [
        noise_scale(GradientMoments(len(targets), gradients.shape[1], float(first), float(second)))
        for first, second in zip(squared_mean, mean_square, strict=True)
    ]
