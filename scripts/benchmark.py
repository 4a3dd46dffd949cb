"""Speed of the engine, as ratios measured side by side in one process: absolute times say nothing across machines.

    python scripts/benchmark.py                   about three minutes on 2 cores
    python scripts/benchmark.py --json FILE       the same, and all numbers in a file
    python scripts/benchmark.py --quick           tiny sizes, to see that everything runs; its ratios mean nothing

The two sides of a ratio are timed in turns, and the best time of either side counts. Run it on an idle machine.
"""

import argparse
import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from fbgd.config.build import build, load_data
from fbgd.config.compose import compose
from fbgd.data import Arrays, Samples, TrainingSet, mnist1d
from fbgd.engine.autotune import choose_blocks_per_call
from fbgd.engine.blocks import BlockOrder, BlockSource
from fbgd.engine.experiment import Experiment, Member, Progress
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.objective import classification
from fbgd.engine.train import train, train_members
from fbgd.models import ResNet
from fbgd.runs.provenance import environment
from fbgd.runs.together import stacked_experiment
from optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from regularizers import GradientPenalty

LR = 0.4


@dataclass(frozen=True)
class Ratio:
    """One measured ratio: ``value`` is slow side over fast side, or cost over cost, as ``name`` says.

    ``wanted`` is what the project aims at; ``note`` explains what is compared.
    """

    name: str
    value: float
    wanted: str
    met: bool
    note: str
    seconds: tuple[float, float]


def side_by_side(first: Callable, second: Callable, repeats: int) -> tuple[float, float]:
    """Best seconds of two functions, timed in turns after a warm-up of each."""
    times: tuple[list[float], list[float]] = ([], [])
    first(), second()
    for _ in range(repeats):
        for held, function in zip(times, (first, second), strict=True):
            start = time.perf_counter()
            function()
            held.append(time.perf_counter() - start)
    return min(times[0]), min(times[1])


def source_of(samples: Samples, block_size: int) -> BlockSource:
    """All blocks of the samples in every step."""
    data = TrainingSet(samples)
    return BlockSource(data, BlockOrder(len(data), block_size, "all", "fixed", seed=0))


def random_samples(count: int, shape: tuple[int, ...]) -> Samples:
    """Random inputs with random labels."""
    return Samples(torch.randn(count, *shape), torch.randint(10, (count,)))


def detached(model: nn.Module) -> list[Tensor]:
    """The model's parameters without their graph."""
    return [param.detach() for param in model.parameters()]


def plain_loop(model: nn.Module, source: BlockSource, strength: float, radius: float) -> list[Tensor]:
    """The penalised full-batch gradient the way the published code takes it.

    Block by block: ``autograd.grad``, parameters moved along the gradient, ``autograd.grad`` again, parameters moved
    back, the finite difference added, and a running mean over blocks.
    """
    params = list(model.parameters())
    mean: list[Tensor] = []
    for count, (inputs, targets, _) in enumerate(source.step(0).stacks(1), start=1):
        first = torch.autograd.grad(F.cross_entropy(model(inputs[0]), targets[0]), params)
        norm = torch.stack([entry.pow(2).sum() for entry in first]).sum().sqrt()
        epsilon = radius / norm
        with torch.no_grad():
            torch._foreach_add_(params, torch._foreach_mul(first, epsilon))
        second = torch.autograd.grad(F.cross_entropy(model(inputs[0]), targets[0]), params)
        with torch.no_grad():
            torch._foreach_sub_(params, torch._foreach_mul(first, epsilon))
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
    fast = ResNet((3, 32, 32), 10, depth=18, width=width).to(memory_format=torch.channels_last)
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


def optimizer_step(quick: bool, own: type[torch.optim.Optimizer], options: dict) -> Ratio:
    """One optimizer step against torch.optim's ``foreach`` twin on ResNet-18's parameters."""
    name = own.__name__
    shapes = [param.shape for param in ResNet((3, 32, 32), 10, depth=18, width=4 if quick else 64).parameters()]
    steps: list[Callable] = []
    for make in (own, lambda *a, **k: getattr(torch.optim, name)(*a, foreach=True, **k)):
        params = [torch.randn(shape, requires_grad=True) for shape in shapes]
        for param in params:
            param.grad = torch.randn_like(param)
        steps.append(make(params, **options).step)
    ours, theirs = side_by_side(*steps, 2 if quick else 25)
    note = f"{len(shapes)} tensors of ResNet-18, options {options or 'default'}"
    return Ratio(f"{name}.step / torch's foreach", ours / theirs, "<= 1.1", ours / theirs <= 1.1, note, (ours, theirs))


