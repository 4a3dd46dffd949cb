"""Gaussian noise on inputs, on weights and on gradients."""

import torch
from torch import Tensor

from regularizers._checks import check_choice, check_range
from regularizers.roles import BlockTransform, GradientTransform, Moment, ParameterNoise


class InputNoise(BlockTransform):
    r"""Noise on the normalised inputs: :math:`\tilde x = x + \sigma \xi`, fresh for every sample and pass.

    Args:
        std: :math:`\sigma \ge 0`, in standard deviations of the data.

    Raises:
        ValueError: ``std`` is negative or not finite.

    Source: Bishop 1995, "Training with Noise is Equivalent to Tikhonov Regularization".

    Examples:
        >>> import torch
        >>> inputs, targets = torch.zeros(1000, 1, 40), torch.zeros(1000, 10)
        >>> noisy, _ = InputNoise(std=0.1)(inputs, targets, torch.Generator().manual_seed(0))
        >>> round(noisy.std().item(), 2)
        0.1
    """

    def __init__(self, std: float = 0.1):
        check_range("std", std, 0.0)
        self.std = std

    def __call__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return inputs + self.std * normal_like(inputs, generator), targets


class WeightNoise(ParameterNoise):
    r"""Every step's gradient is taken at noisy weights, :math:`g(\theta + \sigma \xi)`, and applied to :math:`\theta`.

    One draw a step, for all its blocks.

    Args:
        std: :math:`\sigma \ge 0`.

    Raises:
        ValueError: ``std`` is negative or not finite.

    Source: Graves 2013, "Speech Recognition with Deep Recurrent Neural Networks", section 4; An 1996, "The Effects of
    Adding Noise During Backpropagation Training on a Generalization Performance".

    Examples:
        >>> import torch
        >>> moment = Moment(passes=0.0, generator=lambda: torch.Generator().manual_seed(0))
        >>> noisy, again = (WeightNoise(std=0.5)([torch.zeros(10_000)], moment)[0] for _ in range(2))
        >>> round(noisy.std().item(), 1), torch.equal(noisy, again)  # one draw a step
        (0.5, True)
    """

    def __init__(self, std: float = 0.01):
        check_range("std", std, 0.0)
        self.std = std

    def __call__(self, params: list[Tensor], moment: Moment) -> list[Tensor]:
        generator = moment.generator()
        return [param + self.std * normal_like(param, generator) for param in params]


class GradientNoise(GradientTransform):
    r"""Noise on the step's mean gradient.

    .. math::
        g + \sigma_t \xi \;\text{(additive)}, \qquad g \odot (1 + \sigma_t \xi) \;\text{(multiplicative)}, \qquad
        \sigma_t = \sigma / (1 + t)^{\gamma / 2}

    Args:
        std: :math:`\sigma \ge 0`.
        kind: ``"additive"`` or ``"multiplicative"``.
        decay: :math:`\gamma \ge 0`; 0 keeps the noise constant, 0.55 is the annealing of the source. Time t counts
            passes over the training set, not steps, so that it means the same in every regime.

    Raises:
        ValueError: an argument is outside its range.

    Source: Neelakantan et al. 2015, "Adding Gradient Noise Improves Learning for Very Deep Networks", eq. 1.

    Examples:
        >>> import torch
        >>> moment = Moment(passes=3.0, generator=lambda: torch.Generator().manual_seed(0))
        >>> noise = GradientNoise(std=0.4, decay=1.0)
        >>> round(noise([torch.zeros(10_000)], moment)[0].std().item(), 2)  # 0.4 / sqrt(1 + 3)
        0.2
        >>> GradientNoise(std=0.4, kind="multiplicative")([torch.zeros(2)], moment)[0].abs().tolist()
        [0.0, 0.0]
    """

    def __init__(self, std: float = 0.01, kind: str = "additive", decay: float = 0.0):
        check_range("std", std, 0.0)
        check_choice("kind", kind, ("additive", "multiplicative"))
        check_range("decay", decay, 0.0)
        self.std, self.kind, self.decay = std, kind, decay

    def __call__(self, gradient: list[Tensor], moment: Moment | None = None) -> list[Tensor]:
        if moment is None:
            raise ValueError("GradientNoise needs the moment of the step: its time, and its random numbers")
        std = self.std / (1 + moment.passes) ** (self.decay / 2)
        generator = moment.generator()
        noise = [std * normal_like(entry, generator) for entry in gradient]
        if self.kind == "multiplicative":
            noise = list(torch._foreach_mul(noise, gradient))
        return list(torch._foreach_add(gradient, noise))


def normal_like(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape of ``tensor``, drawn on the CPU so that every device sees the same."""
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype).to(tensor.device)
