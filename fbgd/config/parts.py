"""The configured parts of a run that need no data: loss, schedule, regularisers, probes, metrics."""

import importlib
import math
from numbers import Real
from typing import Any

import torch

from fbgd.config.data import token_shape
from fbgd.config.ingredients import Ingredients, sort_ingredients
from fbgd.config.schema import Config, require
from fbgd.config.targets import build_function, build_target, find_target
from fbgd.engine.losses import Loss, as_loss
from fbgd.engine.metrics import Metric
from fbgd.engine.probe import ScheduledProbe
from fbgd.errors import ConfigError, needs, said
from fbgd.schedules import PlainSchedule, Schedule, as_schedule

# Columns of every run are called after a set, as test_loss is.
OWN_COLUMNS = ("loss", "accuracy", "r2", "size", "tokens")


def expects_numbers(config: Config) -> bool | None:
    """Whether targets are the numbers of a regression, as far as the configuration says without the data.

    ``None``: it does not, where both the data and the objective are functions of the user's.
    """
    metric = getattr(find_target("objective", config.objective["_target_"]), "metric", None)
    if config.data.source.get("regression") or metric == "r2":
        return True
    return False if metric is not None or config.data.source["_target_"].startswith("fbgd.") else None


def build_loss(config: Config, ingredients: Ingredients, regression: bool | None = False) -> Loss:
    """The configured loss, tried on small outputs.

    Args:
        config: the configuration.
        ingredients: which may make class probabilities of labels.
        regression: whether targets are numbers; ``None``: either will do.

    Raises:
        ConfigError: it refuses an argument, or gives no differentiable mean of the targets that this run has: labels,
            class probabilities with transforms such as mixup, sequences with models of tokens.
    """
    if regression is None:
        try:
            return build_loss(config, ingredients)
        except ConfigError as error:
            try:
                return build_loss(config, ingredients, True)
            except ConfigError:
                raise error from None
    loss = as_loss(build_function("objective", config.objective, called_with=2), "r2" if regression else "accuracy")
    tokens_per_sample = None if token_shape(config) is None else 3.0
    labels = torch.zeros((2,) if tokens_per_sample is None else (2, 3), dtype=torch.int64)
    classes = 4 if loss.width is None else 2
    outputs = torch.zeros(*labels.shape, loss.width or classes, requires_grad=True)
    probabilities = torch.full((*labels.shape, classes), 1 / classes)
    tried = (labels, probabilities) if ingredients.block_transforms else (labels,)
    if loss.metric == "r2":
        tried = (torch.ones(outputs.shape),)
    targets = tried[0]
    try:
        for targets in tried:
            mean: Any = loss(outputs, targets, tokens_per_sample)
            if not isinstance(mean, torch.Tensor):
                raise ConfigError(f"it gives a {type(mean).__name__}, not a tensor; leave .item() and NumPy out of it")
            if mean.shape != ():
                raise ConfigError(f"it gives a tensor of shape {tuple(mean.shape)}, not the mean over the block")
            if not mean.requires_grad:
                raise ConfigError("it gives a number without a gradient; leave .detach() and .data out of it")
            torch.autograd.grad(mean, outputs)
            loss.total(outputs, targets).item()
    except Exception as error:
        text = str(error) if isinstance(error, ConfigError) else said(error)
        kind = "numbers" if loss.metric == "r2" else "probabilities" if targets.is_floating_point() else "labels"
        what = f"outputs of shape {tuple(outputs.shape)} and {kind} of shape {tuple(targets.shape)}"
        raise ConfigError(f"objective ({config.objective['_target_']}): a trial with {what} failed: {text}") from error
    return loss


def build_schedule(config: Config) -> Schedule | PlainSchedule:
    """The configured schedule, tried on the first step.

    Raises:
        ConfigError: it refuses an argument, or gives no number.
    """
    schedule = as_schedule(build_function("schedule", config.schedule, called_with=2))
    try:
        # A schedule of the user's may return anything.
        factor: Any = schedule.factor(0.0, 1.0, [torch.ones(2, 2)])
    except ConfigError as error:
        text = str(error).removeprefix("schedule: ")
        raise ConfigError(f"schedule ({config.schedule['_target_']}): {text}") from error
    except Exception as error:
        raise ConfigError(f"schedule ({config.schedule['_target_']}): a trial failed: {said(error)}") from error
    if not isinstance(factor, Real):
        raise ConfigError(f"schedule ({config.schedule['_target_']}) gives {factor!r}, and must give a number")
    return schedule


def build_probes(config: Config) -> tuple[ScheduledProbe, ...]:
    """The configured probes; ``probe.NAME.every`` is no argument of the probe, but how often it looks, in passes.

    Raises:
        ConfigError: one refuses an argument or cannot be called, or ``every`` is outside its range.
    """
    probes = []
    for name, node in config.probe.items():
        arguments = {key: value for key, value in node.items() if key != "every"}
        every = node.get("every", 1.0)
        valid = isinstance(every, int | float) and not isinstance(every, bool) and 0 < every < math.inf
        require(valid, f"probe.{name}.every", every, "(0, inf) passes")
        probe = build_function(f"probe.{name}", arguments, called_with=1)
        if not callable(probe):
            raise ConfigError(f"probe.{name}: {type(probe).__name__} cannot be called with a ProbeState")
        probes.append(ScheduledProbe(name, probe, every))
    return tuple(probes)


def build_metrics(config: Config) -> tuple[Metric, ...]:
    """The configured metrics.

    Raises:
        ConfigError: one refuses an argument, cannot be called, or has the name of a column that every run has.
    """
    metrics = []
    for name, node in config.metric.items():
        if name in OWN_COLUMNS or "." in name:
            raise ConfigError(f"metric.{name} is the name of a column that runs have anyway; call it something else")
        function = build_function(f"metric.{name}", node, called_with=2)
        if not callable(function):
            raise ConfigError(f"metric.{name}: {type(function).__name__} cannot be called with outputs and targets")
        metrics.append(Metric(name, function))
    return tuple(metrics)


def check_tracker(config: Config) -> None:
    """Raise ``ValueError`` where the package of the configured tracker is missing.

    Nothing is made yet: that may need a network, and happens when there is something to tell.
    """
    extra = getattr(find_target("tracker", config.tracker["_target_"]), "extra", None) if config.tracker else None
    if extra is not None:
        with needs(extra):
            importlib.import_module(extra)


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