def tiny_experiments(quick: bool, width: int, seeds: int) -> list[Experiment]:
    """Runs of the double-descent studies: a perceptron with two hidden layers, on MNIST-1D in blocks of 100."""
    words = ("data.source.test=10", "model=mlp", "regime.block_size=100", "schedule=constant", "impl.device=cpu")
    plain = ("optimizer.lr=0.01", "optimizer.nesterov=false", "optimizer.weight_decay=0", "record.every=10")
    sizes = (
        f"model.width={width}",
        f"data.source.train={200 if quick else 4000}",
        f"budget.passes={1 if quick else 5}",
    )
    config = compose((*words, *plain, *sizes))
    dataset = load_data(config)
    return [build(replace(config, seed=seed), dataset=dataset).experiment for seed in range(seeds)]


def alone(experiment: Experiment) -> None:
    """All steps of a run, and one evaluation on ten samples."""
    train(experiment, Progress(), lambda row, progress: None)


def tiny_step(quick: bool) -> Ratio:
    """A network so small that a step is all overhead: the loop, with all that it records, against a bare loop."""
    (experiment,) = tiny_experiments(quick, 16, seeds=1)
    source, model = experiment.source, copy.deepcopy(experiment.model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, foreach=True)
    samples = source.data.samples

    def bare() -> None:
        for step in range(experiment.steps):
            if step % source.steps_per_pass == 0:
                order = torch.randperm(len(samples)).split(100)
            indices = order[step % source.steps_per_pass]
            optimizer.zero_grad()
            F.cross_entropy(model(samples.inputs[indices]), samples.targets[indices]).backward()
            optimizer.step()

    ours, theirs = side_by_side(lambda: alone(experiment), bare, 1 if quick else 15)
    note = f"{experiment.steps} steps of SGD, MLP 40-16-16-10, blocks of 100; the bare loop records nothing"
    return Ratio("tiny step, engine / bare loop", ours / theirs, "<= 1.5", ours / theirs <= 1.5, note, (ours, theirs))


def language_step(quick: bool) -> Ratio:
    """One-pass training of a small language model on bytes: the loop, with all that it records, against a bare one."""
    words = (
        "data=python_source",
        "data.source.length=64",
        "data.source.test_bytes=650",
        "model=gpt",
        "budget.passes=1",
    )
    size = f"data.source.train_bytes={64 * 32 * (2 if quick else 40) + 1}"
    rest = ("optimizer=adamw", "regime.block_size=32", "schedule=constant", "impl.device=cpu")
    experiment = build(compose((*words, size, *rest))).experiment
    source, model = experiment.source, copy.deepcopy(experiment.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, foreach=True)
    samples = source.data.samples

    def bare() -> None:
        for indices in torch.randperm(len(samples)).split(32):
            optimizer.zero_grad()
            logits = model(samples.inputs[indices])
            F.cross_entropy(logits.flatten(0, 1), samples.targets[indices].flatten()).backward()
            optimizer.step()

    ours, theirs = side_by_side(lambda: alone(experiment), bare, 1 if quick else 15)
    note = (
        f"{experiment.steps} steps of AdamW, GPT of width 64 with 2 layers, blocks of 32 windows of 64 bytes; the bare "
        "loop records nothing"
    )
    name = "language model step, engine / bare loop"
    return Ratio(name, ours / theirs, "<= 1.1", ours / theirs <= 1.1, note, (ours, theirs))


def seeds_together(quick: bool, width: int, wanted: float) -> Ratio:
    """Three seeds trained together against the same three one after another."""
    apart, stacked = (tiny_experiments(quick, width, seeds=3) for _ in range(2))
    together = stacked_experiment(compose(["optimizer.nesterov=false", "optimizer.weight_decay=0"]), stacked)

    def at_once() -> None:
        members = [Member(one.model, one.monitor, Progress(), lambda row, progress: None) for one in stacked]
        train_members(together, members)

    slow, fast = side_by_side(lambda: [alone(one) for one in apart], at_once, 1 if quick else 5)
    note = f"{apart[0].steps} steps of SGD, MLP 40-{width}-{width}-10, blocks of 100"
    return Ratio(
        f"three seeds apart / together, h = {width}",
        slow / fast,
        f">= {wanted}",
        slow / fast >= wanted,
        note,
        (slow, fast),
    )


