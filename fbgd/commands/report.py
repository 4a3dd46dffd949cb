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

from collections.abc import Sequence

from fbgd.report.html import command
from fbgd.studies.known import recipe_of


def main(words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    return command.main(__doc__, recipe_of, words, prog)
