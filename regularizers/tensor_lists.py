"""Arithmetic on lists of tensors."""

import torch
from torch import Tensor


def global_norm(tensors: list[Tensor]) -> Tensor:
    """The L2 norm of all entries of all tensors together, a tensor without dimensions; also inside ``vmap``.

    Examples:
        >>> global_norm([torch.tensor([3.0]), torch.tensor([[4.0]])]).item()
        5.0
    """
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors]))


def foreach_norm(tensors: list[Tensor]) -> Tensor:
    """:func:`global_norm` in two calls however many tensors there are; ``vmap`` has no rule for it.

    Examples:
        >>> foreach_norm([torch.tensor([3.0]), torch.tensor([[4.0]])]).item()
        5.0
    """
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))


def add_scaled(tensors: list[Tensor], others: list[Tensor], scale: Tensor | float) -> list[Tensor]:
    """``tensors + scale * others``, a new list."""
    return [tensor + scale * other for tensor, other in zip(tensors, others, strict=True)]


def flatten(tensors: list[Tensor]) -> Tensor:
    """All entries in one vector.

    >>> flatten([torch.tensor([[1.0, 2.0]]), torch.tensor(3.0)]).tolist()
    [1.0, 2.0, 3.0]
    """
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def unflatten(vector: Tensor, like: list[Tensor]) -> list[Tensor]:
    """Views into ``vector`` with the shapes of ``like``.

    >>> [part.tolist() for part in unflatten(torch.arange(3.0), [torch.zeros(1, 2), torch.zeros(())])]
    [[[0.0, 1.0]], 2.0]
    """
    parts = vector.split([tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]
