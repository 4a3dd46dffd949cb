"""What ``report`` does once its options are read."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from fbgd.report.html.data import RecipeOf, Source
from fbgd.report.html.document import document
from fbgd.report.html.serve import HOST, LivePage, make_server
from fbgd.runs.directory import write_atomically


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


def carry_out(arguments: Namespace, recipe_of: RecipeOf) -> int:
    """Write the page that is asked for, or serve it; returns the exit status.

    Args:
        arguments: the options.
        recipe_of: what the code of a study adds to its ``study.json``.
    """
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
