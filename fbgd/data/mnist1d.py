"""MNIST-1D: ten classes of 40-point signals, made procedurally on the spot."""

import random

import numpy as np
import torch

from fbgd.data.dataset import Arrays

# The package keeps every signal in double precision, in several copies.
MOST_SAMPLES, BYTES_PER_SAMPLE = 10_000_000, 2000


def mnist1d(train: int = 4000, test: int = 1000, seed: int = 42) -> Arrays:
    """Generate MNIST-1D.

    Args:
        train: training samples.
        test: test samples; ``train + test`` must be a multiple of 10. The split follows the package's own shuffle.
        seed: the generator's seed; 42 is the package's default.

    Raises:
        ValueError: a size is not positive, or the sum is not a multiple of ten, or too large for any memory.

    Source: Greydanus & Kobak 2024, "Scaling Down Deep Learning with MNIST-1D".
    """
    # The package loads matplotlib, which runs on other data need not wait for.
    from mnist1d.data import get_dataset_args, make_dataset

    if train < 1 or test < 1 or (train + test) % 10:
        raise ValueError(f"train = {train!r} and test = {test!r} must be positive and add up to a multiple of 10")
    if train + test > MOST_SAMPLES:
        gigabytes = (train + test) * BYTES_PER_SAMPLE / 1e9
        raise ValueError(
            f"train + test = {train + test:,} needs {gigabytes:,.0f} GB; at most {MOST_SAMPLES:,} are made"
        )
    args = get_dataset_args()
    args.num_samples, args.train_split, args.seed = train + test, (train + 0.5) / (train + test), seed
    # The package seeds the global generators; whoever called us must not notice.
    states = random.getstate(), np.random.get_state()
    try:
        made = make_dataset(args)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
    inputs = [torch.from_numpy(made[key]).float().unsqueeze(1) for key in ("x", "x_test")]
    targets = [torch.from_numpy(made[key]).long() for key in ("y", "y_test")]
    return Arrays(inputs[0], targets[0], inputs[1], targets[1], classes=10, shift=2, flip=False)
