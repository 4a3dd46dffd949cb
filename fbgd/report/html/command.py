"""The command line of the report."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fbgd.programs import make_parser
from fbgd.report.html.data import RecipeOf, Source
from fbgd.report.html.document import document
from fbgd.report.html.serve import HOST, LivePage, make_server
from fbgd.runs.directory import write_atomically

OUT = Path("report.html")


def make_report_parser(about: str, prog: str | None = None) -> argparse.ArgumentParser:
    """The options."""
    parser = make_parser(about, prog)
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


def make(folders: Sequence[Path], recipe_of: RecipeOf, version: str = "") -> str:
    """The page of some folders.

    Args:
        folders: of studies.
        recipe_of: what the code of a study adds to its ``study.json``.
        version: of the files, for a live page; empty for one that stays.

    Raises:
        ValueError: one is the folder of no study, or a file in it is damaged.
    """
    return document([Source(folder, recipe_of, live=bool(version)).read() for folder in folders], version)


def main(about: str, recipe_of: RecipeOf, words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line ``words``; returns the exit status.

    Args:
        about: the help.
        recipe_of: what the code of a study adds to its ``study.json``.
        words: of the command line.
        prog: what the program is called; ``None``: by its script.
    """
    arguments = make_report_parser(about, prog).parse_args(words)
    folders = list(dict.fromkeys(arguments.folders))
    try:
        if arguments.watch:
            return serve(folders, recipe_of, arguments.port)
        content = make(folders, recipe_of)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(arguments.out, content)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Written to {arguments.out} ({len(content.encode()) / 1e6:.1f} MB): open it in any browser")
    return 0


def serve(folders: Sequence[Path], recipe_of: RecipeOf, port: int) -> int:
    """Serve a live page until Ctrl+C."""
    page = LivePage(folders, lambda version: make(folders, recipe_of, version))
    with make_server(page, port) as server:
        try:
            print(f"Live at http://{HOST}:{server.server_address[1]}/ until Ctrl+C", flush=True)
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
