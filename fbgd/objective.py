"""What is minimised on a block, as a pure function of the parameters."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from fbgd.gradient import Objective


def classification(model: nn.Module, autocast: torch.dtype | None = None) -> Objective:
    """Mean cross-entropy and the number of right predictions of ``model``, at parameters passed in.

    Args:
        model: its buffers and its training or evaluation mode are used as they are and never changed.
        autocast: evaluate the model's forward pass under automatic mixed precision of this type.

    Returns:
        ``(params, inputs, targets) -> (loss, right)``, with ``params`` in the order of ``model.parameters()``.
    """
    names = [name for name, _ in model.named_parameters()]

    def objective(params: list[Tensor], inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(inputs.device.type, autocast, enabled=autocast is not None):
            logits = torch.func.functional_call(model, dict(zip(names, params, strict=True)), (inputs,))
        loss = F.cross_entropy(logits.to(params[0].dtype), targets)
        right = (logits.detach().argmax(-1) == targets).sum(dtype=torch.float64)
        return loss, right

    return objective
