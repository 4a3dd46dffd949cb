"""Double descent of random-feature regression: the number of features passes the number of training samples."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from fbgd.data import Dataset, Samples
from fbgd.models.random_features import (
    check_strengths,
    check_whole,
    factorise,
    min_norm,
    random_directions,
    random_features,
    ridge,
)

FIGURE, MODEL = "random_features", "relu"
MIN_NORM, RIDGE = "min norm", "ridge"
STRENGTHS = tuple(float(f"{10 ** (quarter / 4):.3g}") for quarter in range(-16, 5))
NEAR = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5)
SAMPLES_PER_CALL = 1000


class Fit(NamedTuple):
    """One model's labels."""

    width: int
    label_noise: float
    estimator: str
    strength: float


def feature_grid(train_size: int, most: float = 5.0) -> list[int]:
    """Numbers of features from a fiftieth of ``train_size`` to ``most`` times it, dense around ``train_size`` itself.

    Args:
        train_size: n, at least 1.
        most: the largest number of features over n, at least 1.5.

    Raises:
        ValueError: an argument is outside its range.
    """
    check_whole("train_size", train_size, 1)
    if not 1.5 <= most < math.inf:
        raise ValueError(f"most = {most!r} is outside the valid range [1.5, inf)")
    ratios = [*np.geomspace(0.02, 0.5, 8), *NEAR, *np.geomspace(NEAR[-1], most, 5)]
    return sorted({max(1, round(ratio * train_size)) for ratio in ratios})


def random_feature_study(
    datasets: Mapping[float, Dataset],
    widths: Sequence[int],
    seeds: Sequence[int],
    strengths: Sequence[float] = STRENGTHS,
) -> pd.DataFrame:
    """Fit random features, min-norm and with tuned ridge, for every number of features, label noise and seed.

    The seed decides the features; the data are fixed. The targets are one-hot; the loss is the squared error summed
    over classes, mean over samples, and a sample's class is its largest output. Ridge takes the strength of the
    smallest loss on the validation split. Training error and loss are against the labels trained on, noise included.

    Args:
        datasets: data by the probability of a wrong training label, in which alone they differ, so that all share one
            decomposition; with a validation split, without augmentation.
        widths: numbers of features, each at least 1.
        seeds: each at least 0.
        strengths: candidates for ridge, see :func:`fbgd.models.random_features.ridge`.

    Returns:
        A row per number of features, label noise, estimator and seed: figure, model, width, parameters, label_noise,
        train_size, passes (NaN), seed, estimator, strength (NaN for min norm), train_error, test_error, train_loss,
        test_loss; errors are shares.

    Raises:
        ValueError: an argument is outside its range, or the data sets are not as said above.

    Source: Belkin, Hsu, Ma & Mandal 2019, "Reconciling modern machine-learning practice and the classical
    bias-variance trade-off"; Nakkiran, Venkat, Kakade & Ma 2020, "Optimal Regularization Can Mitigate Double Descent".
    """
    check_data(datasets)
    for name, values, least in (("widths", widths, 1), ("seeds", seeds, 0)):
        if not values or len(set(values)) != len(values):
            raise ValueError(f"{name} = {list(values)!r}: need one or more, all different")
        for value in values:
            check_whole(name, value, least)
    check_strengths(strengths)
    rows = [row for seed in seeds for row in rows_of_seed(datasets, widths, seed, strengths)]
    return pd.DataFrame(rows).sort_values(["label_noise", "width", "procedure", "seed"], ignore_index=True)


def rows_of_seed(
    datasets: Mapping[float, Dataset], widths: Sequence[int], seed: int, strengths: Sequence[float]
) -> list[dict[str, object]]:
    """The rows of :func:`random_feature_study` for one draw of the features."""
    first = next(iter(datasets.values()))
    directions = random_directions(max(widths), math.prod(first.input_shape), seed)
    fits, stacks = zip(*(fit_all(datasets, directions[:width], strengths) for width in widths), strict=True)
    tested = measure(first.test, directions, stacks)
    trained = {noise: measure(data.train.samples, directions, stacks) for noise, data in datasets.items()}
    rows = []
    for group, labels in enumerate(fits):
        for index, fit in enumerate(labels):
            (train_error, train_loss), (test_error, test_loss) = (
                measured[group][index] for measured in (trained[fit.label_noise], tested)
            )
            rows.append(
                {
                    "figure": FIGURE,
                    "model": MODEL,
                    "width": fit.width,
                    "parameters": fit.width * first.classes,
                    "label_noise": fit.label_noise,
                    "train_size": len(first.train),
                    "passes": math.nan,
                    "seed": seed,
                    "procedure": fit.estimator,
                    "strength": fit.strength,
                    "train_error": train_error,
                    "test_error": test_error,
                    "train_loss": train_loss,
                    "test_loss": test_loss,
                }
            )
    return rows


