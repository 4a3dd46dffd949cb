"""One table of any runs: of a study, of several next to each other, of runs that you made by hand.

    python scripts/compare.py results/geiping_ladder/mnist1d                      the study's own table
    python scripts/compare.py results/geiping_ladder/mnist1d results/geiping_ladder/fashion_mnist
                                                                                  two studies side by side
    python scripts/compare.py runs                                                every run below this folder
    python scripts/compare.py runs --by optimizer,regime --baseline optimizer=SGD
                                            each optimizer against SGD in the same regime
    python scripts/compare.py runs --by optimizer --across regime                 a column for SGD, one for full batch
    python scripts/compare.py results/geiping_ladder/mnist1d --where 'rung!=Baseline FB' --sort -mean
    python scripts/compare.py results/geiping_ladder/mnist1d --by regularizer --where schedule.warmup=28
    python scripts/compare.py results/geiping_ladder/mnist1d --metric test_loss,test_accuracy
    python scripts/compare.py results/minima/mnist1d --metric gap_accuracy,test_accuracy     training minus test
    python scripts/compare.py results/geiping_ladder/mnist1d --format latex --out table.tex
    python scripts/compare.py runs --by optimizer --best optimizer.lr     each with its best rate, on validation data
    python scripts/compare.py results/geiping_ladder --aggregate --figure profiles.png
                                  a row a rung over all its data sets: interquartile mean, probability of improvement

DIR is a run directory, a folder of run directories (searched at any depth), a study's results folder, or a runs.csv
itself. KEY is a label of the study (rung), a dotted setting (optimizer.lr, regime.block_size), or a short name:
study, optimizer, regime, model, data, schedule, regularizer. Under the table stands which runs diverged, failed or are
not finished, and in which settings the compared runs also differ. Takes seconds; runs nothing.
"""

import argparse
import sys
from pathlib import Path

from fbgd.errors import EXPECTED, one_line
from fbgd.programs import make_parser

RUNS = Path("runs")
FORMATS = ("terminal", "md", "csv", "latex", "html")


def make_compare_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The options."""
    parser = make_parser(__doc__, prog)
    parser.add_argument(
        "paths", nargs="*", default=[RUNS], type=Path, metavar="DIR", help="where the runs are (default: runs)"
    )
    parser.add_argument(
        "--by",
        metavar="KEY[,KEY]",
        help="a row for each combination of these (default: the study's labels; without any, the settings that differ)",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE]",
        help="only these runs; KEY!=VALUE: all others; may be repeated",
    )
    parser.add_argument(
        "--metric",
        metavar="NAME[,NAME]",
        help="what to compare (default: the study's, else test_accuracy); of several the first, the others beside it; "
        "also gap_accuracy and gap_loss",
    )
    parser.add_argument(
        "--best",
        metavar="KEY",
        help="a row has of this setting, optimizer.lr, the value with the best mean on validation data",
    )
    parser.add_argument(
        "--sort", metavar="COLUMN", help="mean, or any column of the table; --sort=-mean: from large to small"
    )
    parser.add_argument(
        "--baseline",
        metavar="KEY=VALUE[,KEY=VALUE]",
        help="the row that differences are taken to (default: the study's, else none). Some of several keys: the row "
        "with these values and the same others",
    )
    parser.add_argument(
        "--across",
        metavar="KEY",
        help="put the values of KEY side by side, and all others against the first, or against the baseline KEY=VALUE "
        "(default for two studies with the same labels: study)",
    )
    parser.add_argument(
        "--aggregate", action="store_true", help="one table over two or more studies instead of a table of each"
    )
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help="with --aggregate: also draw the profiles, as .png, .pdf or .svg"
    )
    parser.add_argument("--format", default="terminal", metavar="|".join(FORMATS), help="(default: terminal)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    parser.add_argument(
        "--rewrite",
        action="store_true",
        help="make table.csv, table.md, claims.csv of studies anew in place",
    )
    return parser


def main(words: list[str] | None = None, prog: str | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    # A leading dash of a column is no option.
    words = sys.argv[1:] if words is None else list(words)
    for index in range(len(words) - 1, 0, -1):
        if words[index - 1] == "--sort":
            words[index - 1 : index + 1] = [f"--sort={words[index]}"]
    arguments = make_compare_parser(prog).parse_args(words)
    # What reads tables takes seconds to import, and the help needs none of it.
    from fbgd.commands.comparison import carry_out

    try:
        carry_out(arguments)
    except EXPECTED as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0
