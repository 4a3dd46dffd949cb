"""What is minimised on a block, as a pure function of the parameters."""

from contextlib import nullcontext

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.engine.functional import functional
from fbgd.engine.kernels import Objective
from fbgd.engine.losses import CrossEntropy, Loss
from fbgd.models.torch_layers import key_names
from fbgd.seeds import block_key
from regularizers import LossPenalty


def classification(
    model: nn.Module,
    autocast: torch.dtype | None = None,
    penalties: tuple[LossPenalty, ...] = (),
    train_size: int = 1,
    tokens_per_sample: float | None = None,
    loss: Loss | None = None,
) -> Objective:
    r"""Mean loss of ``model``, at parameters passed in, with penalties on them.

    Of sequences, it is the mean over the target tokens of the training set in a form that blocks add up to, here with
    cross-entropy:

    .. math::
        L_B = \frac{1}{|B| m} \sum_{i \in B} \sum_{t \text{ predicted}} -\log p(y_{it}), \qquad
        \sum_B \frac{|B|}{N} L_B = \frac{1}{N m} \sum_{i, t} -\log p(y_{it})

    with m the mean number of target tokens of a sample; were every block divided by its own number of tokens, short
    sequences would count more in some partitions than in others.

    Args:
        model: its buffers and its training or evaluation mode are used as they are and never changed.
        autocast: evaluate the model's forward pass under automatic mixed precision of this type.
        penalties: functions of the parameters, added to the loss.
        train_size: samples of the training set, which a prior is weighed against.
        tokens_per_sample: m, a constant of the training set; ``None``: targets are class labels, one a sample.
        loss: of the outputs against the targets; ``None``: cross-entropy.

    Returns:
        ``(params, inputs, targets, key) -> (objective, (loss, right))``, with ``params`` in the order of
        ``model.parameters()``, ``targets`` labels (B) or class probabilities (B, classes), ``key`` the number that
        random layers draw from, ``loss`` the objective without penalties and ``right`` the number of predictions that
        agree with the label, or with the most probable one; of a regression, whose targets are numbers (B, K), the
        score of :meth:`fbgd.engine.losses.Loss.score`. Of sequences, targets are labels (B, T), :data:`IGNORED` where
        nothing is predicted, or class probabilities (B, T, classes), there all 0; the model gives logits
        (B, T, classes), and ``right`` is the number of right tokens divided by m, so that its mean over the samples of
        a pass is the share of right tokens.
    """
    layers = key_names(model)
    # Every random layer has a key of its own, far from its neighbours', so that no two layers share a mask.
    offsets = [block_key(index, 0, 0) for index in range(len(layers))]
    forward = functional(model, layers)
    loss_of = loss or CrossEntropy()
    precision = nullcontext if autocast is None else lambda device: torch.autocast(device, autocast)

    def objective(
        params: list[Tensor], inputs: Tensor, targets: Tensor, key: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        with precision(inputs.device.type):
            outputs = forward([*params, *(key + offset for offset in offsets)], inputs)
        mean = loss_of(outputs.to(params[0].dtype), targets, tokens_per_sample)
        right = loss_of.score(outputs.detach(), targets)
        if tokens_per_sample is not None:
            right = right / tokens_per_sample
        total = mean + sum(penalty.value(params, train_size) for penalty in penalties) if penalties else mean
        return total, (mean.detach(), right)

    return objective
