"""From words to a checked configuration: groups in ``conf/``, a user's YAML files, single keys."""

from collections.abc import Iterable
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fbgd.config.files import data_name, merge_file, merge_files
from fbgd.config.full_batch_gd import translate
from fbgd.config.groups import FOLDER, GROUPS, choices
from fbgd.config.optimizer import arguments
from fbgd.config.overrides import SEVERAL, Override, check_override, is_file, normalise, parse
from fbgd.config.schema import Config, as_list
from fbgd.config.targets import check_target, import_from
from fbgd.errors import ConfigError

SKELETON = cast(dict, OmegaConf.to_container(OmegaConf.structured(Config)))
PARSER = OverridesParser.create()


def compose(overrides: Iterable[str] = (), module_path: Iterable[Path | str] = ()) -> Config:
    """The checked configuration that the defaults and ``overrides`` make.

    Args:
        overrides: ``group=choice`` (``optimizer=adam``; also the path of a YAML file of one's own,
            ``optimizer=mine.yaml``), ``group=[several]`` for regularisers, probes and metrics, or ``dotted.key=value``.
            Groups are chosen first, then keys are set; of two words about one key the last counts.
        module_path: folders of modules of one's own, which ``_target_`` may name; those of YAML files are among them.

    Raises:
        ConfigError: an unknown group, choice, key, class or argument, with the nearest valid name; a value of the
            wrong type or outside its range.
    """
    files, words = normalise(parse(overrides), GROUPS)
    folders = tuple(map(str, module_path))
    # A study composes the same words again and again, and each time takes a tenth of a second; files may change.
    return assemble(files, words, folders) if files else deepcopy(remembered(tuple(words), folders))


@lru_cache(maxsize=4096)
def remembered(words: tuple[Override, ...], module_path: tuple[str, ...]) -> Config:
    """What words make that name no file; to be copied before it is given away."""
    return assemble({}, list(words), module_path)


def assemble(files: dict[str, list[str]], words: list[Override], module_path: tuple[str, ...] = ()) -> Config:
    """The checked configuration that the defaults, a user's files by group and normalised words make.

    Args:
        files: by group what was chosen, files and names, where there are files.
        words: see :func:`fbgd.config.overrides.normalise`.
        module_path: further folders of the user's modules.
    """
    values = {word.key: read_value(word) for word in words if word.startswith("++")}
    try:
        composed = deepcopy(chosen_groups(tuple(word for word in words if word.key not in values)))
        for group, chosen in files.items():
            if group in SEVERAL:
                # A choice that sets something elsewhere, as dropout does, has no entry here.
                composed[group] = merge_files(FOLDER / group, chosen, composed.get(group) or OmegaConf.create({}))
            else:
                composed[group] = merge_file(group, chosen, composed[group])
        for key, value in values.items():
            OmegaConf.update(composed, key, value, merge=True)
        empty_renamed(composed, words)
        if OmegaConf.is_missing(composed.data, "name"):
            composed.data.name = data_name(files.get("data", []), composed.data.source)
        beside = [str(Path(path).parent) for chosen in files.values() for path in chosen if is_file(path)]
        composed.impl.module_path = [*as_list(composed.impl.module_path), *module_path, *beside]
        merged = OmegaConf.merge(OmegaConf.structured(Config), composed)
        config = cast(Config, OmegaConf.to_object(merged))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from None
    import_from(config.impl.module_path)
    check_targets(config)
    translate(config)
    return config


def read_value(word: Override) -> Any:
    """What a word that sets a key sets it to, by Hydra's grammar.

    Raises:
        ConfigError: the key is unknown, or the value is not readable or several ones.
    """
    check_override(word, SKELETON, choices)
    try:
        parsed = PARSER.parse_override(word)
    except HydraException as error:
        raise ConfigError(f"{word.lstrip('+')} is not readable: {explain(error)}") from None
    if parsed.is_sweep_override():
        raise ConfigError(f"{word.lstrip('+')} is several values; a key takes one, a list is written [1,2]")
    return parsed.value()


# What Hydra does with the files takes far longer than all that follows, and differs for few of a study's settings.
@lru_cache(maxsize=256)
def chosen_groups(words: tuple[Override, ...]) -> DictConfig:
    """The configuration of the chosen groups, open to any key; to be copied before it is changed."""
    for word in words:
        check_override(word, SKELETON, choices)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(FOLDER), version_base="1.3"):
        composed = hydra_compose("config", overrides=list(words))
    OmegaConf.set_struct(composed, False)
    return composed


def check_targets(config: Config) -> None:
    """Raise :class:`ConfigError` unless every ``_target_`` exists and takes the arguments it is given."""
    check_target("data.source", config.data.source)
    check_target("model", config.model, given=("input_shape", "classes"))
    check_target("optimizer", arguments(config), given=("params",))
    check_target("schedule", config.schedule, called_with=2)
    check_target("objective", config.objective, called_with=2)
    if config.tracker:
        check_target("tracker", config.tracker, given=("run",))
    for name, node in config.regularizer.items():
        check_target(f"regularizer.{name}", node)
    for name, node in config.metric.items():
        check_target(f"metric.{name}", node, called_with=2)
    for name, node in config.probe.items():
        check_target(f"probe.{name}", {key: value for key, value in node.items() if key != "every"}, called_with=1)


def empty_renamed(composed: Any, words: list[Override]) -> None:
    """Where ``words`` name the class of a node inside a group, leave of that node only what they say themselves."""
    said = {word.key for word in words}
    for key in said:
        path, _, last = key.rpartition(".")
        if last == "_target_" and "." in path:
            node = OmegaConf.select(composed, path)
            for name in [name for name in node if f"{path}.{name}" not in said]:
                del node[name]


def explain(error: Exception) -> str:
    """The first line of a Hydra or OmegaConf error, with its key."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    key = getattr(error, "full_key", None)
    text = lines[0] if lines else type(error).__name__
    return f"{key}: {text}" if key and key not in text else text
