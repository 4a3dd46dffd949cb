"""Where in training an ingredient acts: one base class a place, in the order in which a step meets them.

BlockTransform          a block's inputs and class probabilities, before the network sees them
ParameterNoise          the parameters at which a step's gradient is taken
LossPenalty             the loss, through the parameters
BlockGradientPenalty    the gradient, through the gradients of the blocks or of the whole step
BlockNoise              the gradient, through the gradients of the step's blocks
GradientTransform       the gradient, before the optimizer gets it
WeightAverage           the weights that are evaluated
EarlyStopping           (a class of its own) the end of training, and which weights count

Everything random is drawn from a generator that is passed in, so that one draw depends on nothing but its place.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from regularizers.hvp import GradFn

# From parameters to the blocks of a step, a stack of equal-sized ones at a time: the share |B| / N of each, and their
# gradients (K, ...), one tensor a parameter.
BlockGradients = Callable[[list[Tensor]], Iterable[tuple[float, list[Tensor]]]]


class Moment(NamedTuple):
    """When a step takes place, and where its random numbers come from.

    Args:
        passes: passes over the training set done before the step.
        generator: makes the CPU generator of one ingredient in one step. Every call begins it anew: a step that
            evaluates its gradient again draws the same numbers.

    Examples:
        >>> moment = Moment(passes=2.5, generator=lambda: torch.Generator().manual_seed(0))
        >>> first, again = (torch.randn(3, generator=moment.generator()) for _ in range(2))
        >>> torch.equal(first, again)
        True
    """

    passes: float
    generator: Callable[[], torch.Generator]


class BlockTransform:
    """Changes what the network is trained on.

    Attributes:
        changes_inputs: whether it does arithmetic on the inputs, which token numbers do not allow.

    Examples:
        >>> class Flip(BlockTransform):
        ...     "Turn every second sample's signal round."
        ...     def __call__(self, inputs, targets, generator):
        ...         inputs = inputs.clone()
        ...         inputs[::2] = inputs[::2].flip(-1)
        ...         return inputs, targets
        >>> Flip()(torch.arange(4.0).view(2, 1, 2), torch.eye(2), torch.Generator())[0].tolist()
        [[[1.0, 0.0]], [[2.0, 3.0]]]
    """

    changes_inputs: bool = True

    def __call__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Other inputs (B, C, ...) and class probabilities (B, classes) of one block; the given ones stay.

        Of sequences, class probabilities are (B, T, classes), all 0 at positions where nothing is predicted.
        """
        raise NotImplementedError


class ParameterNoise:
    """Changes where the gradient is taken.

    Examples:
        >>> class SignNoise(ParameterNoise):
        ...     "Move every parameter by a step of fixed length to either side."
        ...     def __call__(self, params, moment):
        ...         draws = moment.generator()
        ...         return [param + 0.5 * (2 * torch.randint(2, param.shape, generator=draws) - 1) for param in params]
        >>> moment = Moment(passes=0.0, generator=lambda: torch.Generator().manual_seed(0))
        >>> SignNoise()([torch.zeros(3)], moment)[0].abs().tolist()
        [0.5, 0.5, 0.5]
    """

    def __call__(self, params: list[Tensor], moment: Moment) -> list[Tensor]:
        """Other parameters, a new list."""
        raise NotImplementedError


class LossPenalty:
    """A function of the parameters that is part of the loss.

    Examples:
        >>> class Variance(LossPenalty):
        ...     "Draw the entries of every parameter together."
        ...     def value(self, params, train_size):
        ...         return sum(param.var(correction=0) for param in params)
        >>> Variance().value([torch.tensor([1.0, 3.0]), torch.ones(5)], train_size=100).item()
        1.0
    """

    def value(self, params: list[Tensor], train_size: int) -> Tensor:
        """The penalty, to be added to the mean loss over ``train_size`` samples; differentiable."""
        raise NotImplementedError


