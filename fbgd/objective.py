"""What is minimised on a block, as a pure function of the parameters."""

from contextlib import nullcontext

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from fbgd.functional import functional
from fbgd.gradient import Objective
from fbgd.models import RandomLayer
from fbgd.seeds import block_key
from regularizers import LossPenalty


def classification(
    model: nn.Module,
    autocast: torch.dtype | None = None,
    penalties: tuple[LossPenalty, ...] = (),
    train_size: int = 1,
) -> Objective:
    """Mean cross-entropy of ``model``, at parameters passed in, with penalties on them.

    Args:
        model: its buffers and its training or evaluation mode are used as they are and never changed.
        autocast: evaluate the model's forward pass under automatic mixed precision of this type.
        penalties: functions of the parameters, added to the loss.
        train_size: samples of the training set, which a prior is weighed against.

    Returns:
        ``(params, inputs, targets, key) -> (objective, (loss, right))``, with ``params`` in the order of
        ``model.parameters()``, ``targets`` labels (B) or class probabilities (B, classes), ``key`` the number that
        random layers draw from, ``loss`` the objective without penalties and ``right`` the number of predictions that
        agree with the label, or with the most probable one.
    """
    layers = [f"{name}.key" for name, module in model.named_modules() if isinstance(module, RandomLayer)]
    # Every random layer has a key of its own, far from its neighbours', so that no two layers share a mask.
    offsets = [block_key(index, 0, 0) for index in range(len(layers))]
    forward = functional(model, layers)
    precision = nullcontext if autocast is None else lambda device: torch.autocast(device, autocast)

    def objective(
        params: list[Tensor], inputs: Tensor, targets: Tensor, key: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        with precision(inputs.device.type):
            logits = forward([*params, *(key + offset for offset in offsets)], inputs)
        loss = F.cross_entropy(logits.to(params[0].dtype), targets)
        labels = targets if targets.dim() == 1 else targets.argmax(-1)
        right = (logits.detach().argmax(-1) == labels).sum(dtype=torch.float64)
        total = loss + sum(penalty.value(params, train_size) for penalty in penalties) if penalties else loss
        return total, (loss.detach(), right)

    return objective
