"""How far from the mode of the posterior different ways to train a linear model end."""

import math

import pandas as pd
import torch.nn.functional as F
from torch import Tensor

from fbgd.config.build import load_data
from fbgd.data import Samples
from fbgd.models.random_features import factorise, ridge
from fbgd.runs.plan import PlannedRun
from fbgd.studies.weight_decay.posterior import gaussian_mode, softmax_mode, with_bias
from fbgd.studies.weight_decay.weights import linear_weights

# Precisions among which the prior whose mode lies nearest to given weights is sought.
NEAREST = tuple(10 ** (index / 2) for index in range(-8, 5))
RIDGE, CONDITIONING = "ridge", "prior, conditioned on the data"


def relative(weights: Tensor, mode: Tensor) -> float:
    r""":math:`\lVert w - w^* \rVert / \lVert w^* \rVert`."""
    return float((weights - mode).norm() / mode.norm())


def ridge_distance(samples: Samples, classes: int, precision: float) -> float:
    """Between ridge regression of one-hot labels with L2 in the mean loss and the mode under the Gaussian prior.

    Args:
        samples: of the training set.
        classes: columns of the targets.
        precision: of the prior, n times the strength of L2.
    """
    features = with_bias(samples.inputs)
    targets = F.one_hot(samples.targets, classes).double()
    mode = ridge(factorise(features), targets, [precision / len(samples)])[0]
    return relative(gaussian_mode(features, targets, precision**-0.5), mode)


def nearest_prior(weights: Tensor, features: Tensor, labels: Tensor) -> tuple[float, float]:
    """The precision of :data:`NEAREST` whose mode lies nearest to softmax weights (c, d), and how near."""
    found = {
        precision: relative(weights, softmax_mode(features, labels, len(weights), precision / len(labels)))
        for precision in NEAREST
    }
    best = min(found, key=lambda precision: found[precision])
    return best, found[best]


def distance_table(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a finished run of the linear model: its distance from the mode of its prior, and the prior it is nearest.

    The nearest prior is sought only where the distance is no rounding. A row of ridge regression, in closed form, comes
    first at each number of samples.
    """
    rows, sizes = [], set()
    for run in (run for run in planned if run.done):
        data = load_data(run.config)
        samples, n, precision = data.train.samples, int(run.labels["n"]), float(run.labels["precision"])
        about = {"train_size": n, "seed": run.seed, "precision": precision}
        if n not in sizes:
            sizes.add(n)
            distance = ridge_distance(samples, data.classes, precision)
            rows.append({"model": RIDGE, **about, "how": CONDITIONING, "distance": distance})
        weights, features = linear_weights(run), with_bias(samples.inputs)
        distance = relative(weights, softmax_mode(features, samples.targets, data.classes, precision / n))
        nearest = (precision, distance)
        if distance > 1e-3:
            nearest = nearest_prior(weights, features, samples.targets)
        rows.append({"model": run.labels["model"], **about, "how": run.labels["how"], "distance": distance,
                     "nearest_precision": nearest[0], "nearest_distance": nearest[1]})  # fmt: skip
    frame = pd.DataFrame(rows, columns=["model", "train_size", "seed", "precision", "how", "distance",
                                        "nearest_precision", "nearest_distance"])  # fmt: skip
    return frame.astype({"distance": float, "nearest_precision": float, "nearest_distance": float})


def order_of(distance: float) -> str:
    """A distance as people read it."""
    return "–" if math.isnan(distance) else f"{distance:.1e}" if distance < 0.01 else f"{distance:.2f}"
