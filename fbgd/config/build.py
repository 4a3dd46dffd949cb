"""The one place where a whole configuration becomes objects; everything below it gets plain arguments."""

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.config.ingredients import Ingredients, sort_ingredients
from fbgd.config.schema import Config
from fbgd.config.targets import build_target, find_target
from fbgd.data import Dataset, TrainingSet, prepare
from fbgd.engine.autotune import choose_blocks_per_call
from fbgd.engine.blocks import BlockOrder, BlockSource, BlockTransforms
from fbgd.engine.evaluate import evaluate, population_statistics
from fbgd.engine.experiment import Experiment
from fbgd.engine.gradient import MeanGradient, gradients_per_sample
from fbgd.engine.monitor import Monitor
from fbgd.engine.objective import classification
from fbgd.engine.record import Row
from fbgd.errors import ConfigError
from fbgd.seeds import generator
from optimizers import FullBatchGD

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}


@dataclass(frozen=True)
class Built:
    """An experiment ready to train, and what its summary tells beside the metrics."""

    experiment: Experiment
    facts: dict[str, object]


def build(config: Config, blocks_per_call: int | None = None, dataset: Dataset | None = None) -> Built:
    """Make the experiment that ``config`` describes.

    Args:
        config: a checked configuration.
        blocks_per_call: what an earlier start of the same run chose for ``auto``; ``None``: there was none.
        dataset: what :func:`load_data` gives, where that was done already.

    Raises:
        ValueError: data, model, optimizer or regulariser refuse their options.
    """
    try_optimizer(config)
    device = find_device(config.impl.device)
    if config.impl.threads is not None:
        torch.set_num_threads(config.impl.threads)
    torch.set_float32_matmul_precision("high" if config.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = config.precision == "tf32"
    # A resumed run must repeat its bits, so no kernels are chosen by timing, and none that add up in any order.
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    dtype = DTYPES[config.precision]

    dataset, ingredients = dataset or load_data(config), build_ingredients(config)
    check_inputs(config, dataset.tokens, ingredients)
    train, test = dataset.train.samples.to(device, dtype), dataset.test.to(device, dtype)
    validation = None if dataset.validation is None else dataset.validation.to(device, dtype)
    evaluated = {"train": train if config.record.train else None, "validation": validation, "test": test}
    training = TrainingSet(train, dataset.train.augmentation, dataset.train.copies, dataset.train.seed)

    model = build_model(config, dataset).to(device, dtype)
    if config.impl.channels_last:
        model = model.to(memory_format=torch.channels_last)
    order = BlockOrder(
        len(training), config.regime.block_size, config.regime.blocks_per_step, config.regime.order, config.seed
    )
    changes = BlockTransforms(ingredients.block_transforms, dataset.classes, config.seed, dtype)
    source = BlockSource(training, order, changes)
    optimizer = build_optimizer(config, list(model.parameters()))
    lr = config.optimizer.get("lr", optimizer.defaults.get("lr"))
    if lr is None:
        raise ConfigError(f"optimizer ({config.optimizer['_target_']}) has no learning rate: set optimizer.lr")
    autocast = torch.bfloat16 if config.precision == "bf16" else None
    objective = classification(model, autocast, ingredients.loss_penalties, len(train), train.tokens_per_sample)

    def mean_gradient(count: int) -> MeanGradient:
        penalties, clipping = ingredients.gradient_penalties, ingredients.block_clipping
        return MeanGradient(objective, penalties, count, config.impl.compile, clipping)

    wanted = config.impl.blocks_per_call
    if wanted == "auto":
        wanted = blocks_per_call
    if wanted is None:
        params = [param.detach() for param in model.parameters()]
        wanted = choose_blocks_per_call(mean_gradient, params, source.step(0), device)

    def measure(pass_index: int) -> Row:
        population_statistics(model, source.whole_pass(pass_index))
        row = {}
        for name, samples in evaluated.items():
            if samples is not None:
                loss, accuracy = evaluate(model, samples, config.impl.evaluation_batch)
                row |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
        return row

    experiment = Experiment(
        model=model.train(),
        source=source,
        gradient=mean_gradient(wanted),
        optimizer=optimizer,
        lr=lr,
        schedule=build_target("schedule", config.schedule),
        passes=config.budget.passes,
        monitor=Monitor(model, optimizer, measure, ingredients.average, ingredients.stopping),
        noises=ingredients.noises,
        transforms=ingredients.transforms,
        most_evaluations=(config.budget.gradients_per_sample or math.inf) * len(training),
        seed=config.seed,
        record_every=config.record.every,
        evaluate_every=config.record.evaluate_every,
        evaluation_growth=config.record.growth,
        record_layers=config.record.layers,
    )
    facts = {
        "content_hash": dataset.content_hash,
        "train_size": len(training),
        "test_size": len(test),
        "parameters": sum(param.numel() for param in model.parameters()),
        "blocks_per_pass": order.blocks_per_pass,
        "steps_per_pass": order.steps_per_pass,
        "blocks_per_call": wanted,
        "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": torch.get_num_threads(),
        **dataset.facts,
    }
    return Built(experiment, facts)


def check(config: Config) -> None:
    """Raise ``ValueError`` for what model, optimizer, schedule, regularisers or device refuse; needs no data."""
    with torch.device("meta"):
        build_target("model", config.model, input_shape=token_shape(config) or (3, 32, 32), classes=10)
    try_optimizer(config)
    build_target("schedule", config.schedule)
    build_ingredients(config)
    find_device(config.impl.device)


def load_data(config: Config) -> Dataset:
    """The data set of a configuration."""
    return prepare(
        build_target("data.source", config.data.source),
        train_size=config.data.train_size,
        validation_size=config.data.validation_size,
        label_noise=config.data.label_noise,
        label_noise_over=config.data.label_noise_over,
        augment=config.data.augment,
        seed=config.data.seed,
        augment_seed=config.seed,
    )


def token_shape(config: Config) -> tuple[int, ...] | None:
    """A shape of token samples that the configured model takes; ``None`` where it takes signals."""
    return getattr(find_target("model", config.model["_target_"]), "token_shape", None)


def check_inputs(config: Config, tokens: bool, ingredients: Ingredients) -> None:
    """Raise :class:`ConfigError` where model or regularisers want other inputs than the data has."""
    if tokens != (token_shape(config) is not None):
        has, wants = ("tokens", "signals") if tokens else ("signals", "tokens")
        raise ConfigError(f"model ({config.model['_target_']}) takes {wants}, and data={config.data.name} has {has}")
    for transform in ingredients.block_transforms:
        if tokens and transform.changes_inputs:
            raise ConfigError(
                f"regularizer ({type(transform).__name__}) changes inputs, and those of data={config.data.name} are "
                "tokens: only transforms of targets apply, such as regularizer=label_smoothing"
            )


def build_model(config: Config, dataset: Dataset) -> nn.Module:
    """The configured model, initialised from the run's seed and no other random state."""
    start = generator(config.seed, "initialisation").initial_seed()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(start)
        return build_target("model", config.model, input_shape=dataset.input_shape, classes=dataset.classes)


def build_optimizer(config: Config, params: list[Tensor]) -> torch.optim.Optimizer:
    """The configured optimizer on ``params``.

    ``optimizer.weight_decay_of`` is no argument of the optimizer: ``"matrices"`` puts the parameters of fewer than two
    dimensions, biases and the scales of normalisation layers, into a group without weight decay.

    Raises:
        ConfigError: it refuses an argument, or would warm up or clip beside the engine, which could then neither
            record it nor scale the penalties with the true learning rate.
    """
    node = dict(config.optimizer)
    decayed = node.pop("weight_decay_of", "all")
    if decayed not in ("all", "matrices"):
        raise ConfigError(f"optimizer.weight_decay_of = {decayed!r} is not one of 'all', 'matrices'")
    groups: list = params
    if decayed == "matrices":
        matrices, others = ([param for param in params if (param.dim() >= 2) is many] for many in (True, False))
        groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        groups = [group for group in groups if group["params"]]
    optimizer = build_target("optimizer", node, groups)
    if decayed == "matrices" and "weight_decay" not in optimizer.param_groups[0]:
        raise ConfigError(f"optimizer.weight_decay_of = 'matrices': {node['_target_']} has no weight decay")
    if isinstance(getattr(optimizer, "base", optimizer), FullBatchGD):
        for key, instead in (("warmup_steps", "schedule.warmup=PASSES"), ("max_norm", "regularizer=gradient_clipping")):
            if optimizer.defaults[key]:
                raise ConfigError(f"optimizer.{key} is for loops of your own; here {instead} does it")
    if hasattr(optimizer, "train"):
        # Schedule-free optimizers begin in neither of their two modes.
        optimizer.train()
    return optimizer


def try_optimizer(config: Config) -> None:
    """Raise :class:`ConfigError` unless the configured optimizer takes a step on two small parameters.

    So what only shows in a step, a base that needs a closure or gradients it cannot take, is said before any work.
    """
    params = [torch.zeros(shape, requires_grad=True) for shape in ((2, 2), (2,))]
    optimizer = build_optimizer(config, params)

    def closure() -> Tensor:
        for param in params:
            param.grad = torch.zeros_like(param)
        return torch.zeros(())

    try:
        optimizer.step(closure)
    except Exception as error:
        raise ConfigError(f"optimizer ({config.optimizer['_target_']}): a trial step failed: {error}") from error


def build_ingredients(config: Config) -> Ingredients:
    """The configured regularisers, by where they act.

    Raises:
        ConfigError: one refuses an argument or has no role; or early stopping lacks a validation split.
    """
    built = {name: build_target(f"regularizer.{name}", node) for name, node in config.regularizer.items()}
    ingredients = sort_ingredients(built)
    if ingredients.stopping is not None and not config.data.validation_size:
        raise ConfigError("regularizer=early_stopping needs a validation split: set data.validation_size, e.g. to 500")
    return ingredients


def work(config: Config) -> float:
    """Expected cost of a run in gradients of the whole training set, as far as the configuration tells."""
    ingredients = build_ingredients(config)
    return config.budget.passes * gradients_per_sample(ingredients.gradient_penalties, ingredients.block_clipping)


def find_device(name: str) -> torch.device:
    """``"auto"``: the GPU where there is one, else the CPU; any other name as PyTorch understands it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"impl.device = {name!r}: {error}") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"impl.device = {name!r} is neither cpu nor cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"impl.device = {name!r}: PyTorch finds no GPU here; use impl.device=cpu")
    return device
