"""Bias, variance and noise of regression on random features, exactly; the estimators are asked for the same numbers."""

from collections.abc import Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from fbgd.data import Dataset
from fbgd.data.label_noise import with_label_noise
from fbgd.models.random_features import factorise, random_directions, random_features
from fbgd.seeds import generator
from fbgd.studies.bias_variance.closed_form import LinearParts, label_moments, linear_parts, smoothers
from fbgd.studies.bias_variance.estimators import squared_parts

MIN_NORM, RIDGE = "min norm", "ridge"
# Features that are drawn, of which each fit has one as probable as another.
DRAWS = 6
# Of an estimate: sets of labels, and fits on each.
SETS, FITS = 2, 2


def rows_of_draw(
    data: Dataset, widths: Sequence[int], noises: Sequence[float], strengths: Sequence[float], seed: int, estimates: int
) -> list[dict[str, object]]:
    """The rows for one draw of data and features: exact parts, and the mean of so many estimates of each.

    Min norm, and ridge with the strength of the smallest exact risk. The training labels are drawn anew from the true
    ones, inputs stay; the points are the test samples.

    Args:
        data: without label noise.
        widths: numbers of features.
        noises: probabilities of a wrong label.
        strengths: of ridge.
        seed: of the draw, and of the features.
        estimates: that are averaged; 0 for none.
    """
    train, test = data.train.samples, data.test
    directions = [random_directions(max(widths), train.inputs[0].numel(), DRAWS * seed + draw) for draw in range(DRAWS)]
    features = [[random_features(part.inputs, own) for own in directions] for part in (train, test)]
    rows = []
    for width in widths:
        fits = torch.stack(
            [
                smoothers(factorise(own[:, :width]), other[:, :width], (0.0, *strengths))
                for own, other in zip(*features, strict=True)
            ],
            dim=1,
        )
        for noise in noises:
            own, points = (label_moments(part.targets, data.classes, noise) for part in (train, test))
            exact = [linear_parts(fit, *own, *points) for fit in fits]
            best = 1 + min(range(len(strengths)), key=lambda place: exact[1 + place].risk)
            for procedure, place in ((MIN_NORM, 0), (RIDGE, best)):
                estimated = estimate(fits[place], data, noise, (seed, width), estimates)
                strength = (0.0, *strengths)[place]
                about = {"procedure": procedure, "label_noise": noise, "width": width, "seed": seed}
                rows.append({**about, "train_size": len(train), "strength": strength, **exact[place]._asdict(),
                             **compared(exact[place], estimated)})  # fmt: skip
    return rows


def estimate(fits: Tensor, data: Dataset, noise: float, key: tuple[int, int], count: int) -> list[Tensor]:
    """Estimates of bias, variance, optimisation and sampling, from labels and features drawn anew for each.

    Args:
        fits: smoothers (M, N, n), of which each fit takes one by chance.
        data: whose true labels are drawn anew.
        noise: probability of a wrong label.
        key: decides the draws, with ``noise``.
        count: of estimates.
    """
    labels, (means, _) = data.train.samples.targets, label_moments(data.test.targets, data.classes, noise)
    draw = generator(key[0], "estimates", key[1])
    found = []
    for number in range(count):
        predictions = []
        for own in range(SETS):
            noisy = with_label_noise(labels, noise, data.classes, (key[0] * count + number) * SETS + own)
            chosen = torch.randint(len(fits), (FITS,), generator=draw)
            predictions.append(fits[chosen] @ F.one_hot(noisy, data.classes).double())
        parts = squared_parts(torch.stack(predictions), means)
        found.append(torch.tensor([parts.bias, parts.variance, parts.optimisation, parts.sampling]))
    return found


def compared(exact: LinearParts, estimated: list[Tensor]) -> dict[str, float]:
    """The mean estimates; none where nothing was estimated."""
    if not estimated:
        return {}
    mean = torch.stack(estimated).mean(0).tolist()
    return dict(zip(("bias_hat", "variance_hat", "optimisation_hat", "sampling_hat"), mean, strict=True))


def table_of(rows: list[dict[str, object]]) -> pd.DataFrame:
    """All rows, in the order of procedures, label noises, widths and draws."""
    return pd.DataFrame(rows).sort_values(["procedure", "label_noise", "width", "seed"], ignore_index=True)
