"""Label noise, drawn once."""

import torch
from torch import Tensor

from fbgd.seeds import generator


def with_label_noise(targets: Tensor, probability: float, classes: int, seed: int) -> Tensor:
    """Targets (N) of which each is, with ``probability``, replaced by a class uniform over the *other* classes.

    So the expected share of wrong labels is ``probability`` itself.

    Args:
        targets: int64 class labels (N).
        probability: p in [0, 1].
        classes: the number of classes, at least 2.
        seed: the same seed gives the same noise; with a larger p, the labels that were wrong stay wrong.

    Raises:
        ValueError: an argument is outside its range.

    Source: Nakkiran et al. 2020, "Deep Double Descent", section 5.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"data.label_noise = {probability!r} is outside the valid range [0, 1]")
    if classes < 2:
        raise ValueError(f"classes = {classes!r} must be at least 2")
    draw = generator(seed, "label noise")
    chosen = torch.rand(len(targets), generator=draw) < probability
    offsets = torch.randint(1, classes, (len(targets),), generator=draw)
    return torch.where(chosen, (targets + offsets) % classes, targets)
