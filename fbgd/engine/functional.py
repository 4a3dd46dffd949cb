"""A network's forward pass at parameters that are not its own."""

from collections.abc import Callable, Sequence

import torch.nn as nn
from torch import Tensor


def functional(model: nn.Module, buffers: Sequence[str] = ()) -> Callable[[Sequence[Tensor], Tensor], Tensor]:
    """The forward pass of ``model`` as a function of its parameters: :func:`torch.func.functional_call`, made once.

    That one looks up every name in every call, which takes as long as a small network's step.

    Args:
        model: its modules are found now; its buffers and its mode are used as they are when it is called.
        buffers: dotted names of buffers that are passed in as well.

    Returns:
        ``(values, inputs) -> outputs``, with ``values`` in the order of ``model.parameters()``, those of ``buffers``
        behind them. A parameter that several modules share has one value. The model's own tensors are in their places
        again afterwards, whatever happens.
    """
    # A shared parameter has several places, all of which get its value.
    owners: dict[Tensor, list[tuple[dict, str]]] = {param: [] for param in model.parameters()}
    for module in model.modules():
        for name, param in module._parameters.items():
            if param is not None:
                owners[param].append((module._parameters, name))
    places = [(index, *place) for index, pairs in enumerate(owners.values()) for place in pairs]
    for index, name in enumerate(buffers, start=len(owners)):
        path, _, last = name.rpartition(".")
        places.append((index, model.get_submodule(path)._buffers, last))

    def forward(values: Sequence[Tensor], inputs: Tensor) -> Tensor:
        own = [tensors[name] for _, tensors, name in places]
        try:
            for index, tensors, name in places:
                tensors[name] = values[index]
            return model(inputs)
        finally:
            for tensor, (_, tensors, name) in zip(own, places, strict=True):
                tensors[name] = tensor

    return forward
