"""The configured data set, and whether model and regularisers take it."""

import json
from functools import lru_cache

from fbgd.config.ingredients import Ingredients
from fbgd.config.schema import Config
from fbgd.config.targets import build_target, find_target
from fbgd.data import Dataset, prepare
from fbgd.data.dataset import Arrays
from fbgd.data.own import as_arrays
from fbgd.engine.losses import Loss
from fbgd.errors import ConfigError


def load_data(config: Config) -> Dataset:
    """The data set of a configuration."""
    return prepare(
        read_arrays(config),
        train_size=config.data.train_size,
        validation_size=config.data.validation_size,
        label_noise=config.data.label_noise,
        label_noise_over=config.data.label_noise_over,
        augment=config.data.augment,
        seed=config.data.seed,
        part=config.data.part,
        augment_seed=config.seed,
    )


def read_arrays(config: Config) -> Arrays:
    """What the configured source gives, before anything is drawn from it."""
    return read_source(json.dumps(config.data.source, sort_keys=True))


@lru_cache(maxsize=12)
def read_source(source: str) -> Arrays:
    """The arrays of a source, given as JSON; the last ones stay in memory.

    A worker trains run after run on the same data, or on a draw for every seed, and making MNIST-1D takes as long as a
    short run.
    """
    node = json.loads(source)
    given = build_target("data.source", node)
    if node["_target_"].startswith("fbgd."):
        return given
    return as_arrays(f"data.source ({node['_target_']})", given)


def token_shape(config: Config) -> tuple[int, ...] | None:
    """A shape of token samples that the configured model takes; ``None`` where it takes signals."""
    return getattr(find_target("model", config.model["_target_"]), "token_shape", None)


def trial_shape(config: Config) -> tuple[int, ...]:
    """A sample's shape that the configured model's options can be tried with, before there is data."""
    choose = getattr(find_target("model", config.model["_target_"]), "trial_shape", None)
    if choose is not None:
        return choose(**{name: value for name, value in config.model.items() if name != "_target_"})
    return token_shape(config) or (3, 32, 32)


def check_kind(config: Config, dataset: Dataset, ingredients: Ingredients, loss: Loss) -> None:
    """Raise :class:`ConfigError` where objective or regularisers want other targets than the data has."""
    objective = f"objective ({config.objective['_target_']})"
    if dataset.regression and loss.metric != "r2":
        raise ConfigError(
            f"{objective} takes class labels, and the targets of data={config.data.name} are numbers: set "
            "objective=squared_error"
        )
    if loss.metric == "r2" and not dataset.regression:
        raise ConfigError(
            f"{objective} takes numbers, and the targets of data={config.data.name} are class labels; with a file of "
            "your own set data.source.regression=true"
        )
    if loss.width == 1 and dataset.classes != 2:
        raise ConfigError(f"{objective} takes two classes, and data={config.data.name} has {dataset.classes}")
    for transform in ingredients.block_transforms:
        if dataset.regression and not transform.changes_inputs:
            raise ConfigError(
                f"regularizer ({type(transform).__name__}) changes class labels, and the targets of "
                f"data={config.data.name} are numbers"
            )
    stopping = ingredients.stopping
    if dataset.regression and stopping is not None and stopping.metric == "validation_accuracy":
        raise ConfigError(
            "regularizer.early_stopping.metric = 'validation_accuracy': a regression has none; set validation_loss"
        )


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
