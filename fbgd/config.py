"""Configuration: what an experiment may set, composed from the groups in ``conf/`` and checked before any work."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from fbgd.blocks import ORDERS
from fbgd.data.label_noise import LABEL_NOISES
from fbgd.data.prepare import parse_augment
from fbgd.overrides import ConfigError, check_override, normalise, split
from fbgd.targets import check_target

FOLDER = Path(__file__).parent / "conf"
GROUPS = tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))
PRECISIONS = ("fp32", "tf32", "bf16", "fp64")
Node = dict[str, Any]


def require(condition: bool, key: str, value: Any, valid: str) -> None:
    """Raise :class:`ConfigError` naming key, value and valid range unless ``condition`` holds."""
    if not condition:
        raise ConfigError(f"{key} = {value!r} is outside the valid range: {valid}")


def is_positive(value: Any) -> bool:
    """Whether ``value`` is a whole number of at least 1; ``True`` is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


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

    def __post_init__(self):
        require(self.train_size is None or self.train_size >= 1, "data.train_size", self.train_size, ">= 1, or null")
        require(self.validation_size >= 0, "data.validation_size", self.validation_size, ">= 0")
        require(0 <= self.label_noise <= 1, "data.label_noise", self.label_noise, "[0, 1]")
        over = self.label_noise_over
        require(over in LABEL_NOISES, "data.label_noise_over", over, ", ".join(LABEL_NOISES))
        require(self.seed >= 0, "data.seed", self.seed, ">= 0")
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
        require(0 < self.passes < math.inf, "budget.passes", self.passes, "(0, inf)")
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
    """How the arithmetic is carried out: speed and rounding, no part of a run's identity."""

    device: str = "auto"
    threads: int | None = None
    blocks_per_call: Any = "auto"
    compile: bool = False
    channels_last: bool = False
    evaluation_batch: int = 1000
    checkpoint_seconds: float = 20.0
    seeds_together: Any = False

    def __post_init__(self):
        require(self.threads is None or self.threads >= 1, "impl.threads", self.threads, ">= 1, or null")
        calls = self.blocks_per_call
        require(calls == "auto" or is_positive(calls), "impl.blocks_per_call", calls, "'auto', or a whole number >= 1")
        require(self.evaluation_batch >= 1, "impl.evaluation_batch", self.evaluation_batch, ">= 1")
        together = self.seeds_together
        require(together in (True, False, "auto"), "impl.seeds_together", together, "auto, true, false")
        require(self.checkpoint_seconds >= 0, "impl.checkpoint_seconds", self.checkpoint_seconds, ">= 0 seconds")


@dataclass
class Config:
    """Everything about one run. Nodes with ``_target_`` name a class or function and its arguments."""

    data: DataConfig = field(default_factory=DataConfig)
    model: Node = field(default_factory=dict)
    regime: RegimeConfig = field(default_factory=RegimeConfig)
    optimizer: Node = field(default_factory=dict)
    regularizer: dict[str, Node] = field(default_factory=dict)
    schedule: Node = field(default_factory=dict)
    impl: ImplConfig = field(default_factory=ImplConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    seed: int = 0
    precision: str = "fp32"

    def __post_init__(self):
        require(self.seed >= 0, "seed", self.seed, ">= 0")
        require(self.precision in PRECISIONS, "precision", self.precision, ", ".join(PRECISIONS))


def choices(group: str) -> list[str]:
    """The names that ``group=NAME`` may take."""
    return sorted(path.stem for path in (FOLDER / group).glob("*.yaml"))


def compose(overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """The checked configuration that the defaults and ``overrides`` make.

    Args:
        overrides: ``group=choice`` (``optimizer=adam``; also the path of a YAML file of one's own,
            ``optimizer=mine.yaml``), ``group=[several]`` for regularisers, or ``dotted.key=value``. Groups are
            chosen first, then keys are set; of two words about one key the last counts.

    Raises:
        ConfigError: an unknown group, choice, key, class or argument, with the nearest valid name; a value of the
            wrong type or outside its range.
    """
    files, words = normalise(list(overrides), GROUPS)
    skeleton = OmegaConf.to_container(OmegaConf.structured(Config))
    parser = OverridesParser.create()
    for word in words:
        check_override(word, skeleton, choices)
        try:
            parser.parse_override(word)
        except HydraException as error:
            raise ConfigError(f"{word.lstrip('+')} is not readable: {explain(error)}") from None
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(FOLDER), version_base="1.3"):
            composed = hydra_compose("config", overrides=words)
        OmegaConf.set_struct(composed, False)
        for group, path in files.items():
            OmegaConf.update(composed, group, merge_file(path, composed[group]), merge=False)
        empty_renamed(composed, words)
        merged = OmegaConf.merge(OmegaConf.structured(Config), composed)
        config = OmegaConf.to_object(merged)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from None
    check_targets(config)
    return config


def check_targets(config: Config) -> None:
    """Raise :class:`ConfigError` unless every ``_target_`` exists and takes the arguments it is given."""
    check_target("data.source", config.data.source)
    check_target("model", config.model, given=("input_shape", "classes"))
    optimizer = {name: value for name, value in config.optimizer.items() if name != "weight_decay_of"}
    check_target("optimizer", optimizer, given=("params",))
    check_target("schedule", config.schedule)
    for name, node in config.regularizer.items():
        check_target(f"regularizer.{name}", node)


def empty_renamed(composed: Any, words: list[str]) -> None:
    """Where ``words`` name the class of a node inside a group, leave of that node only what they say themselves."""
    said = dict(map(split, words))
    for key in said:
        path, _, last = key.rpartition(".")
        if last == "_target_" and "." in path:
            node = OmegaConf.select(composed, path)
            for name in [name for name in node if f"{path}.{name}" not in said]:
                del node[name]


def merge_file(path: str, overridden: Any) -> Any:
    """The content of a user's YAML file for one group, under what later words set in that group."""
    try:
        loaded = OmegaConf.load(path)
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} is not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(loaded, DictConfig):
        raise ConfigError(f"{path} must hold keys and values, the first being _target_: some.package.Class")
    later = {key: value for key, value in OmegaConf.to_container(overridden).items() if value != "???"}
    return OmegaConf.merge(loaded, later)


def explain(error: Exception) -> str:
    """The first line of a Hydra or OmegaConf error, with its key."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    key = getattr(error, "full_key", None)
    text = lines[0] if lines else type(error).__name__
    return f"{key}: {text}" if key and key not in text else text


def to_dict(config: Config) -> Node:
    """The configuration as nested dictionaries of plain values."""
    return OmegaConf.to_container(OmegaConf.structured(config), resolve=True)
