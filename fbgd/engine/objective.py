"""What is minimised on a block, as a pure function of the parameters."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.engine.functional import functional
from fbgd.engine.losses import CrossEntropy, Loss
from fbgd.models.torch_layers import key_names
from fbgd.seeds import block_key
from regularizers import LossPenalty


@dataclass(frozen=True)
class NetworkObjective:
    """The objective of one block, made by :func:`classification`: a function of parameters through the outputs.

    Args:
        forward: ``(values, inputs) -> outputs``, parameters and the keys of random layers in ``values``.
        of_outputs: the loss of outputs against targets.
        offsets: of the key of every random layer.
        autocast: evaluate the forward pass under automatic mixed precision of this type.
        penalties: functions of the parameters, added to the loss.
        train_size: samples of the training set.
        tokens_per_sample: of sequences; ``None`` where a target is one a sample.
    """

    forward: Callable[[Sequence[Tensor], Tensor], Tensor]
    of_outputs: Loss
    offsets: tuple[int, ...] = ()
    autocast: torch.dtype | None = None
    penalties: tuple[LossPenalty, ...] = ()
    train_size: int = 1
    tokens_per_sample: float | None = None

    def outputs(self, params: list[Tensor], inputs: Tensor, key: Tensor) -> Tensor:
        """What the network says, in the type of the parameters."""
        precision = nullcontext() if self.autocast is None else torch.autocast(inputs.device.type, self.autocast)
        with precision:
            outputs = self.forward([*params, *(key + offset for offset in self.offsets)], inputs)
        return outputs.to(params[0].dtype)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of outputs, without penalties on parameters."""
        return self.of_outputs(outputs, targets, self.tokens_per_sample)

    def __call__(
        self, params: list[Tensor], inputs: Tensor, targets: Tensor, key: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The objective, and the loss without penalties with the number of right predictions."""
        outputs = self.outputs(params, inputs, key)
        mean = self.loss(outputs, targets)
        right = self.of_outputs.score(outputs.detach(), targets)
        if self.tokens_per_sample is not None:
            right = right / self.tokens_per_sample
        extra = [penalty.value(params, self.train_size) for penalty in self.penalties]
        return mean + sum(extra) if extra else mean, (mean.detach(), right)


def classification(
    model: nn.Module,
    autocast: torch.dtype | None = None,
    penalties: tuple[LossPenalty, ...] = (),
    train_size: int = 1,
    tokens_per_sample: float | None = None,
    loss: Loss | None = None,
) -> NetworkObjective:
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
    offsets = tuple(block_key(index, 0, 0) for index in range(len(layers)))
    forward = functional(model, layers)
    return NetworkObjective(
        forward, loss or CrossEntropy(), offsets, autocast, penalties, train_size, tokens_per_sample
    )
