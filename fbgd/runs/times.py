"""Times as people write them."""

import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(word: str) -> float | None:
    """A time in seconds from a number above 0 and its unit; ``None``: it is none.

    >>> seconds_of("90s"), seconds_of("1.5h"), seconds_of("2d"), seconds_of("0s"), seconds_of("soon")
    (90.0, 5400.0, 172800.0, None, None)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", word)
    return float(match[1]) * UNITS[match[2]] if match is not None and float(match[1]) else None
