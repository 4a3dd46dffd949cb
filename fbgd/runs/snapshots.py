"""All state of a run between two steps, as a checkpoint keeps it."""

from typing import Any

from torch import Tensor

from fbgd.engine.experiment import Experiment, Progress
from fbgd.engine.record import Row


def snapshot(experiment: Experiment, progress: Progress, rows: list[Row]) -> dict:
    """All state of a run between two steps."""
    holders: dict[str, Any] = {
        "model": experiment.model,
        "optimizer": experiment.optimizer,
        "monitor": experiment.monitor,
    }
    states = {name: without_views(holder.state_dict()) for name, holder in holders.items()}
    return {**states, "progress": vars(progress).copy(), "rows": rows}


def without_views(state):
    """The same state, in which views into larger tensors are tensors of their own: they would be saved whole."""
    if isinstance(state, Tensor):
        return state.clone() if state.untyped_storage().nbytes() > state.nbytes else state
    if isinstance(state, dict):
        return {key: without_views(value) for key, value in state.items()}
    return [without_views(value) for value in state] if isinstance(state, list) else state


def restore(experiment: Experiment, state: dict) -> None:
    """Bring model, optimizer and monitor to a snapshot's point."""
    experiment.model.load_state_dict(state["model"])
    experiment.optimizer.load_state_dict(state["optimizer"])
    experiment.monitor.load_state_dict(state["monitor"])
