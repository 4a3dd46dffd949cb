"""A study of your own in a YAML file, with the options, checks, page and figures of the built-in ones.

    python scripts/study.py my_study.yaml                  all rungs with all seeds
    python scripts/study.py my_study.yaml --list           every setting; runs nothing
    python scripts/study.py my_study.yaml --quick          tiny sizes, to see that everything runs
    python scripts/study.py my_study.yaml --seeds 5 --only baseline model.width=16
    python scripts/study.py my_study.yaml --help           the options, and what the study is

The file (docs/examples/my_ladder.yaml is one):

    title: My ladder
    words: [data=mnist1d, data.validation_size=500, budget.passes=30]     of all rungs
    rungs:
      SGD: [regime=sgd]
      full batch: [regime=full_batch]
      clipped: [regime=full_batch, "regularizer=[gradient_clipping]"]

and, as you like,

    seeds: 5                                              so many (default 3)
    baseline: SGD                                         the rung that differences are taken to
    metric: test_loss                                     what is compared (default test_accuracy)
    figures: [ladder.png]                                 of ladder.png, curves.png, search.png (default: all)
    tune: {optimizer.lr: [0.1, 0.3, 1]}                   by every seed of a rung, on the validation split, or
    tune: {optimizer.lr: {clipped: [0.3, 1, 3]}}          for some rungs only; several settings one after another
    claims: [{name: ..., sentence: ..., left: clipped, right: full batch, rule: higher}]
                                                          rules: higher, lower, "within 1"; of left minus right

A rung may also be {words: [...], labels: {ingredient: clipping, training: SGD}}; then baseline, left and right may be
labels too, and across: training puts SGD and full batch side by side.

Results go to results/<name of the file>/<data>/. A finished run is never computed again, an interrupted one resumes.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.config.schema import Config
from fbgd.errors import ConfigError, nearest
from fbgd.runs.rows import MEASURED, REGRESSION
from fbgd.studies import BUILT_IN
from fbgd.studies.arguments import make_parser
from fbgd.studies.command import main as run_study
from fbgd.studies.command import reported
from fbgd.studies.places import Place, read_mapping
from fbgd.studies.study import Study
from fbgd.studies.study_content import make_study, number_word


def main(words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line of a study file; returns the exit status."""
    words = list(sys.argv[1:] if words is None else words)
    path = next((word for word in words if re.fullmatch(r"[^-=][^=]*\.ya?ml", word)), None)
    if path is None and {"-h", "--help"} & set(words):
        parser = make_parser([], __doc__, prog)
        parser.usage = "%(prog)s FILE.yaml [options] [key=value ...]"
        parser.print_help()
        return 0

    def run() -> int:
        if path is None:
            raise ConfigError("name the file of a study, as docs/examples/my_ladder.yaml; --help shows what is in it")
        study = read_study(Path(path))
        check_rungs(study, path)
        words.remove(path)
        return run_study(study, words, prog=prog)

    return reported(run)


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
