"""What a job says while it runs, where both sides see the same disk: lines of JSON at the end of a file."""

import json
import os
from pathlib import Path


class Writer:
    """Appends messages to a file; a job that was cut off and goes on appends to what it said before."""

    def __init__(self, path: Path | str):
        self.path = path
        # A line that was cut off must not swallow the next one.
        self._append("\n")

    def send(self, **message: object) -> None:
        """Say something."""
        self._append(json.dumps(message) + "\n")

    def _append(self, text: str) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


class Reader:
    """Reads the messages of a file that grows, each once."""

    def __init__(self, path: Path | str):
        self.path = path
        self.offset = 0

    def read(self) -> list[dict]:
        """The messages since the last call; a line without an end is left for the next one."""
        try:
            # Opened anew each time: only then does a network drive look for what is new.
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                content = file.read()
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self.offset += len(whole)
        return [message for line in whole.splitlines() if (message := parsed(line)) is not None]


def parsed(line: bytes) -> dict | None:
    """The message of a line; ``None``: it was cut off, or is empty."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