def fit_all(
    datasets: Mapping[float, Dataset], directions: Tensor, strengths: Sequence[float]
) -> tuple[list[Fit], Tensor]:
    """Min norm and tuned ridge for every data set, from one decomposition, and their weights (k, features, classes)."""
    first = next(iter(datasets.values()))
    factors = factorise(random_features(first.train.samples.inputs, directions))
    fits, weights = [], []
    for noise, data in datasets.items():
        targets = F.one_hot(data.train.samples.targets, data.classes).double()
        candidates = ridge(factors, targets, strengths)
        (measured,) = measure(validation_of(data), directions, [candidates])
        best = int(np.argmin([loss for _, loss in measured]))
        fits += [Fit(len(directions), noise, MIN_NORM, math.nan), Fit(len(directions), noise, RIDGE, strengths[best])]
        weights += [min_norm(factors, targets), candidates[best]]
    return fits, torch.stack(weights)


def measure(samples: Samples, directions: Tensor, stacks: Sequence[Tensor]) -> list[list[tuple[float, float]]]:
    """Error, a share, and squared loss on ``samples`` of every model in every stack.

    Args:
        samples: inputs and int64 targets.
        directions: at least as many as the largest model has features; smaller ones use the first of them.
        stacks: weights of models of one size (k, features, classes).
    """
    wrong = [torch.zeros(len(stack), dtype=torch.float64) for stack in stacks]
    loss = [torch.zeros(len(stack), dtype=torch.float64) for stack in stacks]
    for inputs, targets in zip(
        samples.inputs.split(SAMPLES_PER_CALL), samples.targets.split(SAMPLES_PER_CALL), strict=True
    ):
        features = random_features(inputs, directions)
        for index, stack in enumerate(stacks):
            count, width, classes = stack.shape
            # One product for all the models, since the features are read only once then.
            side_by_side = stack.transpose(0, 1).reshape(width, count * classes)
            outputs = (features[:, :width] @ side_by_side).unflatten(1, (count, classes))
            wrong[index] += (outputs.argmax(2) != targets[:, None]).sum(0)
            loss[index] += (outputs - F.one_hot(targets, classes)[:, None]).square().sum((0, 2))
    size = len(samples)
    return [
        list(zip((errors / size).tolist(), (losses / size).tolist(), strict=True))
        for errors, losses in zip(wrong, loss, strict=True)
    ]


def peak(table: pd.DataFrame, column: str = "test_loss") -> int:
    """The number of features at which min norm's mean of ``column`` over seeds is largest, the first of equals.

    Args:
        table: of :func:`random_feature_study`, its rows of one label noise.
        column: ``"test_loss"`` or ``"test_error"``.

    Raises:
        ValueError: the column is neither, or the table holds no label noise or several.
    """
    if column not in ("test_loss", "test_error"):
        raise ValueError(f"column = {column!r} is not one of 'test_loss', 'test_error'")
    shown = table[table["procedure"] == MIN_NORM]
    noises = sorted(set(shown["label_noise"]))
    if len(noises) != 1:
        raise ValueError(f"label_noise = {noises!r} in the rows of {MIN_NORM!r}: need exactly one")
    return int(shown.groupby("width")[column].mean().idxmax())


def validation_of(data: Dataset) -> Samples:
    """The validation split that ridge is tuned on.

    Raises:
        ValueError: there is none.
    """
    if data.validation is None:
        raise ValueError("data.validation_size = 0: ridge is tuned on a validation split, set it, e.g. to 400")
    return data.validation


def check_data(datasets: Mapping[float, Dataset]) -> None:
    """Raise ``ValueError`` unless the data sets are what :func:`random_feature_study` asks for."""
    if not datasets:
        raise ValueError("datasets = {}: need one or more")
    first = next(iter(datasets.values()))
    for noise, data in datasets.items():
        if not 0 <= noise <= 1:
            raise ValueError(f"label_noise = {noise!r} is outside the valid range [0, 1]")
        validation_of(data)
        if data.train.augmentation is not None:
            raise ValueError("data.augment is not 'none': random features are fitted to the samples as they are")
        parts = [
            (data.train.samples, first.train.samples),
            (validation_of(data), validation_of(first)),
            (data.test, first.test),
        ]
        same = all(torch.equal(mine.inputs, other.inputs) for mine, other in parts)
        if not same or not all(torch.equal(mine.targets, other.targets) for mine, other in parts[1:]):
            raise ValueError(f"datasets[{noise!r}] differs from the first in more than its training labels")
