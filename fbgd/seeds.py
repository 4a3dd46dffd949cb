"""Random streams that depend on nothing but their names and numbers."""

import zlib

import numpy as np
import torch


def generator(seed: int, stream: str, *index: int) -> torch.Generator:
    """A CPU generator for one draw, determined by ``(seed, stream, *index)`` alone.

    Draws made this way are the same whatever was drawn before, so a resumed run, another vectorisation or another
    worker sees the same numbers, and no generator state has to be saved.

    Args:
        seed: the run's or the data set's seed, at least 0.
        stream: what is drawn, for example ``"order"``; distinct names give independent streams.
        index: further integers, for example the pass and the block, each at least 0.
    """
    entropy = [seed, zlib.crc32(stream.encode()), *index]
    state = np.random.SeedSequence(entropy).generate_state(2, np.uint32)
    return torch.Generator().manual_seed((int(state[0]) << 31) ^ int(state[1]))
