"""The gradient of a step: vectorised against the published code's loop, with and without penalty, in bf16."""

import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from fbgd.data import Arrays, Samples, mnist1d
from fbgd.engine.autotune import choose_blocks_per_call
from fbgd.engine.blocks import BlockSource
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.objective import classification
from fbgd.models import ResNet
from fbgd.studies.benchmark.ratio import LR, Ratio, detached, random_samples, side_by_side, source_of
from regularizers import GradientPenalty


def plain_loop(model: nn.Module, source: BlockSource, strength: float, radius: float) -> list[Tensor]:
    """The penalised full-batch gradient the way the published code takes it.

    Block by block: ``autograd.grad``, parameters moved along the gradient, ``autograd.grad`` again, parameters moved
    back, the finite difference added, and a running mean over blocks.
    """
    params: list[Tensor] = list(model.parameters())
    mean: list[Tensor] = []
    for count, (inputs, targets, _) in enumerate(source.step(0).stacks(1), start=1):
        first = torch.autograd.grad(F.cross_entropy(model(inputs[0]), targets[0]), params)
        norm = torch.stack([entry.pow(2).sum() for entry in first]).sum().sqrt()
        epsilon = radius / norm
        with torch.no_grad():
            torch._foreach_add_(params, list(torch._foreach_mul(first, epsilon)))
        second = torch.autograd.grad(F.cross_entropy(model(inputs[0]), targets[0]), params)
        with torch.no_grad():
            torch._foreach_sub_(params, list(torch._foreach_mul(first, epsilon)))
        scale = strength * LR / 2 / epsilon
        block = [a + scale * (b - a) for a, b in zip(first, second, strict=True)]
        mean = [old + (new - old) / count for old, new in zip(mean, block, strict=True)] if mean else block
    return mean


def vectorised_penalty(quick: bool) -> Ratio:
    """The penalised gradient of MNIST-1D at blocks of 32: vectorised engine against the plain loop."""
    arrays = mnist1d(train=128 if quick else 4000, test=72 if quick else 1000)
    source = source_of(Samples(arrays.train_inputs, arrays.train_targets), 32)
    model = ResNet((1, 40), 10, depth=8, width=8)
    penalty = GradientPenalty(strength=0.25, radius=0.01)
    step = source.step(0)
    count = choose_blocks_per_call(
        lambda calls: MeanGradient(classification(model), (penalty,), calls), detached(model), step, torch.device("cpu")
    )
    engine = MeanGradient(classification(model), (penalty,), count)
    double, single = (
        difference_to_plain_loop(model.to(dtype), arrays, penalty, count) for dtype in (torch.float64, torch.float32)
    )
    smooth = difference_to_plain_loop(with_softplus(model), arrays, penalty, count)
    slow, fast = side_by_side(
        lambda: plain_loop(model, source, 0.25, 0.01),
        lambda: engine(detached(model), source.step(0), LR),
        1 if quick else 9,
    )
    return Ratio(
        "penalised step, plain loop / engine",
        slow / fast,
        ">= 3.5",
        slow / fast >= 3.5,
        f"MNIST-1D, ResNet-8, {len(step)} blocks of 32, {count} at a time, forward difference. Relative difference of "
        f"the two gradients: {double:.0e} in float64; in float32 {smooth:.0e} with Softplus, {single:.0e} with ReLU, "
        "where the difference quotient magnifies every unit that rounding switches",
        (slow, fast),
    )


def difference_to_plain_loop(model: nn.Module, arrays: Arrays, penalty: GradientPenalty, blocks_per_call: int) -> float:
    """Relative difference between the engine's and the plain loop's penalised gradient, in the model's precision."""
    dtype = next(model.parameters()).dtype
    source = source_of(Samples(arrays.train_inputs.to(dtype), arrays.train_targets), 32)
    engine = MeanGradient(classification(model), (penalty,), blocks_per_call)
    ours = engine(detached(model), source.step(0), LR).gradient
    theirs = plain_loop(model, source, penalty.strength, penalty.radius)
    gap, norm = (
        torch.cat([entry.flatten() for entry in entries]).norm()
        for entries in ([a - b for a, b in zip(ours, theirs, strict=True)], theirs)
    )
    return float(gap / norm)


def with_softplus(model: nn.Module) -> nn.Module:
    """A copy of the model with every ReLU replaced by Softplus."""
    smooth = copy.deepcopy(model)
    for module in smooth.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Softplus())
    return smooth


def overhead_of_one(quick: bool) -> Ratio:
    """One block at a time: the engine against a bare loop of ``autograd.grad``."""
    source = source_of(random_samples(256 if quick else 1280, (1, 28, 28)), 128)
    model = ResNet((1, 28, 28), 10, depth=8, width=8)
    params = list(model.parameters())
    engine = MeanGradient(classification(model), (), blocks_per_call=1)

    def bare() -> None:
        for inputs, targets, _ in source.step(0).stacks(1):
            torch.autograd.grad(F.cross_entropy(model(inputs[0]), targets[0]), params)

    ours, theirs = side_by_side(lambda: engine(detached(model), source.step(0), LR), bare, 1 if quick else 15)
    note = "28 x 28 images, ResNet-8 of 19,810 parameters, blocks of 128, one at a time"
    return Ratio("engine / bare autograd.grad", ours / theirs, "<= 1.05", ours / theirs <= 1.05, note, (ours, theirs))


def cost_of_penalty(quick: bool, blocks_per_call: int) -> Ratio:
    """A penalised step against one without."""
    source = source_of(random_samples(128 if quick else 4000, (1, 40)), 32)
    model = ResNet((1, 40), 10, depth=8, width=8)
    penalised, plain = (
        MeanGradient(classification(model), penalties, blocks_per_call) for penalties in ((GradientPenalty(),), ())
    )
    more, less = side_by_side(
        lambda: penalised(detached(model), source.step(0), LR),
        lambda: plain(detached(model), source.step(0), LR),
        1 if quick else 9,
    )
    note = f"MNIST-1D shape, ResNet-8, blocks of 32, {blocks_per_call} at a time, forward difference"
    name = f"penalised / unpenalised step, {blocks_per_call} a call"
    return Ratio(name, more / less, "<= 2.1", more / less <= 2.1, note, (more, less))


def mixed_precision(quick: bool) -> Ratio:
    """ResNet-18 on a block of 128 images: float32 in NCHW against bf16 in channels_last."""
    width, count = (8, 16) if quick else (64, 128)
    source = source_of(random_samples(count, (3, 32, 32)), count)
    plain = ResNet((3, 32, 32), 10, depth=18, width=width)
    fast = ResNet((3, 32, 32), 10, depth=18, width=width)
    fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    engines = [MeanGradient(classification(plain)), MeanGradient(classification(fast, torch.bfloat16))]
    slow, quicker = side_by_side(
        lambda: engines[0](detached(plain), source.step(0), LR),
        lambda: engines[1](detached(fast), source.step(0), LR),
        1 if quick else 3,
    )
    note = f"ResNet-18 of width {width}, one block of {count} images of 32 x 32"
    return Ratio(
        "float32 NCHW / bf16 channels_last", slow / quicker, ">= 2", slow / quicker >= 2, note, (slow, quicker)
    )
