"""Arithmetic on lists of tensors that also works inside ``torch.func.vmap``."""

import torch
from torch import Tensor


def global_norm(tensors: list[Tensor]) -> Tensor:
    """The L2 norm of all entries of all tensors together: a tensor without dimensions."""
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors]))


def add_scaled(tensors: list[Tensor], others: list[Tensor], scale: Tensor | float) -> list[Tensor]:
    """``tensors + scale * others``, a new list."""
    return [tensor + scale * other for tensor, other in zip(tensors, others, strict=True)]
