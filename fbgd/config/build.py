"""The one place where a whole configuration becomes objects; everything below it gets plain arguments."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn as nn

from fbgd.config.arithmetic import DTYPES, find_device, set_arithmetic
from fbgd.config.data import check_inputs, check_kind, load_data
from fbgd.config.facts import Facts
from fbgd.config.ingredients import Ingredients
from fbgd.config.model import build_model, check_model, try_gradient, try_model
from fbgd.config.optimizer import build_optimizer, check_slopes, learning_rate, try_optimizer
from fbgd.config.parameter_groups import assign, read_groups
from fbgd.config.parts import (
    build_ingredients,
    build_loss,
    build_metrics,
    build_probes,
    build_schedule,
    check_tracker,
    expects_numbers,
)
from fbgd.config.schema import Config
from fbgd.data import Dataset, Samples, TrainingSet
from fbgd.data.dataset import IGNORED
from fbgd.engine.autotune import choose_blocks_per_call
from fbgd.engine.blocks import BlockOrder, BlockSource, BlockTransforms
from fbgd.engine.evaluate import evaluate, population_statistics
from fbgd.engine.experiment import Experiment
from fbgd.engine.gradient import MeanGradient, gradients_per_sample
from fbgd.engine.losses import Loss
from fbgd.engine.metrics import Metric, measured
from fbgd.engine.monitor import Monitor
from fbgd.engine.objective import classification
from fbgd.engine.ranks import ALONE, Ranks
from fbgd.engine.tally import Row
from fbgd.models.convert import is_built_in
from fbgd.seeds import unseeded

__all__ = ["Built", "Facts", "build", "build_model", "build_optimizer", "check", "load_data", "work"]


@dataclass(frozen=True)
class Built:
    """An experiment ready to train, and what its summary tells beside the metrics."""

    experiment: Experiment
    facts: Facts


def build(
    config: Config, blocks_per_call: int | None = None, dataset: Dataset | None = None, ranks: Ranks = ALONE
) -> Built:
    """Make the experiment that ``config`` describes.

    Args:
        config: a checked configuration.
        blocks_per_call: what an earlier start of the same run chose for ``auto``; ``None``: there was none.
        dataset: what :func:`load_data` gives, where that was done already.
        ranks: the processes that the run is dealt to. What is tried here, each tries by itself.

    Raises:
        ValueError: data, model, optimizer, objective, regulariser or probe refuse their options.
    """
    try_optimizer(config)
    check_tracker(config)
    ingredients, probes, schedule = build_ingredients(config), build_probes(config), build_schedule(config)
    check_slopes(config, ingredients)
    build_loss(config, ingredients, expects_numbers(config))
    device, dtype = set_arithmetic(config)

    dataset = dataset or load_data(config)
    loss = build_loss(config, ingredients, dataset.regression)
    check_kind(config, dataset, ingredients, loss)
    check_inputs(config, dataset.tokens, ingredients)
    samples = dataset.train.samples.to(device, dtype)
    source = build_source(config, dataset, samples, ingredients)
    model = build_model(config, dataset).to(device, dtype)
    if config.impl.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    about = try_model(config, model, source, dataset)
    optimizer = build_optimizer(config, list(model.parameters()), [name for name, _ in model.named_parameters()])
    gradient, reason = build_gradient(config, model, source, ingredients, loss, blocks_per_call, ranks)
    about |= {} if reason is None else {"block_by_block": reason}
    measure = build_measure(config, model, source, dataset, loss, tried_metrics(config, model, dataset), ranks)
    experiment = Experiment(
        model=model.train(),
        source=source,
        gradient=gradient,
        optimizer=optimizer,
        lr=learning_rate(config, optimizer),
        schedule=schedule,
        passes=config.budget.passes,
        monitor=Monitor(model, optimizer, measure, ingredients.average, ingredients.stopping),
        noises=ingredients.noises,
        block_noises=ingredients.block_noises,
        transforms=ingredients.transforms,
        most_evaluations=(config.budget.gradients_per_sample or math.inf) * len(source.data),
        seed=config.seed,
        record_every=config.record.every,
        evaluate_every=config.record.evaluate_every,
        evaluation_growth=config.record.growth,
        record_layers=config.record.layers,
        probes=probes,
        metric=loss.metric,
        initial=initial_parameters(model) if probes else None,
        ranks=ranks,
        share_names=ingredients.share_names,
    )
    return Built(experiment, facts_of(experiment, dataset, device, about))


def tried_metrics(config: Config, model: nn.Module, dataset: Dataset) -> tuple[Metric, ...]:
    """The configured metrics, of which what fails, fails before the training.

    Raises:
        ConfigError: one fails on the first batch of the test set, or gives no numbers.
    """
    metrics, param = build_metrics(config), next(model.parameters())
    with unseeded():
        first = dataset.test.first(config.impl.evaluation_batch).to(param.device, param.dtype)
        measured(metrics, "test", model, first, config.impl.evaluation_batch)
    return metrics


def initial_parameters(model: nn.Module) -> list[torch.Tensor]:
    """Copies of the parameters that training begins with: a resumed run is built from the same, and loaded over."""
    return [param.detach().clone() for param in model.parameters()]


def check(config: Config) -> None:
    """Raise ``ValueError`` for what any part of the configuration or the device refuses; needs no data."""
    try_optimizer(config)
    model = check_model(config)
    if model is not None:
        assign([name for name, _ in model.named_parameters()], read_groups(config.optimizer.get("groups", [])))
    build_schedule(config)
    ingredients = build_ingredients(config)
    check_slopes(config, ingredients)
    build_loss(config, ingredients, expects_numbers(config))
    build_probes(config)
    build_metrics(config)
    check_tracker(config)
    find_device(config.impl.device)


def build_source(config: Config, dataset: Dataset, samples: Samples, ingredients: Ingredients) -> BlockSource:
    """The blocks of every step.

    Args:
        config: says block size, blocks a step and order.
        dataset: how its training samples are augmented.
        samples: the training samples, in their place and type.
        ingredients: those that change blocks.
    """
    training = TrainingSet(samples, dataset.train.augmentation, dataset.train.copies, dataset.train.seed)
    regime = config.regime
    order = BlockOrder(len(training), regime.block_size, regime.blocks_per_step, regime.order, config.seed)
    changes = ingredients.block_transforms
    return BlockSource(
        training, order, BlockTransforms(changes, dataset.classes, config.seed, DTYPES[config.precision])
    )


def build_gradient(
    config: Config,
    model: nn.Module,
    source: BlockSource,
    ingredients: Ingredients,
    loss: Loss,
    blocks_per_call: int | None,
    ranks: Ranks = ALONE,
) -> tuple[MeanGradient, str | None]:
    """The mean gradient of a step's blocks, and why it takes one block a call although it might take several.

    Where the configuration leaves it open, blocks per call are measured. A loss that is not known to vectorise is
    then evaluated block by block, and, whatever is configured, so is what a trial shows not to vectorise.

    Args:
        config: says how it is evaluated.
        model: whose gradient.
        source: the blocks.
        ingredients: penalties and clipping.
        loss: of the outputs.
        blocks_per_call: what an earlier start chose for ``auto``; ``None``: there was none.
        ranks: whom blocks are dealt to, once everything was tried.
    """
    samples = source.data.samples
    autocast = torch.bfloat16 if config.precision == "bf16" else None
    penalties = ingredients.loss_penalties
    objective = classification(model, autocast, penalties, len(samples), samples.tokens_per_sample, loss)

    def mean_gradient(count: int) -> MeanGradient:
        return MeanGradient(
            objective, ingredients.gradient_penalties, count, config.impl.compile, ingredients.block_clipping
        )

    count = blocks_per_call if config.impl.blocks_per_call == "auto" else config.impl.blocks_per_call
    if count is None and not loss.vectorises:
        count = 1
    reason = None
    if not (is_built_in(model) and loss.vectorises):
        wanted = config.impl.blocks_per_call
        several = loss.vectorises if wanted == "auto" else wanted != 1
        reason = try_gradient(config, model, source, objective, mean_gradient, several)
    if reason is not None:
        count = 1
    if count is None:
        params = [param.detach() for param in model.parameters()]
        count = choose_blocks_per_call(mean_gradient, params, source.step(0), params[0].device)
    gradient = mean_gradient(count)
    gradient.ranks = ranks
    return gradient, reason


def build_measure(
    config: Config,
    model: nn.Module,
    source: BlockSource,
    dataset: Dataset,
    loss: Loss,
    metrics: tuple[Metric, ...] = (),
    ranks: Ranks = ALONE,
) -> Callable[[int], Row]:
    """What evaluates the model: loss and accuracy, or R^2, on every set that is configured, with a pass's statistics.

    Args:
        config: says what is evaluated.
        model: is evaluated.
        source: of the blocks that batch norm takes its statistics over.
        dataset: validation and test samples.
        loss: of the outputs.
        metrics: what is measured beside it.
        ranks: whom blocks and samples are dealt to. All of them go on with the numbers that the first has.
    """
    device, dtype = next((param.device, param.dtype) for param in model.parameters())
    evaluated = {"train": source.data.samples} if config.record.train else {}
    for name, samples in (("validation", dataset.validation), ("test", dataset.test)):
        evaluated |= {} if samples is None else {name: samples.to(device, dtype)}

    def measure(pass_index: int) -> Row:
        ranks.check_weights(model)
        population_statistics(model, source.whole_pass(pass_index), ranks)
        row: Row = {}
        for name, samples in evaluated.items():
            mean, score = evaluate(model, samples, config.impl.evaluation_batch, loss, ranks)
            row |= {f"{name}_loss": mean, f"{name}_{loss.metric}": score}
            row |= measured(metrics, name, model, samples, config.impl.evaluation_batch, ranks)
        return ranks.of_first(row)

    return measure


def facts_of(experiment: Experiment, dataset: Dataset, device: torch.device, about: dict[str, object]) -> Facts:
    """What is recorded of an experiment beside its numbers; ``about`` is what there is to say of its model."""
    order = experiment.source.order
    return Facts(
        content_hash=dataset.content_hash,
        train_size=len(experiment.source.data),
        test_size=len(dataset.test),
        chance_level=None if dataset.regression else commonest(dataset.test.targets),
        parameters=sum(param.numel() for param in experiment.model.parameters()),
        blocks_per_pass=order.blocks_per_pass,
        steps_per_pass=order.steps_per_pass,
        blocks_per_call=experiment.gradient.blocks_per_call,
        device=str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        threads=torch.get_num_threads(),
        data=dict(dataset.facts),
        model=about,
    )


def commonest(labels: torch.Tensor) -> float:
    """The share of the commonest among integer ``labels``, of whatever shape, without those that are not predicted."""
    counted = labels[labels != IGNORED]
    return counted.unique(return_counts=True)[1].max().item() / counted.numel()


def work(config: Config) -> float:
    """Expected cost of a run in gradients of the whole training set, as far as the configuration tells."""
    ingredients = build_ingredients(config)
    again = sum(noise.extra_gradients for noise in ingredients.block_noises)
    once = gradients_per_sample(ingredients.gradient_penalties, ingredients.block_clipping)
    return config.budget.passes * (once + again)
