"""One interactive page of any studies: claims, table, curves, settings, notes and figures in a single file.

    python scripts/report.py results/geiping_ladder/mnist1d                       report.html: open it in any browser
    python scripts/report.py results/geiping_ladder/mnist1d results/fair_ladder/mnist1d --out ladders.html
                                                                                  several, one below the other
    python scripts/report.py results/geiping_ladder/mnist1d --watch               live at http://127.0.0.1:8000/
    python scripts/report.py mine/my_study --watch --port 9000                    of a study that is still running

FOLDER is what a study wrote: study.json, runs.csv and the rest. The page needs no network and no server; it can be sent
as it is. It shows the claims with their verdicts, the validation table (click a header to sort, type to filter, copy as
CSV, LaTeX or Markdown), curves over passes, in which settings two rows differ, notes and figures.

Curves come from the run directories, in the folder's own runs/ or in the runs/ beside it; where these are not, from
measurements.csv if a study has it. With --watch the page is made anew whenever the files change and shows how far the
running runs are; a study's folder is there only when it ends, so name the one that it will write. Takes seconds; runs
nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from fbgd.programs import make_parser

OUT = Path("report.html")


def make_report_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The options."""
    parser = make_parser(__doc__, prog)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a study's folder, one or several")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help="the page (default: %(default)s)")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="serve a live page on this machine instead of writing a file, also of studies that have not ended yet",
    )
    parser.add_argument(
        "--port", type=int, default=8000, metavar="N", help="of the live page (default: %(default)s; 0: any free one)"
    )
    return parser


def main(words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    arguments = make_report_parser(prog).parse_args(words)
    # What makes pages takes seconds to import, and the help needs none of it.
    from fbgd.report.html.command import carry_out
    from fbgd.studies.known import recipe_of

    return carry_out(arguments, recipe_of)
