"""Which GPU a worker sees: the workers of a study are dealt evenly over those of this computer."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

# By which CUDA is told what GPUs there are; a process that sees one calls it cuda:0.
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_devices(count: int, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The words for the GPUs that this process may use, as :data:`VISIBLE` takes them.

    Where the variable is set, as by a cluster that lends some of a computer's GPUs, its own words are kept: they may be
    numbers or names.

    Args:
        count: of the GPUs that are seen.
        environment: with the variable, or without.

    >>> visible_devices(2, {}), visible_devices(2, {"CUDA_VISIBLE_DEVICES": "5,GPU-3f1c"}), visible_devices(0, {})
    (('0', '1'), ('5', 'GPU-3f1c'), ())
    """
    words = [word.strip() for word in environment.get(VISIBLE, "").split(",") if word.strip()]
    # Words after the first that names nothing are not seen.
    return tuple(words[:count]) if words else tuple(map(str, range(count)))


def device_for(devices: Sequence[str], taken: Iterable[str | None]) -> str | None:
    """The GPU that the fewest workers have, the first of several; ``None`` where there are none.

    Args:
        devices: the words of all GPUs.
        taken: those of the workers that are there.

    >>> device_for(["0", "1"], []), device_for(["0", "1"], ["0"]), device_for(["0", "1"], ["0", "1", "0"])
    ('0', '1', '1')
    """
    counts = Counter(taken)
    return min(devices, key=lambda word: counts[word], default=None)
