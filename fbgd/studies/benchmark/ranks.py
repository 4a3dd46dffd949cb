"""A full-batch step on several processes of one thread each, against one such process.

python -m fbgd.studies.benchmark.ranks [--quick] [--ranks N]    what was measured, as a line of JSON
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
import torch.distributed as dist

from fbgd.engine.gradient import MeanGradient
from fbgd.engine.objective import classification
from fbgd.engine.ranks import ALONE, RankGroup, Ranks
from fbgd.models import ResNet
from fbgd.studies.benchmark.ratio import LR, Ratio, detached, random_samples, source_of
from optimizers import SGD

# Not __name__, which is another one where this file is the program.
MODULE = "fbgd.studies.benchmark.ranks"
BLOCK_SIZE = 32
# Equal-sized blocks a call, of one rank and of several.
BLOCKS_PER_CALL = 5
AIM = 0.6


@dataclass(frozen=True)
class Measured:
    """Best seconds, measured in turns in the same processes.

    Args:
        ranks: processes.
        blocks: of the step.
        parameters: of the model.
        alone: of the step on one rank, while the others sleep.
        fewer: of a step of a fifth of the blocks on one rank.
        strong: of the step, dealt.
        weak: of a step of so many times the blocks, dealt.
        spread: standard deviation of the seconds of a block on one rank, as a share of the mean.
        sizes: bytes of all-reduces.
        all_reduces: their seconds.
    """

    ranks: int
    blocks: int
    parameters: int
    alone: float
    fewer: float
    strong: float
    weak: float
    spread: float
    sizes: list[int]
    all_reduces: list[float]


def two_ranks(quick: bool) -> Ratio:
    """Two ranks against one, each of one thread: half the time would be all that can be had."""
    measured = measured_on(2, quick)
    value = measured.strong / measured.alone
    note = (
        f"MNIST-1D shape, ResNet-8, {measured.blocks} blocks of {BLOCK_SIZE}, {BLOCKS_PER_CALL} a call, one thread a "
        "rank, gloo; gradient, all-reduce and step of SGD"
    )
    name = "full-batch step, 2 ranks / 1 rank"
    return Ratio(name, value, f"<= {AIM}", value <= AIM, note, (measured.strong, measured.alone))


def measured_on(ranks: int, quick: bool) -> Measured:
    """Start ``ranks`` processes by torchrun, and return what they measured.

    Raises:
        RuntimeError: one failed; with the end of what it said.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    words = ["-m", MODULE, *(["--quick"] if quick else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([*launcher, *words], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{ranks} ranks could not be measured: {done.stderr[-1000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


class Step:
    """A full-batch step of a small convolutional network, which can be taken on any ranks.

    Args:
        blocks: how many.
    """

    def __init__(self, blocks: int):
        torch.manual_seed(0)
        self.model = ResNet((1, 40), 10, depth=8, width=8)
        self.source = source_of(random_samples(BLOCK_SIZE * blocks, (1, 40)), BLOCK_SIZE)
        self.gradient = MeanGradient(classification(self.model), (), BLOCKS_PER_CALL)
        self.optimizer = SGD(self.model.parameters(), lr=1e-3, momentum=0.9)

    def take(self, ranks: Ranks) -> None:
        """Take the step."""
        self.gradient.ranks = ranks
        gradient = self.gradient(detached(self.model), self.source.step(0), LR).gradient
        for param, entry in zip(self.model.parameters(), gradient, strict=True):
            param.grad = entry
        self.optimizer.step()


def timed(work: Callable[[], object]) -> float:
    """Seconds from when all ranks are ready; a rank that has nothing to do sleeps at the next call."""
    dist.barrier()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(ranks: Ranks, quick: bool) -> Measured:
    """What this process, with the others, measures; the numbers of rank 0 count."""
    blocks, repeats = (10, 1) if quick else (125, 9)
    whole, few, many = Step(blocks), Step(blocks // 5), Step(blocks * ranks.count)
    sizes = [4 * count for count in ((10, 1000) if quick else (1000, 10_000, 100_000, 1_000_000, 10_000_000))]
    buffers = [torch.zeros(size // 4) for size in sizes]

    def alone(step: Step) -> None:
        if ranks.first:
            step.take(ALONE)

    works: list[Callable[[], object]] = [
        lambda: alone(whole),
        lambda: alone(few),
        lambda: whole.take(ranks),
        lambda: many.take(ranks),
        *(lambda buffer=buffer: dist.all_reduce(buffer) for buffer in buffers),
    ]
    times: list[list[float]] = [[] for _ in works]
    # The first round is for warming up.
    for turn in range(repeats + 1):
        for held, work in zip(times, works, strict=True):
            seconds = timed(work)
            if turn:
                held.append(seconds)
    best = [min(held) for held in times]
    calls = torch.tensor(times[0], dtype=torch.float64)
    # Of a whole step's seconds; those of independent blocks vary by so much more as a root of their number.
    spread = float(calls.std(correction=0) / calls.mean()) * blocks**0.5
    parameters = sum(param.numel() for param in whole.model.parameters())
    return Measured(
        ranks=ranks.count,
        blocks=blocks,
        parameters=parameters,
        alone=best[0],
        fewer=best[1],
        strong=best[2],
        weak=best[3],
        spread=spread,
        sizes=sizes,
        all_reduces=best[4:],
    )


def main(words: list[str] | None = None) -> None:
    """Measure as one of several processes, or start them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--ranks", type=int, default=2)
    arguments = parser.parse_args(words)
    if "RANK" not in os.environ:
        print(json.dumps(asdict(measured_on(arguments.ranks, arguments.quick))))
        return
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    measured = measure(RankGroup(rank, dist.get_world_size()), arguments.quick)
    if rank == 0:
        print(json.dumps(asdict(measured)))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
