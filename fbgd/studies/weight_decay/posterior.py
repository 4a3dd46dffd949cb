r"""The modes of posteriors with a Gaussian prior, found without the engine: what a trained model is compared with.

With the prior :math:`\theta \sim \mathcal N(0, \sigma^2 I)` and n samples, the mode of the posterior minimises

.. math::
    \frac1n \sum_i -\log p(y_i \mid x_i, \theta) + \frac\lambda2 \lVert \theta \rVert^2, \qquad
    \lambda = \frac{1}{n \sigma^2}

so n times the strength of L2 beside the *mean* loss, :math:`n\lambda = 1/\sigma^2`, is the prior's precision.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

NEWTON_STEPS = 200


def with_bias(inputs: Tensor) -> Tensor:
    """Inputs (n, ...) as a matrix (n, d + 1), float64, whose last column is one: the bias as a weight like others."""
    flat = inputs.flatten(1).double()
    return torch.cat([flat, torch.ones(len(flat), 1, dtype=torch.float64)], dim=1)


def gaussian_mode(features: Tensor, targets: Tensor, sigma: float) -> Tensor:
    r"""Mode and mean of the weights (d, c) of a linear model with unit Gaussian noise, by conditioning the prior.

    .. math::
        W = \sigma^2 X^\top (\sigma^2 X X^\top + I)^{-1} Y

    It knows of no loss and no strength: the targets are jointly Gaussian with the weights under the prior.

    Args:
        features: X (n, d).
        targets: Y (n, c).
        sigma: the prior's standard deviation, > 0.

    Raises:
        ValueError: ``sigma`` is outside its range.

    Source: Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning", eq. 2.12.
    """
    check_positive("sigma", sigma)
    covariance = sigma**2 * features @ features.T + torch.eye(len(features), dtype=features.dtype)
    return sigma**2 * features.T @ torch.linalg.solve(covariance, targets)


def softmax_mode(features: Tensor, labels: Tensor, classes: int, strength: float) -> Tensor:
    r"""The weights (c, d) of softmax regression with L2, by Newton's method, to the last digits.

    .. math::
        \min_W \frac1n \sum_i -\log \operatorname{softmax}(W x_i)_{y_i} + \frac\lambda2 \lVert W \rVert^2

    Args:
        features: X (n, d), float64.
        labels: (n).
        classes: c.
        strength: :math:`\lambda > 0`; without it separable labels have no minimiser.

    Raises:
        ValueError: ``strength`` is outside its range.
        RuntimeError: the gradient does not vanish.
    """
    check_positive("strength", strength)
    samples, dimensions = features.shape
    wanted = F.one_hot(labels, classes).to(features.dtype)
    weights = torch.zeros(classes, dimensions, dtype=features.dtype)
    identity = torch.eye(classes * dimensions, dtype=features.dtype)

    def objective(at: Tensor) -> Tensor:
        return F.cross_entropy(features @ at.T, labels) + strength / 2 * at.square().sum()

    for _ in range(NEWTON_STEPS):
        probabilities = (features @ weights.T).softmax(1)
        gradient = (probabilities - wanted).T @ features / samples + strength * weights
        norm = gradient.norm()
        if norm <= 1e-13 * max(1.0, math.sqrt(gradient.numel()) * strength):
            return weights
        # The Hessian is the block diagonal of X' diag(p_k) X minus the Gram matrix of all p_k x.
        scaled = (probabilities[:, :, None] * features[:, None, :]).flatten(1)
        blocks = [features.T @ (probabilities[:, k, None] * features) for k in range(classes)]
        hessian = (torch.block_diag(*blocks) - scaled.T @ scaled) / samples + strength * identity
        direction = -torch.linalg.solve(hessian, gradient.flatten()).view_as(weights)
        weights = weights + line_search(objective, weights, direction, (gradient * direction).sum()) * direction
    if norm > 1e-10:
        raise RuntimeError(f"the gradient's norm is {norm:.1e} after {NEWTON_STEPS} Newton steps")
    return weights


def line_search(objective: Callable[[Tensor], Tensor], start: Tensor, direction: Tensor, slope: Tensor) -> float:
    """The largest of 1, 1/2, 1/4, ... with which the objective falls enough; 1 where it is flat to rounding."""
    value, step = objective(start), 1.0
    if -slope <= 1e-14 * value.abs():
        return step
    while objective(start + step * direction) > value + 1e-4 * step * slope and step > 1e-10:
        step /= 2
    return step


def check_positive(name: str, value: float) -> None:
    """Raise ``ValueError`` unless ``value`` is positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} = {value!r} is outside the valid range (0, inf)")
