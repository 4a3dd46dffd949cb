"""Loss and accuracy on a set of samples, and the population statistics of batch normalisation."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.data import Samples
from fbgd.engine.blocks import StepBlocks
from fbgd.engine.losses import CrossEntropy, Loss
from fbgd.engine.ranks import ALONE, Ranks
from fbgd.models.convert import batch_norms


@torch.no_grad()
def evaluate(
    model: nn.Module, samples: Samples, batch_size: int = 1000, loss: Loss | None = None, ranks: Ranks = ALONE
) -> tuple[float, float]:
    r"""Mean loss and accuracy of ``model`` in evaluation mode, over samples or, of sequences, over tokens.

    A sample whose logits are not all finite counts as classified wrong, so a diverged network scores 0. Of a regression
    the second number is the coefficient of determination, a mean over the K outputs with means
    :math:`\bar y_k` of these samples:

    .. math:: R^2 = 1 - \frac1K \sum_k \frac{\sum_i (f_{ik} - y_{ik})^2}{\sum_i (y_{ik} - \bar y_k)^2}

    Args:
        model: left in the mode it came in.
        samples: inputs and targets.
        batch_size: samples a forward pass; it changes nothing but memory and speed.
        loss: of the outputs against the targets; ``None``: cross-entropy.
        ranks: whom the samples are dealt to; one all-reduce.
    """
    loss, total, right = loss or CrossEntropy(), 0.0, 0
    shape = samples.targets.shape[1:] if loss.metric == "r2" else ()
    errors = torch.zeros(shape, dtype=torch.float64, device=samples.inputs.device)
    own = ranks.samples(samples)
    with mode(model, training=False):
        for inputs, targets in zip(own.inputs.split(batch_size), own.targets.split(batch_size), strict=True):
            if not len(inputs):
                # Of fewer samples than ranks.
                break
            logits = model(inputs)
            total += loss.total(logits, targets).item()
            if loss.metric == "r2":
                errors = errors + (logits.double() - targets).square().sum(0)
            else:
                right += int((loss.hits(logits, targets) & logits.isfinite().all(-1)).sum())
    sums = ranks.total(torch.cat([errors.new_tensor([total, right]), errors.reshape(-1)]))
    total, right, errors = sums[0].item(), int(sums[1]), sums[2:].view(shape)
    predictions = samples.predictions
    if loss.metric == "r2":
        return total / predictions, determination(errors, samples.targets)
    return total / predictions, right / predictions


def determination(errors: Tensor, targets: Tensor) -> float:
    """The mean over outputs of R^2, by sums of squared errors (K) of targets (N, K); that of a constant target is 0."""
    spread = (targets.double() - targets.double().mean(0)).square().sum(0)
    return float((1 - errors / spread).where(spread > 0, 0.0).mean())


@torch.no_grad()
def population_statistics(model: nn.Module, blocks: StepBlocks, ranks: Ranks = ALONE) -> None:
    r"""Set every batch norm's buffers to the moments of its inputs over ``blocks``, each block normalised by itself.

    .. math::
        \mu = \sum_B \frac{|B|}{N} \mu_B, \qquad
        \sigma^2 = \sum_B \frac{|B|}{N} (\sigma_B^2 + \mu_B^2) - \mu^2

    One forward pass over the blocks; a model without batch norm is left alone, at no cost.

    Args:
        model: its batch norms' buffers are set.
        blocks: of a pass.
        ranks: whom the blocks are dealt to; one all-reduce.
    """
    layers = batch_norms(model)
    if not layers:
        return
    sums = {
        layer: [torch.zeros_like(mean, dtype=torch.float64) for _ in range(2)] for layer, (mean, _) in layers.items()
    }
    calls = dict.fromkeys(layers, 0)
    weight = 0.0

    def collect(layer: nn.Module, arguments: tuple) -> None:
        inputs = arguments[0]
        variance, mean = torch.var_mean(inputs.double(), [0, *range(2, inputs.dim())], correction=0)
        sums[layer][0].add_(mean, alpha=weight)
        sums[layer][1].add_(variance + mean**2, alpha=weight)
        calls[layer] += 1

    hooks = [layer.register_forward_pre_hook(collect) for layer in layers]
    try:
        # Only the norms are in training mode: random layers pass everything on, as they do in evaluation.
        with mode(model, training=False):
            for layer in layers:
                layer.train()
            for stack in ranks.blocks(blocks).stacks(1):
                weight = stack.targets.shape[1] / blocks.samples
                model(stack.inputs[0])
    finally:
        for hook in hooks:
            hook.remove()
    parts = [part for pair in sums.values() for part in pair]
    parts.append(parts[0].new_tensor(list(calls.values())))
    *moments, counts = ranks.total(torch.cat(parts)).split([len(part) for part in parts])
    pairs = zip(moments[::2], moments[1::2], counts.tolist(), strict=True)
    for (mean_buffer, variance_buffer), (mean, square, count) in zip(layers.values(), pairs, strict=True):
        # A layer that a forward pass calls several times has the moments of all of them; an unused one none.
        mean, square = (total * (len(blocks) / count) if count else total for total in (mean, square))
        mean_buffer.copy_(mean)
        variance_buffer.copy_((square - mean**2).clamp(min=0))


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a model into training or evaluation mode for a while, and back, whatever happens."""
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)
