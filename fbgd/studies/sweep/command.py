"""Every combination of the values of some settings, or a search within ranges, chosen on the validation split.

    python scripts/sweep.py optimizer=sgd,adam,muon regime=sgd,full_batch optimizer.lr=0.03,0.1,0.3 seed=0,1,2
    python scripts/sweep.py optimizer.lr=0.03,0.1,0.3 model=mlp --fresh 5      chosen by 3 seeds, counted with 5 others
    python scripts/sweep.py optimizer.lr=0.1,0.3 optimizer.momentum=0,0.9      two numbers, chosen together
    python scripts/sweep.py optimizer=sgd,adam optimizer.lr=0.1,0.3 --over none          a row for every combination
    python scripts/sweep.py optimizer=sgd,adam 'optimizer.lr=interval(1e-3,1)' --search 20      by Optuna (fbgd[sweep])

Values are those of Hydra's sweeps: key=a,b, key=choice(a,b), key=range(1,4); of a search also key=interval(low,high),
whole numbers as int(interval(8,64)). A range is searched in logarithms where its ends are positive and differ by more
than a factor of ten, or by tag(log,interval(..)); tag(linear,interval(..)) forbids it. seed=0,1,2 are the seeds.

The numbers that are swept are chosen for every combination of the rest, by the mean validation accuracy over the
seeds: one number on a grid as the value nearest the middle of those within one standard error of the best; several
together, or by a search, as the best mean. The table has the test accuracy of what was chosen. Without --fresh the same
seeds choose and count, which favours what they favour. Where no word sets a size of the data, data.validation_size is
that of the studies.

Results go to results/sweep/<keys>_<data>/: runs.csv (every run; with --fresh those that count, and search.csv the
others), table.md, accuracy.png, search.png. A finished run is never computed again, nor by a sweep of the same keys
with other values; an interrupted sweep or search goes on by the same command, and a larger --search N continues it.
"""

import argparse
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.report.compare import parse_pairs
from fbgd.studies.arguments import COMMON, make_parser
from fbgd.studies.command import execute, reported
from fbgd.studies.given import DATA
from fbgd.studies.presets import VALIDATION
from fbgd.studies.study import Study
from fbgd.studies.sweep.choice import METRICS
from fbgd.studies.sweep.grammar import read_words
from fbgd.studies.sweep.study import Settings, Sweeping, make_sweep

SIZES = ("data.validation_size", "data.train_size", "data.source.train")


def main(words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line of a sweep; returns the exit status."""
    arguments = make_sweep_parser(prog).parse_intermixed_args(words)

    def run() -> int:
        study = read_sweep(arguments)
        if arguments.list and isinstance(study.execute, Sweeping) and study.execute.search is not None:
            for axis in study.execute.search.axes:
                print(f"{axis.key}: {axis.range or ', '.join(axis.values)}, {arguments.search} trials a setting")
        return execute(study, of_study(arguments))

    return reported(run)


def of_study(arguments: Namespace) -> Namespace:
    """The options that every study has, of those of a sweep, whose words are in its study."""
    common = {name: getattr(arguments, name) for name in COMMON - {"figure"}}
    return Namespace(**common | {"overrides": []})


def make_sweep_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The options of a sweep, and those of every study."""
    parser = make_parser([], __doc__, prog)
    parser.add_argument(
        "--select", default=METRICS[0], metavar="METRIC", help=f"{', '.join(METRICS)} (default: {METRICS[0]})"
    )
    parser.add_argument(
        "--over", metavar="KEY[,KEY]", help="the keys whose values are chosen (default: those of numbers), or none"
    )
    parser.add_argument("--fresh", type=int, default=0, metavar="N", help="run what was chosen with N further seeds")
    parser.add_argument("--baseline", metavar="KEY=VALUE", help="the row that differences are taken to")
    parser.add_argument("--search", type=int, default=0, metavar="N", help="search ranges with N trials a setting")
    parser.add_argument("--search-seed", type=int, default=0, metavar="S", help="of the search (default: 0)")
    return parser


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
