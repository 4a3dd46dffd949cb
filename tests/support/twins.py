"""What networks are written with again, in torch's own modules, and how both get the same numbers."""

import torch
import torch.nn as nn

from fbgd.models import BatchNorm

CONV = {1: nn.Conv1d, 2: nn.Conv2d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d}
MEAN = {1: nn.AvgPool1d, 2: nn.AvgPool2d}


def ordered(network):
    """Weights, then biases, scales and shifts, each in the order of the layers."""
    return sorted(network.parameters(), key=lambda param: param.dim() == 1)


def give_same_numbers(ours, theirs):
    """The same weights, random biases, scales, shifts and statistics for a network and its twin."""
    for mine, yours in zip(ordered(ours), ordered(theirs), strict=True):
        yours.data.copy_(nn.init.normal_(mine, 0.5) if mine.dim() == 1 else mine)
    norms = [module for module in ours.modules() if isinstance(module, BatchNorm)]
    twins = [module for module in theirs.modules() if isinstance(module, tuple(NORM.values()))]
    for norm, twin in zip(norms, twins, strict=True):
        twin.running_mean.copy_(nn.init.normal_(norm.mean))
        twin.running_var.copy_(nn.init.uniform_(norm.variance, 0.5, 2))


def results(network, inputs, training):
    """Logits, and the gradient of their cross-entropy with targets 0, 1, 2, ... in the order of :func:`ordered`."""
    logits = network.train(training)(inputs)
    loss = nn.functional.cross_entropy(logits, torch.arange(len(inputs)))
    return logits, torch.autograd.grad(loss, ordered(network))
