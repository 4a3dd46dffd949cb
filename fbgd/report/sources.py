"""Finding runs: run directories, folders of them, studies' result folders, and ``runs.csv`` files."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fbgd.errors import ConfigError
from fbgd.report.description import Description, read_description
from fbgd.report.evidence import is_study
from fbgd.runs.directory import RunDirectory
from fbgd.runs.provenance import science
from fbgd.runs.rows import fixed, in_order, label_columns, read_rows, run_row, setting_columns, to_frame

STUDY = "study"


@dataclass(frozen=True)
class Source:
    """Runs from one place.

    Args:
        path: the folder; its name is the ``study`` of the runs.
        runs: a row a run.
        description: what its ``study.json`` says.
        lost: sentences about run directories that cannot be a row, since their settings are unknown.
        folders: of run directories, one a row; none of a study.
    """

    path: Path
    runs: pd.DataFrame
    description: Description | None = None
    lost: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        return label_columns(self.runs)


def find(path: Path) -> list[Source]:
    """All runs at ``path``; a study's folder is not searched any deeper.

    Args:
        path: a run directory, a folder of run directories or studies at any depth, or a ``runs.csv`` itself.

    Raises:
        ConfigError: there is nothing of that kind.
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file or folder")
    if path.is_file():
        return [read_study(path)]
    if is_study(path):
        return [read_study(path / "runs.csv")]
    folders = {file.parent for name in ("runs.csv", "study.json") for file in path.rglob(name)}
    studies = sorted(folder for folder in folders if not is_run(folder))
    outer = [folder for folder in studies if not any(other in folder.parents for other in studies)]
    directories = [
        folder
        for folder in [path, *sorted(found for found in path.rglob("*") if found.is_dir())]
        if is_run(folder) and not any(study in folder.parents for study in outer)
    ]
    found = [read_study(folder / "runs.csv") for folder in outer]
    if directories:
        found.insert(0, read_directories(path, directories))
    if not found:
        raise ConfigError(f"{path} has no runs: neither a runs.csv nor run directories (with config.yaml)")
    return found


def is_run(folder: Path) -> bool:
    """Whether a folder is a run directory: begun, finished, or failed before it began."""
    directory = RunDirectory(folder)
    return directory.config.exists() or directory.error.exists()


def read_study(path: Path) -> Source:
    """The runs of a ``runs.csv``, with the ``study.json`` beside it; none of a study that trains nothing."""
    description = read_description(path.parent / "study.json")
    runs = read_rows(path) if path.exists() or description is None else to_frame([], ())
    return Source(path.parent.resolve(), runs, description)


def read_directories(path: Path, folders: list[Path]) -> Source:
    """The runs of run directories."""
    rows, lost, read = [], [], []
    for folder in folders:
        directory = RunDirectory(folder)
        try:
            settings = directory.read_config()
            rows.append(run_row(directory, {}, settings["seed"], science(settings)))
            read.append(folder)
        except FileNotFoundError:
            reason = run_row(directory, {}, 0, {})["error"]
            lost.append(f"{folder.name} failed before its settings were written: {reason}.")
        except Exception as error:  # noqa: BLE001 - a damaged YAML file can fail anywhere
            raise ConfigError(f"{directory.config} is no configuration of a run: {error!r}") from None
    return Source(path.resolve(), to_frame(rows, ()), lost=lost, folders=read)


def combine(sources: list[Source]) -> pd.DataFrame:
    """All runs in one frame: labels, ``study``, seed, numbers, settings; what a source does not know is empty.

    Args:
        sources: where the runs are from. Their folder's name is their study, with as much of the path as it takes
            to tell them apart.
    """
    frames = [source.runs.assign(**{STUDY: name}) for source, name in zip(sources, study_names(sources), strict=True)]
    labels = [STUDY, *dict.fromkeys(label for source in sources for label in source.labels)]
    settings = in_order(key for source in sources for key in setting_columns(source.runs) if key not in labels)
    # Columns of one source that are wholly empty must not decide the type of another's.
    merged = pd.DataFrame([row for frame in frames for row in frame.to_dict("records")])
    numbers = fixed(key for source in sources for key in source.runs if key not in labels)
    merged = merged.reindex(columns=[*labels, *numbers, *settings])
    words = dict.fromkeys([*labels, *settings], "")
    return merged.astype(dict.fromkeys(words, object)).fillna(words)


def study_names(sources: list[Source]) -> list[str]:
    """The shortest ends of the folders' paths that tell them all apart."""
    paths = [source.path for source in sources]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return names
