"""Images a second of ResNet-18 at the size of CIFAR-10: the engine, a loop written by hand, the arithmetic limit."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F

from fbgd.config.arithmetic import arithmetic_kept
from fbgd.data import Samples
from fbgd.engine.blocks import BlockSource
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.objective import classification
from fbgd.models import ResNet
from fbgd.studies.benchmark.gradients import plain_loop
from fbgd.studies.benchmark.ratio import LR, detached, random_samples, source_of
from fbgd.studies.gpu_check.check import Check
from fbgd.studies.timing import fastest
from regularizers import GradientPenalty

SHAPE = (3, 32, 32)
# As in the ladder.
PENALTY = GradientPenalty(strength=0.25, radius=0.01)


@dataclass(frozen=True)
class Sizes:
    """What is timed.

    Args:
        width: of the ResNet-18.
        blocks: block sizes.
        samples: of a step, the same for every block size.
        matrix: side of the square matrices whose product gives the arithmetic limit.
        repeats: calls, of which the fastest counts.
    """

    width: int = 64
    blocks: tuple[int, ...] = (128, 32)
    samples: int = 1024
    matrix: int = 8192
    repeats: int = 5


QUICK = Sizes(width=2, blocks=(8, 4), samples=8, matrix=128, repeats=1)
# How the arithmetic is done: whether float32 products may use TF32, the type of activations, the layout of images.
MODES: dict[str, tuple[bool, torch.dtype | None, bool]] = {
    "fp32": (False, None, False),
    "tf32, channels_last": (True, None, True),
    "bf16, channels_last": (False, torch.bfloat16, True),
}


def modes(device: torch.device) -> dict[str, tuple[bool, torch.dtype | None, bool]]:
    """Those of :data:`MODES` that a device can be asked for.

    On a CPU without AVX-512, PyTorch 2.13 hangs or crashes in the backward pass of small float32 convolutions in
    ``channels_last``, as was seen on an AMD EPYC.
    """
    safe = device.type != "cpu" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return {name: mode for name, mode in MODES.items() if safe or mode[1] is not None or not mode[2]}


def forward_multiplications(model: nn.Module) -> int:
    """Multiply-adds of one sample's forward pass in convolutions and linear layers, counted by running one through.

    A 3 x 3 convolution of c to d channels on 32 x 32 positions has 32 * 32 * 9 * c * d of them.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        positions = output[0].numel() // weight.shape[0]
        total += positions * weight.numel()

    layers = [layer for layer in model.modules() if getattr(getattr(layer, "weight", None), "ndim", 0) >= 2]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        model(torch.zeros(2, *SHAPE, device=next(model.parameters()).device))
    for hook in hooks:
        hook.remove()
    return total


def operations(model: nn.Module, penalised: bool) -> int:
    """Floating-point operations of an image's gradient: twice the multiply-adds, once forward and twice backward.

    A penalised gradient is two of them.
    """
    return 2 * 3 * forward_multiplications(model) * (2 if penalised else 1)


def matrix_rate(side: int, dtype: torch.dtype, device: torch.device, repeats: int) -> float:
    """Floating-point operations a second of a product of two square matrices."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / fastest(lambda: left @ right, device, repeats)


def by_hand(model: nn.Module, samples: Samples, size: int, autocast: torch.dtype | None) -> Callable[[], None]:
    """A bare loop over blocks: forward, loss, backward into ``grad``, and nothing else."""
    device = samples.inputs.device.type

    def loop() -> None:
        for inputs, targets in zip(samples.inputs.split(size), samples.targets.split(size), strict=True):
            with torch.autocast(device, autocast, enabled=autocast is not None):
                loss = F.cross_entropy(model(inputs), targets)
            loss.backward()

    return loop


def throughput(device: torch.device, sizes: Sizes) -> list[Check]:
    """Images a second, in every way of :data:`MODES`, for every block size, plain and penalised."""
    made = []
    with arithmetic_kept():
        for name, (tf32, autocast, channels_last) in modes(device).items():
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            torch.backends.cudnn.allow_tf32 = tf32
            made += of_mode(name, device, sizes, autocast, channels_last)
    return made


def of_mode(
    name: str, device: torch.device, sizes: Sizes, autocast: torch.dtype | None, channels_last: bool
) -> list[Check]:
    """The measurements of one way to do the arithmetic."""
    model = ResNet(SHAPE, 10, depth=18, width=sizes.width).to(device)
    drawn = random_samples(sizes.samples, SHAPE)
    samples = Samples(drawn.inputs.to(device), drawn.targets.to(device))
    limit = matrix_rate(sizes.matrix, autocast or torch.float32, device, sizes.repeats)
    plain, twice = (operations(model, penalised) / limit for penalised in (False, True))
    if channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        samples = Samples(samples.inputs.contiguous(memory_format=torch.channels_last), samples.targets)
    made = [Check(f"{name}: limit, images a second, plain", 1 / plain,
                  note=f"{limit / 1e12:.1f} TFLOP/s in products of matrices of {sizes.matrix}")]  # fmt: skip
    for size in sizes.blocks:
        source = source_of(samples, size)
        for penalised in (False, True):
            engine = MeanGradient(classification(model, autocast), (PENALTY,) if penalised else ())
            seconds = fastest(partial(gradient_of_step, engine, model, source), device, sizes.repeats)
            made.append(rate(f"{name}: engine, block {size}{', penalised' * penalised}", sizes.samples, seconds,
                             twice if penalised else plain))  # fmt: skip
        seconds = fastest(by_hand(model, samples, size, autocast), device, sizes.repeats)
        made.append(rate(f"{name}: by hand, block {size}", sizes.samples, seconds, plain))
        if autocast is None:
            loop = partial(plain_loop, model, source, PENALTY.strength, PENALTY.radius)
            seconds = fastest(loop, device, max(1, sizes.repeats // 2))
            label = f"{name}: by hand, block {size}, penalised"
            made.append(rate(label, sizes.samples, seconds, twice))
    return made


def gradient_of_step(engine: MeanGradient, model: nn.Module, source: BlockSource) -> None:
    """The engine's gradient of one full-batch step."""
    engine(detached(model), source.step(0), LR)


def rate(name: str, samples: int, seconds: float, least: float) -> Check:
    """Images a second, and their share of the limit.

    Args:
        name: of the measurement.
        samples: images.
        seconds: that they took.
        least: seconds of an image at the arithmetic limit.
    """
    return Check(
        f"{name}, images a second", samples / seconds, note=f"{100 * least * samples / seconds:.0f} % of the limit"
    )
