"""Whole steps: optimizers against torch's, the training loop against a bare one, seeds together against apart."""

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F

from fbgd.config.build import build, load_data
from fbgd.config.compose import compose
from fbgd.engine.experiment import Experiment, Member, Progress
from fbgd.engine.train import train, train_members
from fbgd.models import ResNet
from fbgd.runs.together import stacked_experiment
from fbgd.studies.benchmark.ratio import Ratio, side_by_side


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
    ours, theirs = side_by_side(steps[0], steps[1], 2 if quick else 25)
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

    def one_by_one() -> None:
        for each in apart:
            alone(each)

    slow, fast = side_by_side(one_by_one, at_once, 1 if quick else 5)
    note = f"{apart[0].steps} steps of SGD, MLP 40-{width}-{width}-10, blocks of 100"
    return Ratio(
        f"three seeds apart / together, h = {width}",
        slow / fast,
        f">= {wanted}",
        slow / fast >= wanted,
        note,
        (slow, fast),
    )
