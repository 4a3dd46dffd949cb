"""What every optimizer of this package shares: argument checks, and parameters grouped with their state."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

# What the functions torch._foreach_... take and give.
Tensors = list[Tensor] | tuple[Tensor, ...]


def check_scalar(name: str, value: float | Tensor) -> None:
    """Raise ``ValueError`` where ``value`` is a tensor of several numbers, or one that asks for a gradient."""
    if not isinstance(value, Tensor):
        return
    if value.numel() != 1:
        raise ValueError(f"{name} is a tensor of shape {tuple(value.shape)}, but must be one number")
    if value.requires_grad:
        raise ValueError(
            f"{name} = {value!r} asks for a gradient, which no optimizer of this package gives it: detach it, or use "
            "torch.optim with differentiable=True"
        )


def check_range(
    name: str,
    value: float | Tensor,
    low: float,
    high: float = float("inf"),
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Raise ``ValueError`` unless ``value`` is one finite number in [low, high], without an end that is open."""
    check_scalar(name, value)
    above = low < value if open_low else low <= value
    below = value < high if open_high or high == float("inf") else value <= high
    if not (above and below):
        left = "(" if open_low else "["
        right = ")" if open_high or high == float("inf") else "]"
        raise ValueError(f"{name} = {value!r} is outside the valid range {left}{low}, {high}{right}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} = {value!r} must be one of {', '.join(map(repr, choices))}")


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


def value_and_gradient(closure) -> tuple[Any, Mapping[Tensor, Tensor] | None]:
    """The loss of ``closure`` evaluated with gradients enabled, and that loss's gradient by parameter.

    The gradient is ``None`` where it is what ``.grad`` holds. A closure that assigns another one there, a clipped or a
    noisy one, has a method ``value_and_gradient`` of its own, which does the same as calling it and returns both.
    """
    evaluate = getattr(closure, "value_and_gradient", None)
    if evaluate is None:
        return evaluate_closure(closure), None
    with torch.enable_grad():
        return evaluate()


def require_closure(optimizer: str, closure) -> None:
    """Raise ``ValueError`` without a closure, for an optimizer that evaluates the loss itself."""
    if closure is None:
        raise ValueError(
            f"{optimizer} needs a closure: call step(closure) with a function that clears the gradients, "
            "computes the loss and its gradients, and returns the loss"
        )


def learning_rate(group: dict) -> float:
    """The learning rate of a group now; a tensor is read at every step, since schedulers fill it in place."""
    return float(group["lr"])


def with_gradients(group: dict) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters of a group that have a gradient, and those gradients."""
    params = [param for param in group["params"] if param.grad is not None]
    return params, [param.grad for param in params]


def batches(group: dict) -> Iterator[tuple[list[Tensor], Tensors]]:
    """The parameters of a group that have a gradient, and the gradients to descend along; nothing if there are none.

    With ``maximize`` gradients are negated. All come at once, or with ``foreach=False`` one by one, so that what is
    made on the way is as large as one parameter and not as all of them.
    """
    params, gradients = with_gradients(group)
    if group.get("foreach") is False:
        parts = [([param], [gradient]) for param, gradient in zip(params, gradients, strict=True)]
    else:
        parts = [(params, gradients)] if params else []
    for some, own in parts:
        yield some, torch._foreach_neg(own) if group.get("maximize") else own


def real_view(tensor: Tensor) -> Tensor:
    """A complex tensor as pairs of real numbers (..., 2) in the same memory; a real one as it is.

    So every optimizer treats real and imaginary part as two entries of a real parameter.
    """
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def real_views(tensors: Tensors) -> list[Tensor]:
    """:func:`real_view` of all tensors of a list."""
    return [real_view(tensor) for tensor in tensors]


def inner(left: Tensors, right: Tensors) -> float:
    """The inner product of two lists of tensors, of complex ones the real part of the Hermitian one."""
    products = torch._foreach_mul(real_views(left), real_views(right))
    return sum(float(product.sum()) for product in products)


def global_norm(tensors: Tensors) -> Tensor:
    """Euclidean length of all entries together."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))


def state_lists(state: dict, params: list[Tensor], *names: str, fill: float = 0.0) -> Iterator[list[Tensor]]:
    """One list of state tensors per name, created like the parameters with all entries ``fill`` where missing.

    The lists hold the :func:`real_view` of every tensor.
    """
    for name in names:
        for param in params:
            if name not in state[param]:
                state[param][name] = torch.empty_like(param)
                real_view(state[param][name]).fill_(fill)
        yield [real_view(state[param][name]) for param in params]


def advance_steps(state: dict, params: list[Tensor]) -> list[int]:
    """Increase every parameter's step counter (it counts the steps that had a gradient) and return them."""
    for param in params:
        state[param]["step"] = state[param].get("step", 0) + 1
    return [state[param]["step"] for param in params]
