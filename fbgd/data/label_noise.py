"""Label noise, drawn once."""

import torch
from torch import Tensor

from fbgd.seeds import generator

LABEL_NOISES = ("others", "all")


def with_label_noise(targets: Tensor, probability: float, classes: int, seed: int, over: str = "others") -> Tensor:
    """Targets (N) of which each is replaced, with ``probability``, by a class drawn uniformly.

    Over the *other* classes the expected share of wrong labels is p itself; over *all* C classes a drawn label is the
    true one now and then, and it is p (1 - 1/C).

    Args:
        targets: int64 class labels (N).
        probability: p in [0, 1].
        classes: the number of classes C, at least 2.
        seed: the same seed gives the same noise; with a larger p, the labels that were drawn anew stay so.
        over: ``"others"`` or ``"all"``, what a new label is drawn from.

    Raises:
        ValueError: an argument is outside its range.

    Source: Nakkiran et al. 2020, "Deep Double Descent", section 5 (others); Greydanus & Kobak 2024, the MNIST-1D
    notebook on double descent (all).
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"data.label_noise = {probability!r} is outside the valid range [0, 1]")
    if classes < 2:
        raise ValueError(f"classes = {classes!r} must be at least 2")
    if over not in LABEL_NOISES:
        raise ValueError(f"data.label_noise_over = {over!r} is not one of {', '.join(map(repr, LABEL_NOISES))}")
    draw = generator(seed, "label noise")
    chosen = torch.rand(len(targets), generator=draw) < probability
    offsets = torch.randint(1 if over == "others" else 0, classes, (len(targets),), generator=draw)
    return torch.where(chosen, (targets + offsets) % classes, targets)
