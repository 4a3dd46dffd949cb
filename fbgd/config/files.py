"""Groups of the configuration from YAML files of the user's."""

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from fbgd.config.overrides import is_file
from fbgd.config.targets import is_target
from fbgd.config.yaml_file import read_yaml
from fbgd.errors import ConfigError


def read_file(path: str | Path) -> DictConfig:
    """The content of a YAML file of keys and values.

    Raises:
        ConfigError: it is none.
    """
    try:
        return OmegaConf.create(read_yaml(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None


def merge_file(group: str, chosen: list[str], empty: DictConfig) -> Any:
    """The content of the file that is chosen for one group, over the group's ``empty`` choice.

    Raises:
        ConfigError: it is unreadable, or, of data, the source stands where the section should.
    """
    (path,) = chosen
    loaded = read_file(path)
    if group == "data" and "_target_" in loaded:
        raise ConfigError(f"{path}: _target_ and its arguments belong below source:, which stands beside train_size")
    return OmegaConf.merge(empty, loaded)


def merge_files(folder: Path, chosen: list[str], present: DictConfig) -> DictConfig:
    """Entries by name, those of files and those that are ``present`` already, in the order in which they were chosen.

    Args:
        folder: of the group's built-in files, which say the names of their entries.
        chosen: names of built-in files and paths of the user's.
        present: the entries of the built-in ones.

    Raises:
        ConfigError: a file holds something else than entries by name, or two have one name.
    """
    entries: dict[str, Any] = {}
    for choice in chosen:
        if not is_file(choice):
            names = cast(dict[str, Any], OmegaConf.load(folder / f"{choice}.yaml"))
            entries |= {name: present[name] for name in names if name in present}
            continue
        for name, node in cast(dict[str, Any], OmegaConf.to_container(read_file(choice))).items():
            if not is_target(node):
                raise ConfigError(
                    f"{choice}: {name} must be the name of an entry, with _target_: some.package.Class and its "
                    f"arguments indented below it, as in fbgd/config/conf/{folder.name}/"
                )
            if name in entries:
                raise ConfigError(f"{folder.name}=[{','.join(chosen)}]: {name} is there twice; rename it in {choice}")
            entries[name] = node
    for name in list(present):
        del present[name]
    return OmegaConf.create(entries)


def data_name(files: list[str], source: DictConfig) -> str:
    """What data without a name are called: as their file is, or the function they come from."""
    if files:
        return Path(files[0]).stem
    return str(source.get("_target_") or "custom").rpartition(".")[2]
