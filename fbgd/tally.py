"""What is recorded of the steps between two records."""

import torch
from torch import Tensor

from fbgd.gradient import StepGradient

Row = dict[str, float]


class Tally:
    """Means over the steps since the last record, summed on the device so that no step waits for it."""

    names = ("loss", "accuracy", "gradient_norm", "block_gradient_norm")

    def __init__(self):
        self.sums: Tensor | None = None
        self.clipped: Tensor | float = 0.0
        self.steps = 0

    def add(self, result: StepGradient, clipped: Tensor | float) -> None:
        """Add one step: its gradient's evaluation, and 1 where the gradient was clipped, else 0."""
        values = torch.stack([result.loss, result.accuracy, result.norm, result.block_norm])
        self.sums = values if self.sums is None else self.sums + values
        self.clipped = self.clipped + clipped
        self.steps += 1

    def means(self) -> Row:
        """The mean of every value over the steps so far; this waits for the device."""
        # The loss of a perfect network is -0.0.
        means = [mean + 0.0 for mean in (self.sums / self.steps).tolist()]
        return {**dict(zip(self.names, means, strict=True)), "clipped": float(self.clipped) / self.steps}
