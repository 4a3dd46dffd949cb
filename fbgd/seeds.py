"""Random streams that depend on nothing but their names and numbers."""

import random
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

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


def stream_names(items: Iterable[object]) -> list[str]:
    """A stream for each item, named by its class; further ones of a class are numbered, so that none share draws."""
    counts: Counter[str] = Counter()
    names = []
    for item in items:
        name = type(item).__name__
        counts[name] += 1
        names.append(name if counts[name] == 1 else f"{name} {counts[name]}")
    return names


def block_key(seed: int, pass_index: int, block: int) -> int:
    """A 62-bit number for one block of one pass, from which layers hash their random masks."""
    key = seed
    for number in (pass_index, block):
        # The finaliser of SplitMix64 (Steele, Lea & Flood 2014) after each number, so that nearby ones part.
        key = (key * 0x9E3779B97F4A7C15 + number + 1) % 2**64
        key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) % 2**64
    return (key ^ (key >> 31)) >> 2


def seed_step(start: int, step: int) -> None:
    """Seed PyTorch's global generators for one training step.

    Whatever optimizer or model draws from them draws the same when a resumed run repeats the step. This is
    ``torch.manual_seed`` without its search for devices, which would cost as much as a small network's step.

    Args:
        start: of the run, the same for all its steps.
        step: from 0.
    """
    # An odd multiplier close to 2^64 / golden ratio spreads consecutive steps over all seeds.
    seed = (start + step * 0x9E3779B97F4A7C15) % 2**63
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@contextmanager
def seeded(start: int) -> Iterator[None]:
    """Seed the generators of torch's CPU, NumPy and Python, and put them back as they were afterwards."""
    with unseeded():
        torch.manual_seed(start)
        random.seed(start)
        np.random.seed(start % 2**32)
        yield


@contextmanager
def unseeded(devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """Put the generators of torch, NumPy and Python back as they were afterwards.

    Args:
        devices: GPUs whose generators are put back too.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
