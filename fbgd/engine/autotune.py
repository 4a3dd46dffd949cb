"""How many blocks to evaluate at a time: measured, not guessed."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.gradient import MeanGradient

# Enough predictions a call to fill a CPU's vector units on small models; more only costs memory.
PREDICTIONS_PER_CALL = (256, 1024, 4096)
# Every block of a call has a gradient of its own; their bytes together stay below this.
GRADIENT_BYTES = 2**30


def choose_blocks_per_call(
    make: Callable[[int], MeanGradient], params: list[Tensor], blocks: StepBlocks, device: torch.device
) -> int:
    """The number of blocks per call that evaluates the fastest on the first blocks of a step.

    Candidates are 1 and the numbers that make calls of about 256, 1024 and 4096 predictions, of samples or of the
    positions of sequences, as far as memory allows; each is run once to warm up and timed twice, the better time
    counting. The search goes upwards and ends at a candidate that is clearly slower than the best, or for which memory
    runs out. Nothing of a run's state changes.

    Args:
        make: a number of blocks per call to the mean gradient with it.
        params: where the gradient is taken.
        blocks: a step's blocks; a step of one block needs no choice.
        device: waited for before a clock is read.
    """
    size = len(blocks.indices[0]) * blocks.data.samples.targets[0].numel()
    fitting = max(1, GRADIENT_BYTES // sum(param.numel() * param.element_size() for param in params))
    most = min(len(blocks), fitting)
    candidates = sorted({1} | {min(most, max(1, round(wanted / size))) for wanted in PREDICTIONS_PER_CALL})
    if len(candidates) == 1:
        return 1
    sample = replace(blocks, indices=blocks.indices[: candidates[-1]])

    def seconds(count: int) -> float:
        gradient = make(count)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            gradient(params, sample, 0.0)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - start)
        return min(times[1:])

    best, fastest = 1, float("inf")
    for count in candidates:
        try:
            time_taken = seconds(count)
        except (torch.OutOfMemoryError, MemoryError):
            break
        if time_taken < fastest:
            best, fastest = count, time_taken
        elif time_taken > 1.2 * fastest:
            break
    return best
