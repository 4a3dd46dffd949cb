"""What torch's own random layers and functions become, so that a block draws the same however it is evaluated."""

from functools import partial
from typing import Any, cast

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.models.random_layers import RandomLayer, uniform
from fbgd.seeds import block_key

# The buffer, on the model itself, whose number torch's generators are seeded from where a model draws by functions.
DRAW_KEY = "fbgd_draw_key"
# Signal axes behind samples and channels that a dropout of whole channels is made for.
CHANNEL_DROPOUTS: dict[type[nn.Module], int] = {nn.Dropout1d: 1, nn.Dropout2d: 2, nn.Dropout3d: 3}


class HashedDropout(RandomLayer):
    """``torch.nn.Dropout`` and its kin with hashed masks, see :mod:`fbgd.models.random_layers`.

    A layer that one forward pass calls several times drops something else each time.

    Args:
        p: probability in [0, 1).
        axes: signal axes of a channel, which is dropped as a whole; 0: entries are dropped one by one.
    """

    def __init__(self, p: float, axes: int = 0):
        super().__init__(p, "dropout")
        self.axes, self.calls = axes, 0

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or not self.p:
            return inputs
        key = self.key + block_key(self.calls, 1, 0) if self.calls else self.key
        self.calls += 1
        kept = uniform(key, self.mask_shape(tuple(inputs.shape))) >= self.p
        return inputs * (kept.to(inputs.dtype) / (1 - self.p))

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a mask: as torch has it, a channel is one of (N, C, ...), or of (C, ...) with an axis less."""
        if not self.axes:
            return shape
        # torch's dropout over images reads three dimensions as (N, C, L).
        leading = 1 if len(shape) == self.axes + 1 and self.axes != 2 else 2
        return (*shape[:leading], *[1] * (len(shape) - leading))


def replace_dropout(model: nn.Module) -> int:
    """Put a :class:`HashedDropout` in the place of every dropout layer of torch; returns how many there are."""
    kinds: dict[type[nn.Module], int] = {nn.Dropout: 0, **CHANNEL_DROPOUTS}
    # A layer that stands in several places stays one layer.
    layers: dict[nn.Module, HashedDropout] = {}
    for module in list(model.modules()):
        # Not named_children(), which leaves out a layer's second name.
        for name, child in list(module._modules.items()):
            if child is not None and type(child) in kinds:
                if child not in layers:
                    layers[child] = HashedDropout(cast(float, child.p), kinds[type(child)]).train(child.training)
                setattr(module, name, layers[child])
    if layers:
        model.register_forward_pre_hook(partial(forget_calls, list(layers.values())))
    return len(layers)


def forget_calls(layers: list[HashedDropout], model: nn.Module, arguments: tuple) -> None:
    """Begin to count the calls of every layer anew, before a forward pass of the model."""
    for layer in layers:
        layer.calls = 0


class SeededDraws:
    """Seeds torch's generators for one forward pass in training mode, from the model's key, and puts them back.

    For models that draw by functions, as ``F.dropout`` and stochastic depth of other packages do: what they draw then
    depends on the block alone. A key is a number only where blocks are evaluated one at a time.
    """

    def __init__(self, model: nn.Module):
        device = next(model.parameters()).device
        model.register_buffer(DRAW_KEY, torch.zeros((), dtype=torch.int64, device=device), persistent=False)
        self.devices = [device] if device.type == "cuda" else []
        self.states: list[list[Tensor]] = []
        model.register_forward_pre_hook(self.begin)
        model.register_forward_hook(self.end, always_call=True)

    def begin(self, model: nn.Module, arguments: tuple) -> None:
        """Remember the generators' states and seed them."""
        if model.training:
            self.states.append(generator_states(self.devices))
            torch.manual_seed(int(getattr(model, DRAW_KEY)))

    def end(self, model: nn.Module, arguments: tuple, outputs: Any) -> None:
        """Put the states back."""
        if self.states:
            set_generator_states(self.devices, self.states.pop())


def generator_states(devices: list[torch.device]) -> list[Tensor]:
    """The states of torch's generators, that of the CPU first."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)]


def set_generator_states(devices: list[torch.device], states: list[Tensor]) -> None:
    """Give torch's generators the states that :func:`generator_states` told."""
    torch.set_rng_state(states[0])
    for device, state in zip(devices, states[1:], strict=True):
        torch.cuda.set_rng_state(state, device)


def key_names(model: nn.Module) -> list[str]:
    """The dotted names of the buffers that random layers, and models that draw by functions, take their keys from."""
    names = [f"{name}.key".lstrip(".") for name, module in model.named_modules() if isinstance(module, RandomLayer)]
    return [*names, DRAW_KEY] if DRAW_KEY in model._buffers else names
