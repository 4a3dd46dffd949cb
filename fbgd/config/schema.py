"""What a run may set: the sections of its configuration, and their valid ranges."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from fbgd.data.label_noise import LABEL_NOISES
from fbgd.data.prepare import parse_augment
from fbgd.engine.blocks import ORDERS
from fbgd.errors import ConfigError

PRECISIONS = ("fp32", "tf32", "bf16", "fp64")
Node = dict[str, Any]
# More would never end, and their evaluations are listed beforehand.
MOST_PASSES = 1e7
# What runs had before there was a choice, and what they have when nothing is chosen.
CROSS_ENTROPY: Node = {"_target_": "fbgd.engine.losses.CrossEntropy"}


def require(condition: bool, key: str, value: Any, valid: str) -> None:
    """Raise :class:`ConfigError` naming key, value and valid range unless ``condition`` holds."""
    if not condition:
        raise ConfigError(f"{key} = {value!r} is outside the valid range: {valid}")


def is_positive(value: Any) -> bool:
    """Whether ``value`` is a whole number of at least 1; ``True`` is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def as_list(value: Any) -> list:
    """A list as it is, and anything else as the only one in a list."""
    return list(value) if isinstance(value, list | tuple) or OmegaConf.is_list(value) else [value]


def resolved(folder: str) -> str:
    """A folder's whole path; :class:`ConfigError` where there is none, as below ``~`` without a home."""
    try:
        return str(Path(folder).expanduser().resolve())
    except (RuntimeError, OSError, ValueError) as error:
        raise ConfigError(f"impl.module_path = {folder!r} is no folder: {error}") from None


@dataclass
class DataConfig:
    """Where the data comes from and what is made of it; see :func:`fbgd.data.prepare`."""

    name: str = "???"
    source: Node = field(default_factory=dict)
    train_size: int | None = None
    validation_size: int = 0
    label_noise: float = 0.0
    label_noise_over: str = "others"
    augment: str = "none"
    seed: int = 0
    part: int = 0

    def __post_init__(self):
        require(self.train_size is None or self.train_size >= 1, "data.train_size", self.train_size, ">= 1, or null")
        require(self.validation_size >= 0, "data.validation_size", self.validation_size, ">= 0")
        require(0 <= self.label_noise <= 1, "data.label_noise", self.label_noise, "[0, 1]")
        over = self.label_noise_over
        require(over in LABEL_NOISES, "data.label_noise_over", over, ", ".join(LABEL_NOISES))
        require(self.seed >= 0, "data.seed", self.seed, ">= 0")
        require(self.part >= 0, "data.part", self.part, ">= 0")
        parse_augment(self.augment)


@dataclass
class RegimeConfig:
    """Blocks, and how many of them a step uses; the upper bounds depend on the data."""

    block_size: int = 128
    blocks_per_step: Any = 1
    order: str = "reshuffle"

    def __post_init__(self):
        require(self.block_size >= 1, "regime.block_size", self.block_size, ">= 1")
        whole = self.blocks_per_step == "all" or is_positive(self.blocks_per_step)
        require(whole, "regime.blocks_per_step", self.blocks_per_step, "'all', or a whole number >= 1")
        require(self.order in ORDERS, "regime.order", self.order, ", ".join(ORDERS))


@dataclass
class BudgetConfig:
    """How long to train: passes over the training set, and at most so many gradients of each sample."""

    passes: float = 20.0
    gradients_per_sample: float | None = None

    def __post_init__(self):
        require(0 < self.passes <= MOST_PASSES, "budget.passes", self.passes, f"(0, {MOST_PASSES:,.0f}]")
        limit = self.gradients_per_sample
        require(limit is None or 0 < limit < math.inf, "budget.gradients_per_sample", limit, "(0, inf), or null")


