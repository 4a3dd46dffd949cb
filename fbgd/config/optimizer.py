"""The configured optimizer: made, tried, and its learning rate."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from fbgd.config.ingredients import Ingredients
from fbgd.config.parameter_groups import check_options, parameter_groups, read_groups
from fbgd.config.schema import Config
from fbgd.config.targets import build_target, find_target, is_target
from fbgd.errors import ConfigError
from optimizers import FullBatchGD, LineSearchGD

# Keys that say which parameters the others are about; no arguments of an optimizer.
OWN_KEYS = ("weight_decay_of", "groups")


def arguments(config: Config) -> dict[str, Any]:
    """What the configuration says to the optimizer itself."""
    return {name: value for name, value in config.optimizer.items() if name not in OWN_KEYS}


def build_optimizer(config: Config, params: list[Tensor], names: Sequence[str] | None = None) -> torch.optim.Optimizer:
    """The configured optimizer on ``params``.

    Two keys are no arguments of the optimizer. ``optimizer.weight_decay_of``: ``"matrices"`` puts the parameters of
    fewer than two dimensions, biases and the scales of normalisation layers, into a group without weight decay.
    ``optimizer.groups``: options by patterns of names, see :mod:`fbgd.config.parameter_groups`.

    Args:
        config: the configuration.
        params: in the model's order.
        names: theirs; ``None``: there are no groups by name.

    Raises:
        ConfigError: it refuses an argument, or would warm up or clip beside the engine, which could then neither
            record it nor scale the penalties with the true learning rate; or a pattern matches no name.
    """
    node = arguments(config)
    decayed = config.optimizer.get("weight_decay_of", "all")
    if decayed not in ("all", "matrices"):
        raise ConfigError(f"optimizer.weight_decay_of = {decayed!r} is not one of 'all', 'matrices'")
    groups = [] if names is None else read_groups(config.optimizer.get("groups", []))
    plain = decayed == "all" and not groups
    made = params if plain else parameter_groups(params, names or [""] * len(params), groups, decayed)
    optimizer = build_target("optimizer", node, made)
    for group in optimizer.param_groups:
        # Optimizers of several parts have made groups of their own of it, with rates of their own.
        factor = group.pop("lr_factor", None)
        if factor is not None:
            group["lr"] = factor * group["lr"]
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


def check_slopes(config: Config, ingredients: Ingredients) -> None:
    """Raise :class:`ConfigError` where a line search would have no slope: gradients are transformed block by block.

    Of a transform of the step's gradient the search gets the gradient from before it. The mean over transformed blocks
    is nobody's gradient, and the one that is would take a second evaluation of every block.
    """
    node: Any = config.optimizer
    while ingredients.block_clipping and is_target(node):
        if find_target("optimizer", node["_target_"]) is LineSearchGD:
            names = ", ".join(type(transform).__name__ for transform in ingredients.block_clipping)
            raise ConfigError(
                f"optimizer ({node['_target_']}) needs the slope of the loss, but {names} with of='block' changes the "
                "gradients it would be taken from: set of=step, which leaves the search the gradient before clipping"
            )
        node = node.get("base")


def learning_rate(config: Config, optimizer: torch.optim.Optimizer) -> float:
    """The peak learning rate: the configured one, or the optimizer's default.

    Raises:
        ConfigError: there is neither.
    """
    lr = config.optimizer.get("lr", optimizer.defaults.get("lr"))
    if lr is None:
        raise ConfigError(f"optimizer ({config.optimizer['_target_']}) has no learning rate: set optimizer.lr")
    return lr


def try_optimizer(config: Config) -> None:
    """Raise :class:`ConfigError` unless the configured optimizer takes a step on two small parameters.

    So what only shows in a step, a base that needs a closure or gradients it cannot take, is said before any work.
    """
    params = [torch.zeros(shape, requires_grad=True) for shape in ((2, 2), (2,))]
    optimizer = build_optimizer(config, params)
    # ByShape's two halves have options of their own.
    options = {name: value for group in optimizer.param_groups for name, value in group.items()}
    check_options(read_groups(config.optimizer.get("groups", [])), options, config.optimizer["_target_"])

    def closure() -> Tensor:
        for param in params:
            param.grad = torch.zeros_like(param)
        return torch.zeros(())

    try:
        optimizer.step(cast(Callable[[], float], closure))
    except Exception as error:
        raise ConfigError(f"optimizer ({config.optimizer['_target_']}): a trial step failed: {error}") from error
