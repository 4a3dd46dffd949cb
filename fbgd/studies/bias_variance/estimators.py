r"""Estimators of bias and variance from predictors that were trained on independent training sets.

A predictor :math:`f_{sm}` comes of a training set s, of S, and of a draw m, of M, of everything else: initial weights
and order. With target y at a point x, all means being over points too,

.. math::
    \underbrace{E \lVert y - f \rVert^2}_\text{risk}
    = \underbrace{\lVert y - E f \rVert^2}_{\text{bias}^2}
    + \underbrace{E_s E_m \lVert f_{sm} - E_m f_{sm} \rVert^2}_\text{optimisation}
    + \underbrace{E_s \lVert E_m f_{sm} - E f \rVert^2}_\text{sampling}

Every estimator of squared errors is without bias for independent training sets and draws: squares of means are
products of *different* predictors. So estimates of small quantities may be negative.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class SquaredParts(NamedTuple):
    """The parts of a squared risk, each a mean over points and a sum over outputs.

    Args:
        risk: mean squared distance of a predictor to the target.
        bias: the square of the bias.
        variance: over training sets and draws together.
        optimisation: the share of the variance over draws on one training set; NaN for one draw.
        sampling: the share over training sets, of the mean over draws; NaN for one draw.
    """

    risk: float
    bias: float
    variance: float
    optimisation: float
    sampling: float


class EntropyParts(NamedTuple):
    """The parts of a cross-entropy in nats, each a mean over points."""

    risk: float
    bias: float
    variance: float


def squared_parts(predictions: Tensor, targets: Tensor) -> SquaredParts:
    r"""Bias, variance and its two sources for squared errors, without bias.

    With means :math:`\bar f_s` over the draws on a training set, and :math:`\bar f` over all,

    .. math::
        \text{bias}^2 = \frac{1}{S (S - 1)} \sum_{s \ne t} \langle y - \bar f_s, y - \bar f_t \rangle, \qquad
        \text{variance} = \text{risk} - \text{bias}^2

    For one draw the variance is :math:`\frac{S}{S - 1} (\frac1S \sum_s \lVert f_s \rVert^2 - \lVert \bar f \rVert^2)`,
    that of the first source. The share of optimisation is the mean over training sets of the sample variance over
    draws; the rest is sampling.

    Args:
        predictions: (S, M, N, C), probabilities or any outputs: S >= 2 training sets with nothing in common, M >= 1
            draws on each, N points, C outputs.
        targets: (N, C), one-hot labels or numbers.

    Raises:
        ValueError: fewer than two training sets, or shapes that do not fit.

    Source: Yang et al. 2020, "Rethinking Bias-Variance Trade-off for Generalization of Neural Networks", section 3;
    Neal et al. 2018, "A Modern Take on the Bias-Variance Tradeoff in Neural Networks", section 4.1, for the split.

    Two predictors of one number, 1 and 3, where 0 is right:

    >>> squared_parts(torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.zeros(1, 1))[:3]
    (5.0, 3.0, 2.0)
    """
    check(predictions, targets)
    errors = predictions.double() - targets.double()
    sets, draws, points, _ = errors.shape
    risk = errors.square().sum() / (sets * draws * points)
    means = errors.mean(1)
    # The sum over different pairs is the square of the sum less the pairs of each with itself.
    pairs = means.sum(0).square().sum() - means.square().sum()
    bias = pairs / (sets * (sets - 1) * points)
    variance = risk - bias
    spread = (errors - means.unsqueeze(1)).square().sum() / (sets * points)
    optimisation = spread / (draws - 1) if draws > 1 else torch.tensor(math.nan)
    return SquaredParts(*(float(part) for part in (risk, bias, variance, optimisation, variance - optimisation)))


def entropy_parts(log_probabilities: Tensor, labels: Tensor) -> EntropyParts:
    r"""Bias and variance for cross-entropy, about the normalised geometric mean of the predictors.

    .. math::
        \bar\pi \propto \exp\Big(\frac1K \sum_j \log \pi_j\Big), \qquad
        \frac1K \sum_j -\log \pi_j(y) = \underbrace{-\log \bar\pi(y)}_\text{bias}
        + \underbrace{\frac1K \sum_j \mathrm{KL}(\bar\pi \,\Vert\, \pi_j)}_\text{variance}

    The equation holds exactly for any K predictors. Unlike those of :func:`squared_parts` these depend on K: the mean
    of more predictors has the larger variance and the smaller bias, so only estimates of equal K are compared.

    Args:
        log_probabilities: (K, N, C), K >= 2 predictors.
        labels: (N), int64.

    Raises:
        ValueError: fewer than two predictors, or shapes that do not fit.

    Source: Yang et al. 2020, "Rethinking Bias-Variance Trade-off for Generalization of Neural Networks", section 3.

    >>> some = torch.tensor([[0.8, 0.2], [0.2, 0.8]]).log().unsqueeze(1)
    >>> [round(part, 4) for part in entropy_parts(some, torch.tensor([0]))]
    [0.9163, 0.6931, 0.2231]
    """
    if log_probabilities.dim() != 3 or len(log_probabilities) < 2 or labels.shape != log_probabilities.shape[1:2]:
        raise ValueError(
            f"log-probabilities {tuple(log_probabilities.shape)} and labels {tuple(labels.shape)}: need (K, N, C) with "
            "K >= 2, and (N)"
        )
    logs = log_probabilities.double()
    mean = logs.mean(0)
    centre = mean - mean.logsumexp(-1, keepdim=True)
    columns = labels.unsqueeze(-1)
    risk = -mean.gather(-1, columns).mean()
    bias = -centre.gather(-1, columns).mean()
    # A class that a predictor gives no probability has none in the mean either: it adds nothing.
    weights = centre.exp()
    distances = (weights * (centre - logs)).where(weights > 0, 0.0)
    return EntropyParts(float(risk), float(bias), float(distances.sum(-1).mean()))


def check(predictions: Tensor, targets: Tensor) -> None:
    """Raise ``ValueError`` unless there are two training sets or more, and targets of their points and outputs."""
    if predictions.dim() != 4 or predictions.shape[0] < 2 or predictions.shape[1] < 1:
        raise ValueError(
            f"predictions {tuple(predictions.shape)}: need (training sets, draws, points, outputs) with at least 2 "
            "training sets"
        )
    if targets.shape != predictions.shape[2:]:
        raise ValueError(f"targets {tuple(targets.shape)} are not of the shape {tuple(predictions.shape[2:])}")
