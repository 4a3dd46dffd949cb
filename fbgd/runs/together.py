"""Runs that differ in their seed alone, or in their draw of the data too, trained in one process on stacked parameters.

Every run keeps its own directory, rows, checkpoint and summary, which says how many were trained together; numbers are
those of separate runs up to rounding, and any of them can be resumed alone, and the other way round.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import cast

from fbgd.config.data import load_data, token_shape
from fbgd.config.optimizer import build_optimizer
from fbgd.config.parts import build_ingredients
from fbgd.config.schema import CROSS_ENTROPY, Config, to_dict
from fbgd.config.targets import declares, find_target
from fbgd.data import Dataset
from fbgd.engine.blocks import BlockSource
from fbgd.engine.experiment import Experiment, Member, Progress
from fbgd.engine.kernels import Objective
from fbgd.engine.record import Row
from fbgd.engine.stacked import (
    StackedSource,
    layered_classification,
    stack_parameters,
    stack_state,
    stacked_gradient,
    unstack_state,
)
from fbgd.engine.train import train_members
from fbgd.runs.attempt import Attempt, begin, believed
from fbgd.runs.directory import opened
from fbgd.runs.provenance import science
from fbgd.runs.signals import StopRequest
from optimizers.elementwise import is_elementwise

# Parameters times samples of a block: with more, the arithmetic outweighs what a step costs besides. Measured for three
# seeds on one CPU thread, time apart over time together: 2.3 at 1e5, 1.9 at 5e5, 1.3 at 5e6, 1.1 at 1e7, 0.9 at 2e7.
MOST_WORK = 10_000_000


def obstacle(config: Config) -> str | None:
    """Why runs of ``config`` that differ in their seed cannot be trained together; ``None``: they can."""
    ingredients = build_ingredients(config)
    optimizer = find_target("optimizer", config.optimizer["_target_"])
    model = find_target("model", config.model["_target_"])
    schedule = find_target("schedule", config.schedule["_target_"])
    objective = find_target("objective", config.objective["_target_"])
    reasons = {
        f"{config.optimizer['_target_']} does not treat every entry alike": not is_elementwise(optimizer),
        "optimizer.weight_decay_of goes by the shape of a parameter": "weight_decay_of" in config.optimizer,
        "optimizer.groups go by the names of one network's parameters": bool(config.optimizer.get("groups")),
        f"{config.model['_target_']} is not known to vectorise": not declares(model, "vectorises"),
        "the schedule goes by the weights of one network": getattr(schedule, "needs_weights", False),
        f"{config.objective['_target_']} is not known to vectorise": not declares(objective, "vectorises"),
        "probes look at one network": bool(config.probe),
        "noise on weights is drawn for one network": bool(ingredients.noises),
        "noise of block gradients is made for one network": bool(ingredients.block_noises),
        "a transform of the step's gradient is made for one network": bool(ingredients.transforms),
        "a penalty on the full gradient has no stacked form": any(
            penalty.of == "full_gradient" for penalty in ingredients.gradient_penalties
        ),
        "weights are averaged for one network": ingredients.average is not None,
        "precision=bf16 has no stacked form": config.precision == "bf16",
        "impl.compile is made for one network": config.impl.compile,
        "impl.channels_last is made for one network": config.impl.channels_last,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def declined(config: Config) -> str | None:
    """Why the seeds of ``config`` are runs of their own; for ``auto`` also what eats the gain, whatever the sizes."""
    ingredients = build_ingredients(config)
    changed = bool(ingredients.gradient_penalties or ingredients.loss_penalties or ingredients.block_clipping)
    if config.impl.seeds_together == "auto" and (changed or config.impl.blocks_per_call != 1):
        return "penalties, clipping of blocks and several blocks a call gain nothing from it"
    return obstacle(config)


def alike(config: Config) -> str:
    """What runs must have in common to be trained together: all but their seeds, which decide the draw of data too.

    Of sequences the draw is in it: how many predictions a block holds is that of one training set.
    """
    settings = science(to_dict(config))
    data = settings["data"] | {"source": dict(settings["data"]["source"])}
    settings.pop("seed")
    if token_shape(config) is None:
        for node, key in ((data, "seed"), (data, "part"), (data["source"], "seed")):
            node.pop(key, None)
    return json.dumps(settings | {"data": data}, sort_keys=True)


def execute_together(
    configs: Sequence[Config],
    paths: Sequence[Path | str],
    on_row: Callable[[int, Row, int], None] = lambda run, row, steps: None,
    warn: Callable[[int, str], None] = lambda run, text: print(text),
    stop: StopRequest | None = None,
) -> None:
    """:func:`fbgd.runs.attempt.execute` for runs that are :func:`alike`.

    Runs that are done are left alone. Those that stand at the same step are trained together, one that stands
    elsewhere by itself.

    Args:
        configs: the experiments, without an :func:`obstacle`.
        paths: their directories.
        on_row: called with a run's place in the list, every row that it records, and its number of steps.
        warn: hears of damaged checkpoints, with the run's place.
        stop: says when to stop before the end, with checkpoints; ``None``: never.

    Raises:
        ConfigError: a directory holds another experiment.
        TimeoutError: another process is at work in one of them.
        Interrupted: it was asked to stop, and has.
    """
    with ExitStack() as stack:
        attempts: list[Attempt] = []
        datasets: dict[str, Dataset] = {}
        chosen = None
        for index, (config, path) in enumerate(zip(configs, paths, strict=True)):
            directory = stack.enter_context(opened(config, path))
            if believed(config, directory, partial(warn, index)) is None:
                dataset = dataset_of(config, datasets)
                attempt = begin(config, directory, partial(on_row, index), partial(warn, index), dataset, chosen)
                chosen = attempt.built.facts.blocks_per_call
                attempts.append(attempt)
        for group in grouped(attempts):
            train_attempts(group, stop)


def dataset_of(config: Config, known: dict[str, Dataset]) -> Dataset | None:
    """The data of a run, loaded once for all runs on the same; ``None`` where the run has to load them itself."""
    # Fresh augmentation is drawn from the run's own seed.
    if config.data.augment == "random":
        return None
    key = str(config.data)
    if key not in known:
        known[key] = load_data(config)
    return known[key]


def grouped(attempts: list[Attempt]) -> list[list[Attempt]]:
    """Which attempts are trained together: those that stand at the same step and sum in the same order."""

    def standing(attempt: Attempt) -> tuple[int, ...]:
        progress, facts = attempt.progress, attempt.built.facts
        under_way = attempt.tally.get("steps", 0)
        samples = len(attempt.built.experiment.source.data)
        return progress.step, progress.gradient_evaluations, facts.blocks_per_call, under_way, samples

    separate = attempts and "block_by_block" in attempts[0].built.facts.model
    if separate or (attempts and attempts[0].config.impl.seeds_together == "auto" and not pays(attempts[0])):
        return [[attempt] for attempt in attempts]
    return [list(group) for _, group in groupby(sorted(attempts, key=standing), key=standing)]


def pays(attempt: Attempt) -> bool:
    """Whether training together is faster, by a rule that looks at sizes only: a study's bits must repeat.

    It is for small networks of linear layers and ReLUs without penalties; vectorising others eats the gain.
    """
    gradient, facts = attempt.built.experiment.gradient, attempt.built.facts
    plain = plain_objective(attempt.config, attempt.built.experiment) is not None and not gradient.changed_blocks
    work = facts.parameters * attempt.config.regime.block_size
    return plain and facts.blocks_per_call == 1 and work <= MOST_WORK


def plain_objective(config: Config, experiment: Experiment) -> Objective | None:
    """The objective of all members at once, where it is known without vectorising that of one."""
    if config.objective != CROSS_ENTROPY or build_ingredients(config).loss_penalties:
        return None
    return layered_classification(experiment.model)


def train_attempts(attempts: list[Attempt], stop: StopRequest | None = None) -> None:
    """Train runs that stand at the same step, all together, and write the summary of each when it ends."""
    experiments = [attempt.built.experiment for attempt in attempts]
    experiment = experiments[0] if len(attempts) == 1 else stacked_experiment(attempts[0].config, experiments)
    due: dict[int, bool] = {}

    def due_at(step: int) -> bool:
        """Whether checkpoints are written at this row: one answer for all, or a restart would find them at odds."""
        if step not in due:
            due.clear()
            due[step] = any(attempt.due for attempt in attempts if not attempt.ended)
        return due[step]

    def member(index: int, attempt: Attempt) -> Member:
        attempt.together = max(attempt.together, len(attempts))

        def unstack() -> None:
            if len(attempts) > 1:
                unstack_state(experiment.optimizer, index, experiments[index].optimizer)

        def on_record(row: Row, progress: Progress) -> None:
            unstack()
            attempt.record(row, progress, due_at(progress.step))
            if attempt.ended:
                attempt.finish()

        return attempt.member(on_record, unstack)

    # One that had ended before its summary was written has no more rows to come.
    for attempt in attempts:
        if attempt.ended:
            attempt.finish()
    members = [member(index, attempt) for index, attempt in enumerate(attempts)]
    train_members(experiment, members, stop or (lambda: False))
    if stop is not None and not all(attempt.ended for attempt in attempts):
        stop.check()


def stacked_experiment(config: Config, experiments: list[Experiment]) -> Experiment:
    """The experiments as one, at the point where they stand; their models become views into its parameters."""
    first = experiments[0]
    params = stack_parameters([experiment.model for experiment in experiments])
    optimizer = build_optimizer(config, list(params))
    stack_state(optimizer, [experiment.optimizer for experiment in experiments])
    return replace(
        first,
        model=params,
        # To the loop it is a source like that of one run.
        source=cast(BlockSource, StackedSource([experiment.source for experiment in experiments])),
        gradient=stacked_gradient(first.gradient, plain_objective(config, first)),
        optimizer=optimizer,
    )
