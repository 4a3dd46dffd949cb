"""Lists of tensors, one a parameter, as single vectors."""

import torch
from torch import Tensor


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
