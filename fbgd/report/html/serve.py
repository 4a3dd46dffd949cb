"""A live page on this machine: made anew when the files of its folders change."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from fbgd.report.html.document import problem_document
from fbgd.report.html.pool import pools

HOST = "127.0.0.1"
# What a study writes, and what its runs do.
OF_STUDY = ("*.json", "*.csv", "*.png")
OF_RUNS = ("*/metrics.csv", "*/summary.json", "*/error.txt", "*/config.yaml")


def watched(folder: Path) -> Iterator[Path]:
    """The files that a folder's page depends on."""
    for pattern in OF_STUDY:
        yield from folder.glob(pattern)
    for pool in pools(folder):
        for pattern in OF_RUNS:
            yield from pool.glob(pattern)


def version_of(folders: Sequence[Path]) -> str:
    """A word that changes when any file of these folders does."""
    states = []
    for path in sorted({path for folder in folders for path in watched(folder)}):
        try:
            state = path.stat()
        except FileNotFoundError:
            # It was replaced just now; the next look sees what it became.
            continue
        states.append(f"{path}\0{state.st_mtime_ns}\0{state.st_size}")
    return hashlib.sha256("\n".join(states).encode()).hexdigest()[:16]


class LivePage:
    """The page of some folders, made when it is asked for and the files have changed.

    Args:
        folders: of studies.
        make: from a version to the page.
    """

    def __init__(self, folders: Sequence[Path], make: Callable[[str], str]):
        self.folders = folders
        self.make = make
        self.version = ""
        self.page = ""
        self.lock = threading.Lock()

    def read(self) -> str:
        """The page of the files as they are now; one that says what is wrong where there is none."""
        with self.lock:
            if (version := version_of(self.folders)) != self.version:
                try:
                    self.page = self.make(version)
                except (ValueError, OSError) as error:
                    self.page = problem_document(str(error), version)
                self.version = version
            return self.page


def make_server(page: LivePage, port: int) -> ThreadingHTTPServer:
    """A server of this page for this machine alone.

    Args:
        page: what it serves.
        port: where; 0 for any that is free.

    Raises:
        ValueError: the port is taken, or is none.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answers the page and its version, to requests that name this machine only."""

        def do_GET(self):
            """The page at ``/``, the version of its files at ``/version``."""
            name = self.headers.get("Host", "").rpartition(":")[0]
            # A page of another site whose name leads here must not read this one.
            if name not in ("localhost", HOST):
                self.answer(403, "only for localhost", "text/plain")
            elif self.path == "/":
                self.answer(200, page.read(), "text/html")
            elif self.path == "/version":
                self.answer(200, version_of(page.folders), "text/plain")
            else:
                self.answer(404, "there is / alone", "text/plain")

        def answer(self, status: int, text: str, kind: str) -> None:
            """Send a text."""
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            """Nothing: a page that asks every two seconds would fill the terminal."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise ValueError(f"--port {port} cannot be used: {error}; choose another from 1024 to 65535") from None