class BlockGradientPenalty:
    """A penalty on a gradient's norm, known through its own gradient.

    Attributes:
        of: ``"block"`` or ``"full_gradient"``: whose norm it is.
        method: how the Hessian-vector product is taken, see :func:`regularizers.hvp`. ``"exact"`` says that the
            penalty's gradient is linear in the derivative of ``grad_fn``: of several processes each takes its part.
        power: 1 or 2, of the norm.
        extra_gradients: further gradients of the same samples that one penalty costs.

    Examples:
        >>> class Linear(BlockGradientPenalty):
        ...     "Of a loss with the Hessian 1: the gradient of c g^2 is 2 c g."
        ...     of, method, power, extra_gradients = "block", "exact", 2, 0
        ...     def coefficient(self, lr):
        ...         return lr / 4
        ...     def gradient(self, grad_fn, params, gradient, lr):
        ...         return [2 * self.coefficient(lr) * entry for entry in gradient]
        >>> Linear().gradient(lambda params: params, [torch.ones(2)], [torch.ones(2)], lr=0.5)[0].tolist()
        [0.25, 0.25]
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


class BlockNoise:
    """Changes the mean gradient of a step by what its blocks' gradients tell, before any :class:`GradientTransform`.

    Attributes:
        extra_gradients: further gradients of the same samples that it costs, as far as is known beforehand.

    Examples:
        >>> class OneBlock(BlockNoise):
        ...     "The gradient of the first block instead of the mean."
        ...     extra_gradients = 1
        ...     def __call__(self, gradient, params, blocks_at, moment):
        ...         return [entry[0] for entry in next(iter(blocks_at(params)))[1]]
        >>> blocks = [(0.5, [torch.tensor([[1.0], [3.0]])])]
        >>> OneBlock()([torch.tensor([2.0])], [torch.zeros(1)], lambda params: blocks, None)[0].tolist()
        [1.0]
    """

    extra_gradients: int

    def __call__(
        self, gradient: list[Tensor], params: list[Tensor], blocks_at: BlockGradients, moment: Moment
    ) -> list[Tensor]:
        """Another gradient, a new list.

        Args:
            gradient: the mean gradient of the step.
            params: where it was taken.
            blocks_at: the gradients of the step's blocks at any parameters; what it evaluates is counted.
            moment: of the step.
        """
        raise NotImplementedError


class GradientTransform:
    """Changes the gradient that the optimizer gets.

    Attributes:
        of: ``"step"``, the mean gradient of a step, or ``"block"``, every block's before the mean is taken.
        clips: whether its whole effect is to make gradients smaller.

    Examples:
        >>> class Sign(GradientTransform):
        ...     "Keep only the direction of every entry."
        ...     def __call__(self, gradient, moment=None):
        ...         return [entry.sign() for entry in gradient]
        >>> Sign()([torch.tensor([-2.0, 0.5])])[0].tolist()
        [-1.0, 1.0]
    """

    of: str = "step"
    clips: bool = False

    def __call__(self, gradient: list[Tensor], moment: Moment | None = None) -> list[Tensor]:
        """Another gradient, a new list."""
        raise NotImplementedError


class WeightAverage:
    """A weighted mean of the weights that training goes through.

    Examples:
        >>> class Mean(WeightAverage):
        ...     "The mean of all weights so far."
        ...     def weight(self, step, steps_per_pass, steps):
        ...         return 1 / step
        >>> average = 0.0
        >>> for step, weights in enumerate((1.0, 2.0, 6.0), start=1):
        ...     average += Mean().weight(step, steps_per_pass=1, steps=3) * (weights - average)
        >>> average
        3.0
    """

    def weight(self, step: int, steps_per_pass: int, steps: int) -> float:
        """Share w of the newest weights after step ``step`` of ``steps``: ``average += w (weights - average)``.

        Steps count from 1. The first share that is not 0 is 1; before it there is no average.
        """
        raise NotImplementedError
