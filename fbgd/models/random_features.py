"""Regression on random features: the smallest model with a double descent, solved in closed form.

The targets are one-hot vectors as they are, neither they nor the features centred: centring would spend one direction
of the n-dimensional space of training outputs on the mean, so that interpolation would begin one feature short of n.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.seeds import generator

ROWS_PER_DRAW = 128


class Factors(NamedTuple):
    r"""The thin singular value decomposition of a feature matrix (n, p), :math:`\Phi = U \Sigma V^\top`, of its rank r.

    Args:
        left: :math:`U` (n, r).
        values: the diagonal of :math:`\Sigma` (r), decreasing, all above rounding.
        right: :math:`V^\top` (r, p).
    """

    left: Tensor
    values: Tensor
    right: Tensor


def random_directions(features: int, dimension: int, seed: int) -> Tensor:
    """Unit vectors (features, dimension), float64, independent and uniform on the sphere.

    The first k of them are the same whatever ``features`` is, so a model of more features contains each smaller one.
    Gaussian rows would differ by their lengths alone, which a ReLU passes on as the scale of its feature.

    Args:
        features: their number, at least 1.
        dimension: of the inputs, at least 1.
        seed: decides the draw, at least 0.

    Raises:
        ValueError: an argument is outside its range.
    """
    for name, value, least in (("features", features, 1), ("dimension", dimension, 1), ("seed", seed, 0)):
        check_whole(name, value, least)
    # Draws of a fixed size: PyTorch's normal numbers depend on how many are drawn at once.
    drawn = [
        torch.randn(
            (ROWS_PER_DRAW, dimension), generator=generator(seed, "random features", block), dtype=torch.float64
        )
        for block in range(-(-features // ROWS_PER_DRAW))
    ]
    return torch.nn.functional.normalize(torch.cat(drawn)[:features], dim=1)


def random_features(inputs: Tensor, directions: Tensor) -> Tensor:
    r"""The features (N, p) of inputs (N, ...), float64.

    .. math::
        \varphi(x) = \max(0, W x)

    Args:
        inputs: (N, ...), flattened to (N, d).
        directions: :math:`W` (p, d), see :func:`random_directions`.

    Source: Rahimi & Recht 2007, "Random Features for Large-Scale Kernel Machines"; Belkin, Hsu, Ma & Mandal 2019,
    "Reconciling modern machine-learning practice and the classical bias-variance trade-off", for the ReLU.
    """
    return (inputs.flatten(1).double() @ directions.T).relu_()


def factorise(features: Tensor) -> Factors:
    """The decomposition from which every fit on ``features`` (n, p) follows.

    Directions whose singular value is below p's or n's rounding, ``max(n, p) * eps * largest``, are left out, for
    example a feature that is zero on all the samples.
    """
    if features.shape[1] > features.shape[0]:
        # A wide matrix is first turned into a square one, which takes a third of the time or less.
        basis, triangle = torch.linalg.qr(features.T)
        left, values, right = torch.linalg.svd(triangle.T)
        right = right @ basis.T
    else:
        left, values, right = torch.linalg.svd(features, full_matrices=False)
    rank = int((values > max(features.shape) * torch.finfo(features.dtype).eps * values[0]).sum())
    return Factors(left[:, :rank], values[:rank], right[:rank])


def min_norm(factors: Factors, targets: Tensor) -> Tensor:
    r"""The least-squares weights (p, c), of all such those of the smallest norm.

    .. math::
        W = \Phi^+ Y = V \Sigma^{-1} U^\top Y

    Args:
        factors: of the features, see :func:`factorise`.
        targets: :math:`Y` (n, c).
    """
    return factors.right.T @ ((factors.left.T @ targets) / factors.values[:, None])


def ridge(factors: Factors, targets: Tensor, strengths: Sequence[float]) -> Tensor:
    r"""The ridge weights (k, p, c) for k strengths.

    .. math::
        W_\lambda = \arg\min_W \frac{1}{n} \lVert \Phi W - Y \rVert^2 + \lambda \lVert W \rVert^2
        = V \frac{\Sigma}{\Sigma^2 + n \lambda} U^\top Y

    The limit of a vanishing strength is :func:`min_norm`.

    Args:
        factors: of the features, see :func:`factorise`.
        targets: :math:`Y` (n, c).
        strengths: :math:`\lambda > 0`, at least one.

    Raises:
        ValueError: a strength is outside its range, or there is none.
    """
    check_strengths(strengths)
    left, values, right = factors
    penalty = len(left) * torch.tensor(strengths, dtype=values.dtype)
    filters = values / (values**2 + penalty[:, None])
    return right.T @ (filters[:, :, None] * (left.T @ targets))


def check_whole(name: str, value: object, least: int) -> None:
    """Raise ``ValueError`` unless ``value`` is a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} = {value!r} is outside the valid range: a whole number >= {least}")


def check_strengths(strengths: Sequence[float]) -> None:
    """Raise ``ValueError`` unless there are strengths, all of them positive and finite."""
    if not strengths or not all(0 < strength < math.inf for strength in strengths):
        raise ValueError(f"strengths = {list(strengths)!r}: need one or more, each in (0, inf)")
