"""What every optimizer of this package shares: argument checks, and parameters grouped with their state."""

from collections.abc import Iterator

import torch
from torch import Tensor


def check_range(name: str, value: float, low: float, high: float = float("inf"), *, open_high: bool = False) -> None:
    """Raise ``ValueError`` unless ``low <= value <= high`` (``value < high`` with ``open_high``); NaN never passes."""
    inside = low <= value < high if open_high else low <= value <= high
    if not inside or value == float("inf"):
        bracket = ")" if open_high or high == float("inf") else "]"
        raise ValueError(f"{name} = {value!r} is outside the valid range [{low}, {high}{bracket}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise ``ValueError`` unless ``betas`` is a pair of numbers in [0, 1)."""
    if len(betas) != 2:
        raise ValueError(f"betas = {betas!r} must hold two numbers")
    for index, beta in enumerate(betas):
        check_range(f"betas[{index}]", beta, 0.0, 1.0, open_high=True)


def check_nesterov(nesterov: bool, momentum: float, dampening: float = 0.0) -> None:
    """Raise ``ValueError`` when Nesterov's form is asked for without momentum, or with dampening."""
    if nesterov and (momentum <= 0 or dampening != 0):
        raise ValueError(
            f"nesterov = True needs momentum > 0 and dampening = 0, "
            f"but momentum = {momentum!r} and dampening = {dampening!r}"
        )


def evaluate_closure(closure):
    """The loss of ``closure`` evaluated with gradients enabled, or ``None`` without a closure."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def with_gradients(group: dict) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters of a group that have a gradient, and those gradients."""
    params = [param for param in group["params"] if param.grad is not None]
    return params, [param.grad for param in params]


def state_lists(state: dict, params: list[Tensor], *names: str) -> Iterator[list[Tensor]]:
    """One list of state tensors per name, created as zeros like the parameters where they are missing."""
    for name in names:
        for param in params:
            if name not in state[param]:
                state[param][name] = torch.zeros_like(param)
        yield [state[param][name] for param in params]


def advance_steps(state: dict, params: list[Tensor]) -> list[int]:
    """Increase every parameter's step counter (it counts the steps that had a gradient) and return them."""
    for param in params:
        state[param]["step"] = state[param].get("step", 0) + 1
    return [state[param]["step"] for param in params]
