r"""Bias, variance and noise of least squares in closed form: fits are linear in labels whose moments are known.

Inputs are fixed; labels are drawn. A draw m of features gives the smoother :math:`H_m` (N, n), with which the fit at N
points is :math:`H_m Y`. The rows of Y are independent with means :math:`\mu_i` and covariances of trace
:math:`\tau_i^2`. With :math:`\bar H` the mean over the draws of features, means over the points throughout,

.. math::
    \text{bias}^2 &= \lVert \mu(x) - \bar H \mu \rVert^2 \\
    \text{sampling} &= \textstyle\sum_i \tau_i^2 \bar H_{xi}^2 \\
    \text{optimisation} &= \tfrac1M \textstyle\sum_m \lVert (H_m - \bar H) \mu \rVert^2
        + \sum_i \tau_i^2 (H_m - \bar H)_{xi}^2 \\
    \text{noise} &= \tau^2(x), \qquad \text{risk} = \text{bias}^2 + \text{sampling} + \text{optimisation} + \text{noise}
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fbgd.models.random_features import Factors


class LinearParts(NamedTuple):
    """The parts of the squared risk at noisy labels, each a mean over points and a sum over outputs."""

    risk: float
    bias: float
    variance: float
    optimisation: float
    sampling: float
    noise: float


def linear_parts(
    smoothers: Tensor, means: Tensor, spreads: Tensor, test_means: Tensor, test_spreads: Tensor
) -> LinearParts:
    r"""The parts of the squared risk of a fit whose features are one of M draws, each as probable.

    Args:
        smoothers: :math:`H_m` (M, N, n), float64.
        means: :math:`\mu_i` of the training labels (n, C).
        spreads: :math:`\tau_i^2` of them (n).
        test_means: likewise of the points (N, C).
        test_spreads: likewise (N).

    One point and one sample, fitted half; the label is 2, with variance 1:

    >>> one = torch.ones(1, 1, dtype=torch.float64)
    >>> linear_parts(0.5 * one.view(1, 1, 1), 2 * one, one[0], 2 * one, one[0])
    LinearParts(risk=2.25, bias=1.0, variance=0.25, optimisation=0.0, sampling=0.25, noise=1.0)
    """
    points = len(test_means)
    mean = smoothers.mean(0)
    apart = smoothers - mean
    bias = (test_means - mean @ means).square().sum() / points
    sampling = (mean.square() @ spreads).sum() / points
    moved = (apart @ means).square().sum() + (apart.square() @ spreads).sum()
    optimisation = moved / (points * len(smoothers))
    noise = test_spreads.mean()
    variance = sampling + optimisation
    parts = (bias + variance + noise, bias, variance, optimisation, sampling, noise)
    return LinearParts(*(float(part) for part in parts))


def smoothers(factors: Factors, test_features: Tensor, strengths: Sequence[float]) -> Tensor:
    r"""The matrices (k, N, n) that take training labels to ridge fits, for k strengths; 0 is the minimum-norm fit.

    .. math:: H_\lambda = \Phi(x) V \frac{\Sigma}{\Sigma^2 + n \lambda} U^\top

    Args:
        factors: of the training features (n, p), see :func:`fbgd.models.random_features.factorise`.
        test_features: :math:`\Phi(x)` (N, p).
        strengths: :math:`\lambda \ge 0`.
    """
    left, values, right = factors
    penalty = len(left) * torch.tensor(strengths, dtype=values.dtype)
    filters = values / (values.square() + penalty[:, None])
    projected = test_features @ right.T
    return (projected * filters[:, None, :]) @ left.T


def label_moments(labels: Tensor, classes: int, noise: float) -> tuple[Tensor, Tensor]:
    r"""Means (n, C) and traces of the covariances (n) of one-hot labels that are wrong with a probability p.

    A wrong label is uniform over the other classes: :math:`\mu = (1 - p)\, e_c + \frac{p}{C - 1} (1 - e_c)` and
    :math:`\tau^2 = 1 - \lVert \mu \rVert^2`.

    Args:
        labels: true classes (n), int64.
        classes: C.
        noise: p in [0, 1].

    >>> label_moments(torch.tensor([0]), 3, 0.2)
    (tensor([[0.8000, 0.1000, 0.1000]], dtype=torch.float64), tensor([0.3400], dtype=torch.float64))
    """
    one_hot = F.one_hot(labels, classes).double()
    means = (1 - noise) * one_hot + noise / (classes - 1) * (1 - one_hot)
    return means, 1 - means.square().sum(1)
