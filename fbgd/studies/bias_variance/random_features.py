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
from fbgd.studies.bias_variance.closed_form import label_moments, linear_parts, smoothers
from fbgd.studies.bias_variance.estimators import squared_parts

WEAK, TUNED = "weak ridge", "tuned ridge"
# Features that are drawn, of which each fit has one as probable as another.
DRAWS = 20
# Of an estimate: sets of labels, and fits on each.
SETS, FITS = 2, 2


def rows_of_draw(
    data: Dataset, widths: Sequence[int], noises: Sequence[float], strengths: Sequence[float], seed: int, estimates: int
) -> list[dict[str, object]]:
    """The rows for one draw of data and features: exact parts, and the mean of so many estimates of each.

    Ridge with the first strength, and with that of the smallest exact risk. Training labels are drawn anew from the
    true ones, inputs stay; the points are the test samples.

    Args:
        data: without label noise.
        widths: numbers of features.
        noises: probabilities of a wrong label.
        strengths: of ridge, the weak one first.
        seed: of the draw, and of the features.
        estimates: that are averaged, at least 1.
    """
    train, test = data.train.samples, data.test
    directions = [random_directions(max(widths), train.inputs[0].numel(), DRAWS * seed + draw) for draw in range(DRAWS)]
    features = [[random_features(part.inputs, own) for own in directions] for part in (train, test)]
    moments = {noise: [label_moments(part.targets, data.classes, noise) for part in (train, test)] for noise in noises}
    labels = {noise: drawn_labels(data, noise, seed, estimates) for noise in noises}
    draw, rows = generator(seed, "estimates"), []
    for width in widths:
        fits = torch.stack(
            [
                smoothers(factorise(own[:, :width]), other[:, :width], strengths)
                for own, other in zip(*features, strict=True)
            ],
            dim=1,
        )
        for noise, (own, points) in moments.items():
            exact = [linear_parts(fit, *own, *points) for fit in fits]
            best = min(range(len(strengths)), key=lambda place: exact[place].risk)
            for procedure, place in ((WEAK, 0), (TUNED, best)):
                row: dict[str, object] = {"procedure": procedure, "label_noise": noise, "width": width, "seed": seed}
                row |= {"train_size": len(train), "strength": strengths[place], **exact[place]._asdict()}
                rows.append(row | estimate(fits[place], labels[noise], points[0], draw))
    return rows


def drawn_labels(data: Dataset, noise: float, seed: int, count: int) -> Tensor:
    """One-hot training labels (count, SETS, n, C) with noise drawn anew for each estimate and set."""
    labels = data.train.samples.targets
    first = seed * count * SETS
    noisy = [with_label_noise(labels, noise, data.classes, first + number) for number in range(count * SETS)]
    return F.one_hot(torch.stack(noisy), data.classes).double().unflatten(0, (count, SETS))


def estimate(fits: Tensor, labels: Tensor, means: Tensor, draw: torch.Generator) -> dict[str, float]:
    """The mean estimates of bias, variance, optimisation and sampling.

    Args:
        fits: smoothers (M, N, n), of which each fit takes one by chance.
        labels: of :func:`drawn_labels`.
        means: of the labels of the points (N, C).
        draw: decides which smoothers are taken.
    """
    count, sets, samples, classes = labels.shape
    chosen = torch.randint(len(fits), (count, sets, FITS), generator=draw)
    # All fits to all labels at once; then those that were chosen.
    outputs = fits @ labels.permute(2, 0, 1, 3).reshape(samples, -1)
    outputs = outputs.view(len(fits), len(means), count, sets, classes).permute(2, 3, 0, 1, 4)
    places = torch.arange(count).view(-1, 1, 1), torch.arange(sets).view(1, -1, 1), chosen
    found = [squared_parts(own, means) for own in outputs[places]]
    return {
        f"{name}_hat": sum(getattr(parts, name) for parts in found) / count
        for name in ("bias", "variance", "optimisation", "sampling")
    }


def table_of(rows: list[dict[str, object]]) -> pd.DataFrame:
    """All rows, in the order of procedures, label noises, widths and draws."""
    return pd.DataFrame(rows).sort_values(["procedure", "label_noise", "width", "seed"], ignore_index=True)
