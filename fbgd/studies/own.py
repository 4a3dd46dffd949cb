"""Studies of users' files: read, and checked before anything runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.config.schema import Config
from fbgd.errors import ConfigError, nearest
from fbgd.runs.rows import MEASURED, REGRESSION
from fbgd.studies import BUILT_IN
from fbgd.studies.places import Place, read_mapping
from fbgd.studies.study import Study
from fbgd.studies.study_content import make_study, number_word


def read_study(path: Path) -> Study:
    """The study in a file; its words are not composed yet.

    Raises:
        ConfigError: anything is wrong with the file.
    """
    return define(path.stem, read_mapping(path), str(path))


def define(name: str, content: Mapping[str, Any], file: str) -> Study:
    """The study that the content of a file defines; its words are not composed yet.

    Raises:
        ConfigError: anything is wrong with it, or its results would go to the folder of other studies.
    """
    if name in {"quick", "sweep", *(key.split("/")[0] for key in BUILT_IN)}:
        raise ConfigError(f"{file}: results/{name}/ is of other studies; rename the file")
    return make_study(name, content, file)


def check_rungs(study: Study, file: str) -> None:
    """Raise :class:`ConfigError` unless the words of every rung make a run, and validation data is there to tune by."""
    (preset,) = study.presets.values()
    for rung in preset.rungs:
        here = Place(file, ("rungs", rung.name), None)
        config = checked(here, rung.overrides)
        check_metric(Place(file, ("metric",), None), study.metric, config)
        for key, grids in preset.grids.items():
            grid = grids.get(rung.name, ())
            # Whatever is in range at both ends is between them.
            for value in dict.fromkeys([*grid[:1], *grid[-1:]]):
                checked(Place(file, ("tune", rung.name), None), (*rung.overrides, *number_word(key)(rung.name, value)))
            if len(grid) > 1 and not config.data.validation_size:
                need = "is tuned on validation data, and there is none; add data.validation_size=500, say"
                raise here.wrong(f"{key} {need}")


def check_metric(place: Place, column: str, config: Config) -> None:
    """Raise :class:`ConfigError` unless a run has the compared column."""
    if column not in (*MEASURED, *REGRESSION):
        name = column.partition("/")[0].partition("_")[2]
        if name not in config.metric:
            raise place.wrong(f"{column!r}: the run has no metric {name!r}; {nearest(name, config.metric)}")


def checked(place: Place, words: Iterable[str]) -> Config:
    """The configuration that words make, checked; what is wrong with it is said of the place."""
    try:
        config = compose(words)
        check(config)
    except ValueError as error:
        raise place.wrong(error) from None
    return config
