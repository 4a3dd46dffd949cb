"""The study's two measurements: steps to the target over batch sizes, and the noise scale on the way there."""

import math
from collections.abc import Sequence

import pandas as pd
import torch

from fbgd.studies.critical_batch.descent import Copies, Problem, best_is_known, noise_scales, steps_to

STEPS, NOISE = "steps", "noise scale"


def choose_rate(problem: Problem, seeds: Sequence[int], rates: Sequence[float], size: int, target: float, most: int):
    """The learning rate with the fewest steps to the target in the mean over seeds; nothing where none gets there.

    Args:
        problem: what is descended.
        seeds: of the search.
        rates: candidates.
        size: of a batch.
        target: training loss.
        most: steps.
    """
    means = steps_to(Copies(problem, seeds, rates, size), target, most, best_is_known).mean(dim=1)
    place = int(means.argmin())
    return rates[place] if math.isfinite(means[place]) else None


def steps_table(
    problem: Problem, seeds: Sequence[int], search: Sequence[int], sizes: Sequence[int], rates: Sequence[float],
    target: float, most: int,
) -> pd.DataFrame:  # fmt: skip
    """A row a batch size and seed: ``steps`` to the target at the rate that the search chose; unknown if not reached.

    Args:
        problem: what is descended.
        seeds: that count.
        search: those of the search.
        sizes: of batches.
        rates: candidates.
        target: training loss.
        most: steps of the largest batch; a batch k times as small may take up to k times as many.
    """
    rows = []
    for size in sizes:
        limit = most * max(1, max(sizes) // size)
        rate = choose_rate(problem, search, rates, size, target, limit)
        if rate is None:
            continue
        (found,) = steps_to(
            Copies(problem, seeds, [rate], size), target, limit, lambda steps, step: bool(steps.isfinite().all())
        )
        rows += [
            {"kind": STEPS, "size": size, "rate": rate, "seed": seed, "steps": float(steps)}
            for seed, steps in zip(seeds, found, strict=True)
            if steps.isfinite()
        ]
    return pd.DataFrame(rows, columns=["kind", "size", "rate", "seed", "steps"])


def noise_table(problem: Problem, steps: pd.DataFrame, looks: int, block: int) -> pd.DataFrame:
    """A row a look and seed of the largest batch: the noise scale at evenly spaced steps on its way to the target.

    Args:
        problem: what is descended.
        steps: of :func:`steps_table`.
        looks: so many of every seed, the start first and the step before the target last; fewer where steps are few.
        block: samples of a block of the probe.
    """
    largest = steps[steps["size"] == steps["size"].max()] if len(steps) else steps
    rows = []
    for rate, part in largest.groupby("rate"):
        seeds, ends = part["seed"].tolist(), torch.tensor(part["steps"].tolist())
        copies = Copies(problem, seeds, [float(str(rate))], int(part["size"].iloc[0]))
        # Each seed has its own way: the fastest one's is the beginning of the others'.
        shares = [look / max(1, looks - 1) for look in range(looks)]
        places = [{round(share * (int(end) - 1)): share for share in reversed(shares)} for end in ends]
        for step in range(int(ends.max())):
            if any(step in own for own in places):
                scales = noise_scales(copies, block)
                rows += [
                    {"kind": NOISE, "seed": seed, "step": step, "share": own[step], **scale}
                    for seed, own, scale in zip(seeds, places, scales, strict=True)
                    if step in own
                ]
            copies.step()
    return pd.DataFrame(rows)
