"""A worker that starts no process: it ends as it is told to."""

import os
from typing import ClassVar


class ScriptedWorker:
    """A worker whose jobs end as they are told to."""

    ends: ClassVar[list] = []
    made: ClassVar[list] = []

    def __init__(self, threads=1, device=None, apart=False):
        self.made.append(self)
        self.apart, self.stopped, self.closed = apart, False, False

    def execute(self, job, on_message, limit=None):
        on_message({"run": 0, "row": {"step": 1}, "steps": 2})
        ending = self.ends.pop(0) if self.ends else None
        if isinstance(ending, int):
            os.kill(os.getpid(), ending)
        return ending

    def stop(self):
        self.stopped = True

    def dismiss(self):
        pass

    def close(self):
        self.closed = True
