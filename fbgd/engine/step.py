"""One step's closure: the gradient of its blocks, taken, transformed and handed to the optimizer."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.experiment import Experiment
from fbgd.engine.gradient import StepGradient
from fbgd.engine.kernels import share_of
from fbgd.engine.tally import larger
from fbgd.seeds import generator, stream_names
from regularizers import GradientTransform, Moment, foreach_norm


class StepClosure:
    """Evaluates the loss and its gradient, and puts the gradient into ``.grad``; may be called again and again.

    Every call within a step sees the same blocks, the same noise and the same random layers, so an optimizer that
    searches along a line searches along one function.

    Args:
        experiment: what is trained.
        params: its model's parameters.
        step: the number of the step, from 0.
        blocks: the step's blocks.
        lr: the current learning rate.

    Attributes:
        first: what the first evaluation gave.
        clipped: 1 where a transform clipped its gradient, else 0.
        evaluations: gradient evaluations of all calls.
        shares: the largest of all calls of what every ingredient did: those of :class:`StepGradient`, and then what
            each clipping of the step took off the norm; ``None`` without any.
    """

    first: StepGradient
    clipped: Tensor | float

    def __init__(self, experiment: Experiment, params: list[Tensor], step: int, blocks: StepBlocks, lr: float):
        self.experiment, self.params, self.blocks, self.lr = experiment, params, blocks, lr
        self.noises = moments(experiment.noises, experiment, step)
        self.block_noises = moments(experiment.block_noises, experiment, step)
        self.transforms = moments(experiment.transforms, experiment, step)
        self.evaluations = 0
        self.shares: Tensor | None = None

    def __call__(self) -> Tensor:
        return self.value_and_gradient()[0]

    def value_and_gradient(self) -> tuple[Tensor, dict[Tensor, Tensor]]:
        """Evaluate as by calling, and give also the gradient of the loss itself, before any transform.

        ``.grad`` holds what is left of it after clipping and noise, which gives an optimizer its direction, but not the
        slope of the loss along it.
        """
        at = [param.detach() for param in self.params]
        for noise, moment in self.noises:
            at = noise(at, moment)
        again = bool(self.evaluations)
        result = self.experiment.gradient(at, self.blocks, self.lr)
        noisy = result.gradient
        for block_noise, moment in self.block_noises:
            noisy = block_noise(noisy, at, self._blocks_at, moment)
        gradient, clipped, shares = transformed(noisy, self.transforms)
        for param, entry in zip(self.params, gradient, strict=True):
            param.grad = entry
        if not again:
            # Without the gradient, which would stay in memory while the optimizer works.
            self.first, self.clipped = result._replace(gradient=[]), clipped
        self.evaluations += result.evaluations
        if result.shares is not None:
            shares = [*result.shares, *shares]
        if shares:
            self.shares = larger(self.shares, torch.stack(shares))
        return result.objective, dict(zip(self.params, result.gradient, strict=True))

    def _blocks_at(self, params: list[Tensor]) -> Iterator[tuple[float, list[Tensor]]]:
        """The gradients of the step's blocks at other parameters; they are counted."""
        for share, gradients in self.experiment.gradient.of_blocks(params, self.blocks):
            self.evaluations += round(share * self.blocks.samples) * len(gradients[0])
            yield share, gradients


def moments(ingredients: tuple, experiment: Experiment, step: int) -> list[tuple]:
    """Every ingredient with its moment, whose random numbers are its own."""
    if not ingredients:
        return []
    passes = step / experiment.source.steps_per_pass
    return [
        (ingredient, Moment(passes, partial(generator, experiment.seed, stream, step)))
        for ingredient, stream in zip(ingredients, stream_names(ingredients), strict=True)
    ]


def transformed(
    gradient: list[Tensor], transforms: list[tuple[GradientTransform, Moment]]
) -> tuple[list[Tensor], Tensor | float, list[Tensor]]:
    """The gradient after all transforms, 1 where one of them clipped it, else 0, and what each clipping took off."""
    clipped: Tensor | float = 0.0
    shares: list[Tensor] = []
    for transform, moment in transforms:
        before, gradient = gradient, transform(gradient, moment)
        if transform.clips:
            # Clipping multiplies by exactly 1 when it has nothing to do.
            left, whole = foreach_norm(gradient), foreach_norm(before)
            clipped = (left < whole).double().clamp(min=clipped)
            shares.append(share_of(whole - left, whole).double())
    return gradient, clipped, shares
