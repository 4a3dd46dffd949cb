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
from collections.abc import Sequence

from fbgd.studies.arguments import make_parser
from fbgd.studies.sweep.metrics import METRICS


def main(words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line of a sweep; returns the exit status."""
    arguments = make_sweep_parser(prog).parse_intermixed_args(words)
    # What runs sweeps takes seconds to import, and the help needs none of it.
    from fbgd.studies.command import reported
    from fbgd.studies.sweep.request import execute_sweep

    return reported(lambda: execute_sweep(arguments))


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
