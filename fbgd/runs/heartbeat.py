"""What long work says where no bar can be drawn: a line every so often, with the time that is left."""

import time
from collections.abc import Callable

# Seconds between two lines.
EVERY = 60.0


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> [duration(seconds) for seconds in (0.4, 59, 61, 3660, 90000)]
    ['0 s', '59 s', '1 min', '1 h 1 min', '25 h 0 min']
    """
    if seconds < 60:
        return f"{int(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Heartbeat:
    """Says how far work is, at most every so many seconds.

    Args:
        say: prints a line.
        every: seconds between two lines, and before the first.
        clock: tells the seconds.
        before: the share that was done before; ``None``: that of the first call.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
        before: float | None = None,
    ):
        self.say, self.every, self.clock = say, every, clock
        self.began = self.last = clock()
        self.before = before

    def beat(self, share: float, text: str) -> None:
        """Say a line, if it is time for one.

        Args:
            share: of the work that is done, in [0, 1].
            text: about the work, at the line's end.
        """
        if self.before is None:
            self.before = share
        now = self.clock()
        if now - self.last < self.every:
            return
        self.last = now
        done = share - self.before
        left = f", about {duration((now - self.began) * (1 - share) / done)} left" if done > 0 else ""
        self.say(f"{100 * share:.0f} % after {duration(now - self.began)}{left}: {text}")