@dataclass
class RecordConfig:
    """How often metrics are recorded and the model is evaluated, in passes, and on what.

    With ``growth`` above 1 the distance between evaluations grows in proportion to the passes done: each comes no
    earlier than ``growth`` times the one before, so that a logarithmic axis is covered evenly. With ``train`` the
    training set is evaluated too, as it is stored, with its noisy labels. With ``layers`` every row has the norm of
    every parameter.
    """

    every: float = 1.0
    evaluate_every: float = 5.0
    growth: float = 1.0
    train: bool = False
    layers: bool = False

    def __post_init__(self):
        require(0 < self.every < math.inf, "record.every", self.every, "(0, inf) passes")
        require(0 < self.evaluate_every < math.inf, "record.evaluate_every", self.evaluate_every, "(0, inf) passes")
        require(1 <= self.growth < math.inf, "record.growth", self.growth, "[1, inf)")


@dataclass
class ImplConfig:
    """How the arithmetic is carried out: speed and rounding, no part of a run's identity.

    ``module_path`` are folders of the user's modules. It is part of the configuration so that it reaches whatever
    process executes the run. ``rank_timeout`` is how many seconds the ranks of a run wait for one that does not answer;
    a probe, for which the others wait, must take less.
    """

    device: str = "auto"
    threads: int | None = None
    blocks_per_call: Any = "auto"
    compile: bool = False
    channels_last: bool = False
    evaluation_batch: int = 1000
    checkpoint_seconds: float = 20.0
    seeds_together: Any = False
    rank_timeout: float = 1800.0
    module_path: Any = field(default_factory=list)

    def __post_init__(self):
        folders = as_list(self.module_path)
        require(all(isinstance(folder, str) for folder in folders), "impl.module_path", folders, "folders")
        # Each once, and in a form that means the same in every process.
        self.module_path = list(dict.fromkeys(map(resolved, folders)))
        require(self.threads is None or self.threads >= 1, "impl.threads", self.threads, ">= 1, or null")
        calls = self.blocks_per_call
        require(calls == "auto" or is_positive(calls), "impl.blocks_per_call", calls, "'auto', or a whole number >= 1")
        require(self.evaluation_batch >= 1, "impl.evaluation_batch", self.evaluation_batch, ">= 1")
        together = self.seeds_together
        require(together in (True, False, "auto"), "impl.seeds_together", together, "auto, true, false")
        valid = 0 < self.rank_timeout < 1e8
        require(valid, "impl.rank_timeout", self.rank_timeout, "(0, 1e8) seconds")
        require(self.checkpoint_seconds >= 0, "impl.checkpoint_seconds", self.checkpoint_seconds, ">= 0 seconds")


@dataclass
class Config:
    """Everything about one run. Nodes with ``_target_`` name a class or function and its arguments."""

    data: DataConfig = field(default_factory=DataConfig)
    model: Node = field(default_factory=dict)
    objective: Node = field(default_factory=lambda: dict(CROSS_ENTROPY))
    regime: RegimeConfig = field(default_factory=RegimeConfig)
    optimizer: Node = field(default_factory=dict)
    regularizer: dict[str, Node] = field(default_factory=dict)
    probe: dict[str, Node] = field(default_factory=dict)
    metric: dict[str, Node] = field(default_factory=dict)
    schedule: Node = field(default_factory=dict)
    tracker: Node = field(default_factory=dict)
    impl: ImplConfig = field(default_factory=ImplConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    seed: int = 0
    precision: str = "fp32"

    def __post_init__(self):
        require(self.seed >= 0, "seed", self.seed, ">= 0")
        require(self.precision in PRECISIONS, "precision", self.precision, ", ".join(PRECISIONS))


def from_dict(node: Node) -> Config:
    """The checked configuration that :func:`to_dict` gave as nested dictionaries."""
    return cast(Config, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), node)))


def to_dict(config: Config) -> Node:
    """The configuration as nested dictionaries of plain values; a whole number where a float belongs is made one."""
    return section_values(config)


def section_values(section: Any) -> Node:
    """The fields of a section, those that are sections themselves by their fields."""
    return {own.name: plain(getattr(section, own.name), own.type) for own in fields(section)}


def plain(value: Any, declared: Any = Any) -> Any:
    """A value in dictionaries, lists and scalars.

    Args:
        value: of a field, or inside one.
        declared: the field's type.
    """
    if is_dataclass(value):
        return section_values(value)
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return float(value) if declared in (float, float | None) and value is not None else value
