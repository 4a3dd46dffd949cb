"""Networks written with torch's own layers, made to train block by block: what is changed, and what is refused.

Batch norms normalise a block by its own statistics and keep no running ones; evaluation uses the population statistics
of :func:`fbgd.engine.evaluate.population_statistics`. Dropout draws from the block's key. Names and values of
parameters stay as they are.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.modules.lazy import LazyModuleMixin

from fbgd.models.layers import BatchNorm
from fbgd.models.torch_layers import HashedDropout, replace_dropout


def convert(model: nn.Module) -> nn.Module:
    """Make ``model`` one whose forward pass is a pure function of parameters, inputs and keys, in place.

    Args:
        model: any module; those of :mod:`fbgd.models` are so already and stay as they are.

    Raises:
        ValueError: it has a layer that cannot be made so, by its name, with what to use instead.
    """
    if is_built_in(model):
        return model
    if not isinstance(model, nn.Module):
        raise ValueError(f"a {type(model).__name__} is no torch.nn.Module")
    for name, module in model.named_modules():
        reason = refusal(module)
        if reason is not None:
            raise ValueError(f"{name or 'the model'} ({type(module).__name__}) {reason}")
    frozen = [name for name, param in model.named_parameters() if not param.requires_grad]
    if frozen:
        raise ValueError(f"{frozen[0]} has requires_grad=False, and all parameters are trained: make it a buffer")
    if next(model.parameters(), None) is None:
        raise ValueError("it has no parameters to train")
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            use_block_statistics(module)
    replace_dropout(model)
    model.register_forward_hook(take_logits)
    return model


def is_built_in(model: nn.Module) -> bool:
    """Whether a model is of this package's own, which is written for it."""
    return type(model).__module__.startswith("fbgd.")


def refusal(module: nn.Module) -> str | None:
    """Why a layer cannot be trained block by block, and what to use in its place; ``None``: it can."""
    if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():
        return "takes its sizes from the first inputs: give them, they follow from input_shape"
    if isinstance(module, nn.SyncBatchNorm):
        return "normalises over processes: use torch.nn.BatchNorm1d, 2d or 3d"
    if isinstance(module, nn.RNNBase):
        return "hands its parameters to a kernel of its own: use torch.nn.RNNCell, LSTMCell or GRUCell in a loop"
    if isinstance(module, _InstanceNorm) and module.track_running_stats:
        return "keeps running statistics: set track_running_stats=False"
    return None


def use_block_statistics(norm: _BatchNorm) -> None:
    """Let a batch norm of torch use its batch's statistics in training, and those in its buffers in evaluation.

    Without ``track_running_stats`` torch's own forward pass does just that, where there are buffers.
    """
    norm.track_running_stats = False
    if norm.running_mean is None:
        like = torch.zeros(norm.num_features) if norm.weight is None else norm.weight.detach()
        norm.running_mean, norm.running_var = torch.zeros_like(like), torch.ones_like(like)


def batch_norms(model: nn.Module) -> dict[nn.Module, tuple[Tensor, Tensor]]:
    """Every batch norm with its buffers of mean and variance, which evaluation normalises by."""
    found: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    for module in model.modules():
        if isinstance(module, BatchNorm):
            found[module] = module.mean, module.variance
        elif isinstance(module, _BatchNorm) and not module.track_running_stats and module.running_mean is not None:
            found[module] = module.running_mean, cast(Tensor, module.running_var)
    return found


def take_logits(model: nn.Module, arguments: tuple, outputs: Any) -> Tensor | None:
    """A forward hook: of an object with ``.logits``, a dictionary with that key or a tuple that begins with them, they.

    Raises:
        ValueError: the outputs are neither these nor a tensor.
    """
    if isinstance(outputs, Tensor):
        return None
    logits = getattr(outputs, "logits", None)
    if logits is None and isinstance(outputs, Mapping):
        logits = outputs.get("logits")
    elif logits is None and isinstance(outputs, tuple | list) and outputs:
        logits = outputs[0]
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"gives a {type(outputs).__name__}: a tensor is wanted, an object with .logits, or a tuple that begins "
            "with them"
        )
    return logits


def converted_layers(model: nn.Module) -> dict[str, object]:
    """How many of torch's layers a model has that work in another way here, for a run's summary."""
    counts = {
        "block_batch_norms": sum(isinstance(module, _BatchNorm) for module in model.modules()),
        "hashed_dropouts": sum(isinstance(module, HashedDropout) for module in model.modules()),
    }
    return {name: count for name, count in counts.items() if count}
