"""Probes look on: what they may see of a training state, and how the loop keeps them from changing it."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.evaluate import mode, population_statistics
from fbgd.engine.gradient import block_gradients
from fbgd.engine.kernels import Objective
from fbgd.engine.metrics import number
from fbgd.engine.tally import Row
from fbgd.errors import ConfigError, said
from fbgd.seeds import generator


@dataclass
class Cost:
    """The gradients of samples that a probe has evaluated."""

    evaluations: int = 0


@dataclass(frozen=True)
class ProbeState:
    """A training state between two steps, to be looked at.

    Args:
        model: the network in training mode; its parameters must stay as they are.
        params: its parameters, detached, in the order of ``model.parameters()``.
        step: steps taken.
        passes: passes over the training set taken.
        lr: the learning rate of the last step.
        blocks: makes all blocks of the current pass as training sees them, augmented, transformed and with the keys of
            their random layers.
        objective: ``(params, inputs, targets, key) -> (objective, (loss, right))`` of one block, pure.
        optimizer: its state and groups must stay as they are.
        generator: makes a CPU generator of the probe's own, ``generator(*index)``, which depends on the run's seed, the
            probe's name, the step and ``index`` alone.
        cost: what the probe has spent; see :meth:`spend`.
        initial: the parameters before the first step; ``None`` where nobody knows them.
    """

    model: nn.Module
    params: list[Tensor]
    step: int
    passes: float
    lr: float
    blocks: Callable[[], StepBlocks]
    objective: Objective
    optimizer: torch.optim.Optimizer
    generator: Callable[..., torch.Generator]
    cost: Cost = field(default_factory=Cost)
    initial: list[Tensor] | None = None

    def start(self) -> list[Tensor]:
        """The parameters before the first step.

        Raises:
            ConfigError: they are not known.
        """
        if self.initial is None:
            raise ConfigError("this state does not know the parameters before the first step")
        return self.initial

    def spend(self, evaluations: int) -> None:
        """Count gradients of samples that the probe evaluates by itself."""
        self.cost.evaluations += evaluations

    @contextmanager
    def evaluation(self) -> Iterator[nn.Module]:
        """The model in evaluation mode, its batch norms with the population statistics of the current pass."""
        blocks = self.blocks()
        # As evaluation takes them: without mixing and noise.
        population_statistics(self.model, StepBlocks(blocks.data, blocks.indices, blocks.pass_index, blocks.first))
        with mode(self.model, training=False):
            yield self.model

    def block_gradients(self) -> Iterator[tuple[int, list[Tensor]]]:
        """The size and the gradient of the objective of every block of :attr:`blocks`; their cost is counted."""
        for size, gradient in block_gradients(self.objective, self.params, self.blocks()):
            self.spend(size)
            yield size, gradient


class Probe(Protocol):
    """A read-only diagnostic of a training state: any callable of this form."""

    def __call__(self, state: ProbeState) -> Mapping[str, float]:
        """Numbers by the name of their column."""


@dataclass(frozen=True)
class ScheduledProbe:
    """A probe of a run.

    Args:
        name: its columns are called ``name/column``, its random stream ``probe name``.
        probe: what looks on.
        every: passes between two looks; the last step of the budget is always looked at.
    """

    name: str
    probe: Probe
    every: float = 1.0

    def columns(self, state: ProbeState) -> Row:
        """The probe's numbers for a row, taken without leaving a trace.

        Raises:
            ConfigError: the probe fails, returns something else than numbers by name, or has changed parameters or the
                optimizer's state.
        """
        with untouched(f"probe.{self.name}", state):
            try:
                # A probe of the user's may return anything.
                numbers: Any = self.probe(state)
            except Exception as error:
                raise ConfigError(f"probe.{self.name} failed after {state.passes:g} passes: {said(error)}") from error
        if not isinstance(numbers, Mapping):
            kind = type(numbers).__name__
            raise ConfigError(f"probe.{self.name} returned a {kind}, where numbers by their names are wanted")
        return {f"{self.name}/{name}": self._number(name, value) for name, value in numbers.items()}

    def _number(self, name: str, value: Any) -> float:
        return number(f"probe.{self.name}: the column {name!r} is", value)


def run_probes(
    probes: tuple[ScheduledProbe, ...], make_state: Callable[..., ProbeState], seed: int, step: int
) -> tuple[Row, int]:
    """The columns of all ``probes`` after step ``step``, and the gradients of samples that they evaluated.

    Args:
        probes: those that are due.
        make_state: the state for a probe, but for its ``generator``.
        seed: of the run.
        step: steps taken.
    """
    row: Row = {}
    evaluations = 0
    for probe in probes:
        state = make_state(generator=partial(generator, seed, f"probe {probe.name}", step))
        row |= probe.columns(state)
        evaluations += state.cost.evaluations
    return row, evaluations


@contextmanager
def untouched(name: str, state: ProbeState) -> Iterator[None]:
    """Put back what looking may disturb: mode, buffers, ``.grad``, random states; refuse any other change.

    Raises:
        ConfigError: a parameter or the optimizer's state was written to.
    """
    model, optimizer = state.model, state.optimizer
    params, training = list(model.parameters()), {module: module.training for module in model.modules()}
    gradients = [param.grad for param in params]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    watched = [*params, *(entry for entry in tensors_of(dict(optimizer.state)))]
    before = [tensor._version for tensor in watched]
    python, numpy = random.getstate(), np.random.get_state()
    for param in params:
        param.grad = None
    try:
        # Only GPUs that are in use: asking for the others' states would start them.
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        for module, mode in training.items():
            module.training = mode
        for param, gradient in zip(params, gradients, strict=True):
            param.grad = gradient
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
    if before != [tensor._version for tensor in watched]:
        raise ConfigError(f"{name} wrote to the parameters or to the optimizer's state: a probe may only look")


def tensors_of(state: object) -> Iterator[Tensor]:
    """All tensors in nested dictionaries, lists and tuples."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping):
        for value in state.values():
            yield from tensors_of(value)
    elif isinstance(state, list | tuple):
        for value in state:
            yield from tensors_of(value)
