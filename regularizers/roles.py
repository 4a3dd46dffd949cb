"""Where in training an ingredient acts: one base class a place, in the order in which a step meets them.

BlockTransform          a block's inputs and class probabilities, before the network sees them
ParameterNoise          the parameters at which a step's gradient is taken
LossPenalty             the loss, through the parameters
BlockGradientPenalty    the gradient, through the gradients of the blocks or of the whole step
GradientTransform       the gradient, before the optimizer gets it
WeightAverage           the weights that are evaluated
EarlyStopping           (a class of its own) the end of training, and which weights count

Everything random is drawn from a generator that is passed in, so that one draw depends on nothing but its place.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from regularizers.hvp import GradFn


class Moment(NamedTuple):
    """When a step takes place, and where its random numbers come from.

    Args:
        passes: passes over the training set done before the step.
        generator: makes the CPU generator of one ingredient in one step. Every call begins it anew: a step that
            evaluates its gradient again draws the same numbers.
    """

    passes: float
    generator: Callable[[], torch.Generator]


class BlockTransform:
    """Changes what the network is trained on.

    Attributes:
        changes_inputs: whether it does arithmetic on the inputs, which token numbers do not allow.
    """

    changes_inputs: bool = True

    def __call__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Other inputs (B, C, ...) and class probabilities (B, classes) of one block; the given ones stay.

        Of sequences, class probabilities are (B, T, classes), all 0 at positions where nothing is predicted.
        """
        raise NotImplementedError


class ParameterNoise:
    """Changes where the gradient is taken."""

    def __call__(self, params: list[Tensor], moment: Moment) -> list[Tensor]:
        """Other parameters, a new list."""
        raise NotImplementedError


class LossPenalty:
    """A function of the parameters that is part of the loss."""

    def value(self, params: list[Tensor], train_size: int) -> Tensor:
        """The penalty, to be added to the mean loss over ``train_size`` samples; differentiable."""
        raise NotImplementedError


class BlockGradientPenalty:
    """A penalty on a gradient's norm, known through its own gradient.

    Attributes:
        of: ``"block"`` or ``"full_gradient"``: whose norm it is.
        method: how the Hessian-vector product is taken, see :func:`regularizers.hvp`.
        power: 1 or 2, of the norm.
        extra_gradients: further gradients of the same samples that one penalty costs.
    """

    of: str
    method: str
    power: int
    extra_gradients: int

    def coefficient(self, lr: Tensor | float) -> Tensor | float:
        """What ``norm ** power`` is multiplied with, at the learning rate of the current step."""
        raise NotImplementedError

    def gradient(
        self, grad_fn: GradFn, params: list[Tensor], gradient: list[Tensor], lr: Tensor | float
    ) -> list[Tensor]:
        """The penalty's own gradient, to be added to ``gradient`` = ``grad_fn(params)``."""
        raise NotImplementedError


class GradientTransform:
    """Changes the gradient that the optimizer gets.

    Attributes:
        of: ``"step"``, the mean gradient of a step, or ``"block"``, every block's before the mean is taken.
        clips: whether its whole effect is to make gradients smaller.
    """

    of: str = "step"
    clips: bool = False

    def __call__(self, gradient: list[Tensor], moment: Moment | None = None) -> list[Tensor]:
        """Another gradient, a new list."""
        raise NotImplementedError


class WeightAverage:
    """A weighted mean of the weights that training goes through."""

    def weight(self, step: int, steps_per_pass: int, steps: int) -> float:
        """Share w of the newest weights after step ``step`` of ``steps``: ``average += w (weights - average)``.

        Steps count from 1. The first share that is not 0 is 1; before it there is no average.
        """
        raise NotImplementedError
