"""Ctrl-C and SIGTERM: training stops after its step with a checkpoint, everything else at once with one line."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ASKING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Asked to end by a signal.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


def exit_status(interruption: KeyboardInterrupt) -> int:
    """What a shell calls the end by a signal: 130 after Ctrl-C, 143 after SIGTERM.

    >>> exit_status(Interrupted(signal.SIGTERM)), exit_status(KeyboardInterrupt())
    (143, 130)
    """
    return 128 + getattr(interruption, "number", signal.SIGINT)


class StopRequest:
    """Remembers the signal that asks a training to stop; called before every step, it says whether one did.

    Outside the steps a signal is an :class:`Interrupted` at once, and so is a second one, unless this is ``patient``:
    then somebody else ends a process that takes too long.

    Args:
        patient: whether a second signal changes nothing.
    """

    def __init__(self, patient: bool = False):
        self.patient = patient
        self.number = 0
        self.steps = 0
        self.stepping = False

    def __call__(self) -> bool:
        """Whether to stop; said before a step."""
        self.stepping = True
        self.steps += 1
        return bool(self.number)

    def check(self) -> None:
        """Raise :class:`Interrupted` if there was a signal: whoever trained has saved by then."""
        self.stepping = False
        if self.number:
            raise Interrupted(self.number)

    def hear(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal."""
        again, self.number = bool(self.number), number
        at_once = not self.patient if again else not self.stepping
        if at_once:
            raise Interrupted(number)


@contextmanager
def heard_by(handler: Any, numbers: tuple[int, ...] = ASKING) -> Iterator[None]:
    """Let ``handler`` hear these signals; outside the main thread, where Python takes none, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def interrupt(number: int, frame: FrameType | None = None) -> None:
    """Handle a signal by an exception."""
    raise Interrupted(number)
