"""The time that work takes, on any device."""

import time
from collections.abc import Callable

import torch


def fastest(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The shortest seconds of ``repeats`` calls, after one that does not count; a GPU's work is waited for.

    Args:
        work: called without arguments.
        device: that it runs on.
        repeats: at least one.
    """
    seconds = []
    for _ in range(1 + repeats):
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
