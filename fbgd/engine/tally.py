"""Means over the steps between two records."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fbgd.engine.gradient import StepGradient

Row = dict[str, float]


class Tally:
    """Means over the steps since the last record, summed on the device so that no step waits for it.

    Of runs that are trained together, every value has a dimension for the members.

    Args:
        metric: what the score of a loss is called, "accuracy" or "r2".
    """

    def __init__(self, metric: str = "accuracy"):
        self.names = ("loss", metric, "gradient_norm", "block_gradient_norm")
        self.sums: Tensor | None = None
        self.clipped: Tensor | float = 0.0
        self.shares: Tensor | None = None
        self.steps = 0

    def state(self, member: int) -> dict:
        """What a member's means need to go on after a pause; empty right after a record."""
        if self.sums is None:
            return {}
        sums = self.sums.reshape(len(self.names), -1)[:, member].clone()
        return {"sums": sums, "clipped": float(self.clipped), "steps": self.steps}

    def load(self, states: Sequence[dict]) -> None:
        """Go on from what :meth:`state` gave for every member, all of them after the same steps."""
        if not states[0]:
            return
        sums = [state["sums"] for state in states]
        self.sums = sums[0] if len(sums) == 1 else torch.stack(sums, dim=1)
        self.clipped, self.steps = states[0]["clipped"], states[0]["steps"]

    def add(self, result: StepGradient, clipped: Tensor | float, shares: Tensor | None = None) -> None:
        """Add one step: its gradient's evaluation, 1 where the gradient was clipped, else 0, and its shares."""
        values = torch.stack([result.loss, result.accuracy, result.norm, result.block_norm])
        self.sums = values if self.sums is None else self.sums.to(values) + values
        self.clipped = self.clipped + clipped
        self.shares = larger(self.shares, shares)
        self.steps += 1

    def means(self) -> list[Row]:
        """The mean of every value over the steps so far, a row for each member; this waits for the device."""
        clipped = float(self.clipped) / self.steps
        assert self.sums is not None, "no step was added"
        members = (self.sums / self.steps).reshape(len(self.names), -1).T.tolist()
        # The loss of a perfect network is -0.0.
        rows = [[mean + 0.0 for mean in means] for means in members]
        return [{**dict(zip(self.names, row, strict=True)), "clipped": clipped} for row in rows]

    def largest_shares(self) -> list[list[float]]:
        """The largest share of every ingredient over the steps so far, a list for each member; it waits too."""
        return [] if self.shares is None else self.shares.reshape(len(self.shares), -1).T.tolist()


def larger(left: Tensor | None, right: Tensor | None) -> Tensor | None:
    """The larger of both, entry by entry; of one alone, that one."""
    return right if left is None else left if right is None else torch.maximum(left, right)
