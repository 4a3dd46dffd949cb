"""What a study will cost, before it is paid: steps over a few blocks of every setting are timed on this device."""

import math
from dataclasses import dataclass, replace

import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from torch import Tensor

from fbgd.config.build import build
from fbgd.config.schema import Config
from fbgd.engine.evaluate import mode
from fbgd.engine.experiment import Experiment
from fbgd.engine.step import StepClosure
from fbgd.runs.plan import Rung
from fbgd.studies.execution import Execution
from fbgd.studies.timing import fastest

# So many samples are timed, in whole blocks: enough to fill a CPU, and seconds with a large network.
SAMPLES = 256
REPETITIONS = 3


@dataclass(frozen=True)
class Cost:
    """What one run of a setting takes.

    Args:
        gradients: evaluations of a sample's gradient.
        seconds: of training and evaluation.
        memory: bytes on the GPU at its fullest; 0 without one.
    """

    gradients: int
    seconds: float
    memory: int


def cost_of(config: Config) -> Cost:
    r"""The cost of a run, from the time of steps over some and over twice as many of its blocks.

    A step over n samples takes :math:`a + b n` seconds. An evaluation takes a forward pass over the training set, for
    batch norm's statistics, and over the evaluated samples. An optimizer that evaluates a step several times is taken
    to do so as often as in its first steps.

    Args:
        config: of the run.
    """
    built = build(config)
    experiment, device = built.experiment, next(built.experiment.model.parameters()).device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    blocks = experiment.source.step(0)
    few = max(1, SAMPLES // len(blocks.indices[0]))
    counts = [min(count, len(blocks)) for count in (few, 2 * few)]
    timings = [timed_step(experiment, count, device) for count in counts]
    (first, seconds, evaluations), (second, longer, _) = timings[0], timings[-1]
    slope = max(0.0, longer - seconds) / (second - first) if second > first else 0.0
    a_step = evaluations / first * blocks.samples
    # The step that uses up the evaluations is the last one.
    bound = experiment.most_evaluations / a_step
    steps = min(experiment.steps, math.ceil(bound)) if math.isfinite(bound) else experiment.steps
    training = steps * (seconds + slope * (blocks.samples - first))
    evaluated = len(experiment.source.data.samples) + built.facts.test_size
    looks = len(experiment.evaluation_steps()) * evaluated * forward_seconds(experiment, device)
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Cost(round(steps * a_step), training + looks, memory)


def timed_step(experiment: Experiment, count: int, device: torch.device) -> tuple[int, float, float]:
    """Samples of a step over its first ``count`` blocks, its seconds, and the gradients that it evaluates."""
    blocks = experiment.source.step(0)
    keys = None if blocks.keys is None else blocks.keys[:count]
    part = replace(blocks, indices=blocks.indices[:count], keys=keys)
    params: list[Tensor] = list(experiment.model.parameters())
    closures: list[StepClosure] = []

    def step() -> None:
        closures.append(StepClosure(experiment, params, 0, part, experiment.lr))
        experiment.optimizer.step(closures[-1])  # type: ignore[arg-type]  # torch's stub asks for a number

    return part.samples, fastest(step, device, REPETITIONS), closures[0].evaluations


def forward_seconds(experiment: Experiment, device: torch.device) -> float:
    """Seconds of a sample's forward pass."""
    inputs = next(experiment.source.step(0).stacks(1)).inputs[0]
    with mode(experiment.model, training=False), torch.no_grad():
        return fastest(lambda: experiment.model(inputs), device, REPETITIONS) / len(inputs)


def show_estimate(execution: Execution, rungs: list[Rung], title: str) -> None:
    """Time every setting and print what a run, and all seeds of it, will take; a search's runs are not in it."""
    table = Table(title=escape(title), title_justify="left")
    for name in ("setting", "gradient evals a run", "minutes a run", f"hours, {execution.seeds} seeds", "GPU GiB"):
        table.add_column(name, justify="left" if name == "setting" else "right")
    planned = execution.plan([rung for rung in rungs if execution.wanted(rung.name)], [0], rungs)
    total = 0.0
    for run in track(planned, "settings", transient=True):
        cost = cost_of(run.config)
        hours = execution.seeds * cost.seconds / 3600
        total += hours
        memory = f"{cost.memory / 2**30:.1f}" if cost.memory else "–"
        numbers = (f"{cost.gradients:,}", f"{cost.seconds / 60:,.2f}", f"{hours:,.2f}", memory)
        table.add_row(escape(run.rung), *numbers)
    device = "GPU" if torch.cuda.is_available() else "CPU"
    table.caption = (
        f"On this {device}, one run at a time: {total:,.2f} hours for all, less with several workers as far as they do "
        "not slow each other down. Runs of a search are not counted."
    )
    table.caption_justify = "left"
    Console().print(table)