def linear_in_samples(quick: bool) -> Ratio:
    """Time of a step with eight times the samples."""
    model = ResNet((1, 40), 10, depth=8, width=8)
    engine = MeanGradient(classification(model), (GradientPenalty(),), blocks_per_call=32)
    small, large = (source_of(random_samples(count, (1, 40)), 32) for count in ((64, 512) if quick else (1024, 8192)))
    more, less = side_by_side(
        lambda: engine(detached(model), large.step(0), LR),
        lambda: engine(detached(model), small.step(0), LR),
        1 if quick else 5,
    )
    note = f"penalised steps on {len(large.data)} and {len(small.data)} samples"
    return Ratio("time of a step, 8x the samples", more / less, "<= 8.5", more / less <= 8.5, note, (more, less))


def memory_in_samples(quick: bool) -> Ratio:
    """Memory that a step needs beyond its data, with eight times the samples; either side in a process of its own.

    It reads Linux's /proc.
    """
    counts = (64, 512) if quick else (1024, 8192)
    less, more = (
        int(subprocess.run([sys.executable, __file__, "--memory", str(count)], capture_output=True, check=True).stdout)
        for count in counts
    )
    note = (
        f"peak beyond the data: {more / 2**20:.0f} MiB at {counts[1]} and {less / 2**20:.0f} MiB at {counts[0]} images "
        "of 28 x 28; only the data itself grows"
    )
    return Ratio("memory of a step, 8x the samples", more / less, "<= 1.1", more / less <= 1.1, note, (more, less))


def peak_of_a_step(count: int) -> int:
    """Bytes by which a penalised step on ``count`` images raises the process's peak memory."""
    model = ResNet((1, 28, 28), 10, depth=8, width=8)
    engine = MeanGradient(classification(model), (GradientPenalty(),), blocks_per_call=4)
    # What libraries allocate on first use is no part of a step.
    engine(detached(model), source_of(random_samples(8, (1, 28, 28)), 1).step(0), LR)
    source = source_of(random_samples(count, (1, 28, 28)), 32)
    # Linux forgets the peak so far when this is written, and so starts anew from what is in use.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_memory()
    engine(detached(model), source.step(0), LR)
    return peak_memory() - before


def peak_memory() -> int:
    """The process's peak resident memory in bytes, on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def measurements(quick: bool) -> list[Callable[[], Ratio]]:
    """All ratios, in the order of the table."""
    optimizers_and_options = (
        (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
        (Adam, {}),
        (AdamW, {}),
        (RMSprop, {"momentum": 0.9, "centered": True}),
        (Adagrad, {}),
        (Adadelta, {}),
    )
    return [
        lambda: vectorised_penalty(quick),
        lambda: overhead_of_one(quick),
        lambda: cost_of_penalty(quick, 1),
        lambda: cost_of_penalty(quick, 64),
        lambda: mixed_precision(quick),
        *(lambda c=own, o=options: optimizer_step(quick, c, o) for own, options in optimizers_and_options),
        lambda: tiny_step(quick),
        lambda: language_step(quick),
        *(lambda h=h, wanted=wanted: seeds_together(quick, h, wanted) for h, wanted in ((2, 2), (47, 1.8), (300, 1))),
        lambda: linear_in_samples(quick),
        lambda: memory_in_samples(quick),
    ]


def show(ratios: list[Ratio]) -> None:
    """Print the ratios as a table."""
    table = Table(title=f"{torch.get_num_threads()} threads, torch {torch.__version__}", title_justify="left")
    for name in ("ratio", "measured", "wanted", "seconds or bytes", "what was compared"):
        table.add_column(name, no_wrap=name != "what was compared")
    for ratio in ratios:
        style = None if ratio.met else "yellow"
        sides = " / ".join(f"{side:.4g}" for side in ratio.seconds)
        missed = "" if ratio.met else " (missed)"
        table.add_row(ratio.name, f"{ratio.value:.2f}{missed}", ratio.wanted, sides, ratio.note, style=style)
    console = Console()
    if not console.is_terminal:
        console.width = 180
    console.print(table)


def main(words: list[str] | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to FILE")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; ratios mean nothing")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    torch.manual_seed(0)
    if arguments.memory:
        print(peak_of_a_step(arguments.memory))
        return 0
    every = measurements(arguments.quick)
    console = Console(stderr=True)
    ratios = [measure() for measure in track(every, "measuring", console=console, disable=not sys.stderr.isatty())]
    show(ratios)
    if arguments.json:
        content = {"ratios": [asdict(ratio) for ratio in ratios], "threads": torch.get_num_threads(), **environment()}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
