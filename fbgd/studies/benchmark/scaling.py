"""How time and memory of a step grow with the number of samples.

python -m fbgd.studies.benchmark.scaling COUNT    the peak memory of a step on COUNT samples, in bytes
"""

import subprocess
import sys
from pathlib import Path

from fbgd.engine.gradient import MeanGradient
from fbgd.engine.objective import classification
from fbgd.models import ResNet
from fbgd.studies.benchmark.ratio import LR, Ratio, detached, random_samples, side_by_side, source_of
from regularizers import GradientPenalty


def linear_in_samples(quick: bool) -> Ratio:
    """Time of a step with eight times the samples."""
    model = ResNet((1, 40), 10, depth=8, width=8)
    engine = MeanGradient(classification(model), (GradientPenalty(),), blocks_per_call=32)
    small, large = (source_of(random_samples(count, (1, 40)), 32) for count in ((64, 512) if quick else (1024, 8192)))
    more, less = side_by_side(
        lambda: engine(detached(model), large.step(0), LR),
        lambda: engine(detached(model), small.step(0), LR),
        1 if quick else 5,
    )
    note = f"penalised steps on {len(large.data)} and {len(small.data)} samples"
    return Ratio("time of a step, 8x the samples", more / less, "<= 8.5", more / less <= 8.5, note, (more, less))


def memory_in_samples(quick: bool) -> Ratio:
    """Memory that a step needs beyond its data, with eight times the samples; either side in a process of its own.

    It reads Linux's /proc.
    """
    counts = (64, 512) if quick else (1024, 8192)
    less, more = (
        int(subprocess.run([sys.executable, "-m", __name__, str(count)], capture_output=True, check=True).stdout)
        for count in counts
    )
    note = (
        f"peak beyond the data: {more / 2**20:.0f} MiB at {counts[1]} and {less / 2**20:.0f} MiB at {counts[0]} images "
        "of 28 x 28; only the data itself grows"
    )
    return Ratio("memory of a step, 8x the samples", more / less, "<= 1.1", more / less <= 1.1, note, (more, less))


def peak_of_a_step(count: int) -> int:
    """Bytes by which a penalised step on ``count`` images raises the process's peak memory."""
    model = ResNet((1, 28, 28), 10, depth=8, width=8)
    engine = MeanGradient(classification(model), (GradientPenalty(),), blocks_per_call=4)
    # What libraries allocate on first use is no part of a step.
    engine(detached(model), source_of(random_samples(8, (1, 28, 28)), 1).step(0), LR)
    source = source_of(random_samples(count, (1, 28, 28)), 32)
    # Linux forgets the peak so far when this is written, and so starts anew from what is in use.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_memory()
    engine(detached(model), source.step(0), LR)
    return peak_memory() - before


def peak_memory() -> int:
    """The process's peak resident memory in bytes, on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    print(peak_of_a_step(int(sys.argv[1])))
