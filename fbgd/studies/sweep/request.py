"""What the words and options of a sweep mean: its study, and its run."""

from argparse import Namespace
from dataclasses import asdict

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.report.compare import parse_pairs
from fbgd.studies.arguments import COMMON
from fbgd.studies.command import execute
from fbgd.studies.given import DATA
from fbgd.studies.presets import VALIDATION
from fbgd.studies.study import Study
from fbgd.studies.sweep.grammar import read_words
from fbgd.studies.sweep.study import Settings, Sweeping, make_sweep

SIZES = ("data.validation_size", "data.train_size", "data.source.train")


def execute_sweep(arguments: Namespace) -> int:
    """Run the sweep that a command line asks for; returns the exit status.

    Raises:
        ConfigError: as :func:`read_sweep`.
    """
    study = read_sweep(arguments)
    if arguments.list and isinstance(study.execute, Sweeping) and study.execute.search is not None:
        for axis in study.execute.search.axes:
            print(f"{axis.key}: {axis.range or ', '.join(axis.values)}, {arguments.search} trials a setting")
    return execute(study, of_study(arguments))


def of_study(arguments: Namespace) -> Namespace:
    """The options that every study has, of those of a sweep, whose words are in its study."""
    common = {name: getattr(arguments, name) for name in COMMON - {"figure"}}
    return Namespace(**common | {"overrides": []})


def read_sweep(arguments: Namespace) -> Study:
    """The study that a command line asks for.

    Raises:
        ConfigError: a word or an option is wrong, or a combination of values is no configuration.
    """
    words = tuple(arguments.overrides)
    swept = read_words(words)
    if swept.seeds and arguments.seeds is not None:
        raise ConfigError(f"--seeds {arguments.seeds}: seed=... says the seeds already; leave one of them out")
    over = None if arguments.over is None else tuple(arguments.over.split(",")) if arguments.over != "none" else ()
    data = {word.key: word.value for word in swept.fixed}.get("data", DATA)
    sizes = [word for word in words if word.split("=")[0] in SIZES]
    if not sizes and data in VALIDATION and not any(axis.key == "data" for axis in swept.axes):
        words = (f"data.validation_size={VALIDATION[data]}", *words)
    baseline = parse_pairs(arguments.baseline)
    labels = {axis.key: axis.label for axis in swept.axes}
    settings = Settings(
        words,
        arguments.select,
        over,
        arguments.fresh,
        arguments.search,
        arguments.search_seed,
        {labels.get(key, key): value for key, value in baseline.items()},
    )
    study = make_sweep(asdict(settings))
    for preset in study.presets.values():
        for rung in preset.rungs:
            try:
                compose(rung.overrides)
            except ConfigError as error:
                raise ConfigError(f"{rung.name}: {error}") from None
    return study
