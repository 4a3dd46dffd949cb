"""Metrics of the user's: numbers of a set's outputs and targets, the model being in evaluation mode."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.data import Samples
from fbgd.engine.evaluate import mode
from fbgd.engine.ranks import ALONE, Ranks
from fbgd.engine.tally import Row
from fbgd.errors import ConfigError, said


@dataclass(frozen=True)
class Metric:
    """A metric of a run.

    Args:
        name: its columns are called ``test_name``, or ``test_name/part`` where it gives several numbers.
        function: ``(outputs, targets) -> number``, or numbers by name. Both have all samples of a set: outputs as the
            model gives them and labels (N), numbers (N, K), or labels (N, T).
    """

    name: str
    function: Callable[[Tensor, Tensor], Any]

    def columns(self, part: str, outputs: Tensor, targets: Tensor) -> Row:
        """The metric's numbers for a row.

        Args:
            part: what the set is called: "train", "validation" or "test".
            outputs: of all its samples.
            targets: theirs.

        Raises:
            ConfigError: the function fails, or gives something else than numbers.
        """
        try:
            given = self.function(outputs, targets)
        except Exception as error:
            shapes = f"outputs of shape {tuple(outputs.shape)} and targets of shape {tuple(targets.shape)}"
            raise ConfigError(f"metric.{self.name} failed with {shapes}: {said(error)}") from error
        if not isinstance(given, Mapping):
            return {f"{part}_{self.name}": number(f"metric.{self.name} gives", given)}
        return {
            f"{part}_{self.name}/{key}": number(f"metric.{self.name}: {key!r} is", value)
            for key, value in given.items()
        }


def number(where: str, value: Any) -> float:
    """A value that must be a single number.

    Raises:
        ConfigError: it is none.
    """
    scalar = isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex()
    if isinstance(value, bool) or not (scalar or isinstance(value, Real)):
        raise ConfigError(f"{where} {' '.join(repr(value).split())[:80]}, and must be a number")
    return float(value)


@torch.no_grad()
def measured(
    metrics: Sequence[Metric],
    part: str,
    model: nn.Module,
    samples: Samples,
    batch_size: int = 1000,
    ranks: Ranks = ALONE,
) -> Row:
    """The columns of all ``metrics`` on a set of samples; none without metrics, at no cost.

    Of several ranks, the first has them.

    Args:
        metrics: what is measured.
        part: what the set is called.
        model: left in the mode it came in.
        samples: inputs and targets.
        batch_size: samples a forward pass; it changes nothing but memory and speed.
        ranks: whom the samples are dealt to; one all-reduce.
    """
    if not metrics:
        return {}
    own = ranks.samples(samples)
    # Of fewer samples than ranks, a rank without one still has to know the outputs' shape.
    inputs = own.inputs if len(own) else samples.inputs[:1]
    with mode(model, training=False):
        outputs = torch.cat([model(batch) for batch in inputs.split(batch_size)])[: len(own)]
    outputs = ranks.gathered(outputs, len(samples))
    row: Row = {}
    if not ranks.first:
        return row
    for metric in metrics:
        # Each its own: a function may write to what it is given.
        row |= metric.columns(part, outputs.clone(), samples.targets.clone())
    return row
