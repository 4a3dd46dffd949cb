"""Penalties on the norm of the parameters, as part of the loss.

Unlike an optimizer's ``weight_decay`` they are differentiated with the loss: clipping sees them, the gradient penalty
acts on them, and an adaptive optimizer scales them.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from regularizers._checks import check_choice, check_range
from regularizers.roles import LossPenalty

PARAMETERS = ("all", "matrices")


class NormPenalty(LossPenalty):
    """What the penalties of this file share: which parameters they see.

    Args:
        of: ``"all"`` parameters, or ``"matrices"``, those of two or more dimensions, which leaves out biases and the
            scales of normalisation layers.
    """

    def __init__(self, of: str):
        check_choice("of", of, PARAMETERS)
        self.of = of

    def chosen(self, params: list[Tensor]) -> list[Tensor]:
        """The parameters that are penalised."""
        return [param for param in params if self.of == "all" or param.dim() >= 2]

    def squared_norm(self, params: list[Tensor]) -> Tensor:
        """Sum of all squares."""
        return total(param.square().sum() for param in self.chosen(params))


def total(terms: Iterable[Tensor]) -> Tensor:
    """The sum of the terms, a zero without any."""
    first, *others = list(terms) or [torch.zeros(())]
    return sum(others, start=first)


class L2(NormPenalty):
    r"""Ridge: :math:`\frac{\lambda}{2} \lVert \theta \rVert_2^2`, with the gradient :math:`\lambda\theta`.

    Args:
        strength: :math:`\lambda \ge 0`, on the scale of an optimizer's ``weight_decay``.
        of: ``"all"`` or ``"matrices"``.

    Raises:
        ValueError: an argument is outside its range.

    Source: Krogh & Hertz 1991, "A simple weight decay can improve generalization", eq. 1.

    Examples:
        >>> import torch
        >>> params = [torch.tensor([[3.0, 4.0]]), torch.tensor([1.0])]
        >>> L2(strength=0.5).value(params, train_size=100).item()  # 0.25 * (25 + 1)
        6.5
        >>> L2(strength=0.5, of="matrices").value(params, train_size=100).item()
        6.25
    """

    def __init__(self, strength: float = 5e-4, of: str = "all"):
        super().__init__(of)
        check_range("strength", strength, 0.0)
        self.strength = strength

    def value(self, params: list[Tensor], train_size: int) -> Tensor:
        return self.strength / 2 * self.squared_norm(params)


class L1(NormPenalty):
    r"""Lasso: :math:`\lambda \lVert \theta \rVert_1`, with the gradient :math:`\lambda \operatorname{sign}\theta`.

    Args:
        strength: :math:`\lambda \ge 0`.
        of: ``"all"`` or ``"matrices"``.

    Raises:
        ValueError: an argument is outside its range.

    Source: Tibshirani 1996, "Regression shrinkage and selection via the lasso".

    Examples:
        >>> import torch
        >>> params = [torch.tensor([[3.0, -4.0]]), torch.tensor([1.0])]
        >>> L1(strength=0.5).value(params, train_size=100).item()  # 0.5 * (7 + 1)
        4.0
    """

    def __init__(self, strength: float = 1e-5, of: str = "all"):
        super().__init__(of)
        check_range("strength", strength, 0.0)
        self.strength = strength

    def value(self, params: list[Tensor], train_size: int) -> Tensor:
        return self.strength * total(param.abs().sum() for param in self.chosen(params))


class GaussianPrior(NormPenalty):
    r"""The prior :math:`\theta \sim \mathcal N(0, \sigma^2 I)`: training finds the mode of the posterior (MAP).

    .. math::
        -\tfrac1n \log p(\theta) = \frac{\lVert \theta \rVert_2^2}{2 n \sigma^2} + \text{const}

    It is :class:`L2` with :math:`\lambda = 1 / (n \sigma^2)`: the mean loss shrinks the prior with the data.

    Args:
        sigma: :math:`\sigma > 0`, the prior's standard deviation.
        of: ``"all"`` or ``"matrices"``.

    Raises:
        ValueError: an argument is outside its range.

    Source: MacKay 1992, "A practical Bayesian framework for backpropagation networks".

    Examples:
        >>> import torch
        >>> params = [torch.tensor([3.0, 4.0])]
        >>> prior = GaussianPrior(sigma=0.5)
        >>> [prior.value(params, train_size=size).item() for size in (50, 100)]  # 25 / (2 n / 4): less with more data
        [1.0, 0.5]
    """

    def __init__(self, sigma: float = 1.0, of: str = "all"):
        super().__init__(of)
        check_range("sigma", sigma, 0.0, ends="()")
        self.sigma = sigma

    def value(self, params: list[Tensor], train_size: int) -> Tensor:
        return self.squared_norm(params) / (2 * train_size * self.sigma**2)


class NormBias(NormPenalty):
    r"""Draw the parameters' norm to a given one: :math:`\lambda\, \lvert \lVert \theta \rVert_2^2 - \mu^2 \rvert^p`.

    Args:
        strength: :math:`\lambda \ge 0`.
        norm: :math:`\mu \ge 0`; 0 with ``power`` 1 is :class:`L2` at twice the strength.
        power: :math:`p`, 1 or 2.
        of: ``"all"`` or ``"matrices"``.

    Raises:
        ValueError: an argument is outside its range.

    Source: Goldblum, Geiping et al. 2020, "Truth or backpropaganda? An empirical investigation of deep learning
    theory", section on weight decay.

    Examples:
        >>> import torch
        >>> params = [torch.tensor([3.0, 4.0])]
        >>> [NormBias(strength=0.5, norm=norm).value(params, train_size=100).item() for norm in (0.0, 5.0, 6.0)]
        [12.5, 0.0, 5.5]
    """

    def __init__(self, strength: float = 5e-4, norm: float = 20.0, power: int = 1, of: str = "all"):
        super().__init__(of)
        check_range("strength", strength, 0.0)
        check_range("norm", norm, 0.0)
        if power not in (1, 2):
            raise ValueError(f"power = {power!r} is not one of 1, 2")
        self.strength, self.norm, self.power = strength, norm, power

    def value(self, params: list[Tensor], train_size: int) -> Tensor:
        excess = self.squared_norm(params) - self.norm**2
        return self.strength * (excess.abs() if self.power == 1 else excess.square())
