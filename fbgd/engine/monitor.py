"""Evaluation along the way: of which weights, which were the best, and whether to go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.engine.tally import Row
from regularizers import EarlyStopping, WeightAverage


class Monitor:
    """Looks on while a model is trained; the training itself never sees it.

    The weights that are evaluated are the model's own; with an average, the average, from its first moment on; with an
    optimizer that keeps other weights for evaluation (its ``eval()`` and ``train()`` switch, as schedule-free ones do),
    those. With early stopping, what counts in the end are the weights with the best validation metric.

    Args:
        model: looked at.
        optimizer: its optimizer.
        measure: metrics of the model as it stands, called with the number of the current pass.
        average: how weights are averaged.
        stopping: when to stop.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        measure: Callable[[int], Row],
        average: WeightAverage | None = None,
        stopping: EarlyStopping | None = None,
    ):
        self.model, self.optimizer, self.measure = model, optimizer, measure
        self.average, self.stopping = average, stopping
        self.averaged: list[Tensor] | None = None
        self.best: dict | None = None

    def after_step(self, step: int, steps_per_pass: int, steps: int) -> None:
        """Take the weights after step ``step`` of ``steps`` into the average."""
        share = 0.0 if self.average is None else self.average.weight(step, steps_per_pass, steps)
        if share and self.averaged is None:
            self.averaged = self._weights()
        elif share:
            torch._foreach_lerp_(cast(list[Tensor], self.averaged), self._weights(), share)

    def evaluate(self, pass_index: int, passes: float) -> Row:
        """Metrics now, ``passes`` passes into training; they are remembered if they are the best so far."""
        with self._evaluated_weights():
            row = self.measure(pass_index)
            if self.stopping is not None:
                value, best = row[self.stopping.metric], self.best
                before = None if best is None else best["row"][self.stopping.metric]
                if self.stopping.improves(value, before):
                    state = {name: entry.detach().clone() for name, entry in self.model.state_dict().items()}
                    self.best = {"row": row, "passes": passes, "model": state}
        return row

    def exhausted(self, passes: float) -> bool:
        """Whether early stopping ends training now."""
        return (
            self.stopping is not None and self.best is not None and self.stopping.exhausted(passes, self.best["passes"])
        )

    @property
    def never_averaged(self) -> bool:
        """Whether an average was asked for and has not begun."""
        return self.average is not None and self.averaged is None

    def finish(self) -> Row:
        """Leave the model with the weights that count; what the last row gains: the best metrics and their moment."""
        self._to_evaluated_weights()
        if self.best is None:
            return {}
        self.model.load_state_dict(self.best["model"])
        return {**self.best["row"], "best_passes": self.best["passes"]}

    def state_dict(self) -> dict:
        """The average and the best, for a checkpoint."""
        return {"averaged": self.averaged, "best": self.best}

    def load_state_dict(self, state: dict) -> None:
        """Go back to a checkpoint."""
        device = next(self.model.parameters()).device
        averaged = state["averaged"]
        self.averaged = None if averaged is None else [entry.to(device) for entry in averaged]
        self.best = state["best"]

    def _weights(self) -> list[Tensor]:
        return [param.detach().clone() for param in self.model.parameters()]

    @torch.no_grad()
    def _assign(self, weights: list[Tensor]) -> None:
        torch._foreach_copy_(list(self.model.parameters()), weights)

    def _to_evaluated_weights(self) -> None:
        switch = getattr(self.optimizer, "eval", None)
        if switch is not None:
            switch()
        if self.averaged is not None:
            self._assign(self.averaged)

    @contextmanager
    def _evaluated_weights(self) -> Iterator[None]:
        switch = getattr(self.optimizer, "train", None)
        if switch is None and self.averaged is None:
            yield
            return
        training_weights = self._weights()
        try:
            self._to_evaluated_weights()
            yield
        finally:
            if switch is not None:
                switch()
            # An optimizer that switches by arithmetic would come back with rounding errors.
            self._assign(training_weights)
