"""scikit-learn's digits: 1797 handwritten digits, 8 x 8 pixels, part of the package."""

import torch

from fbgd.data.dataset import Arrays
from fbgd.data.splits import stratified_order


def digits(test: int = 360, seed: int = 0) -> Arrays:
    """Load the digits, split once into training and test data, stratified.

    Args:
        test: test samples, 1 to 1796.
        seed: of the split.

    Raises:
        ValueError: ``test`` is outside its range.
    """
    # Loading scikit-learn takes most of a second, which runs on other data need not spend.
    from sklearn.datasets import load_digits

    if not 1 <= test <= 1796:
        raise ValueError(f"test = {test!r} is outside the valid range [1, 1796]")
    bunch = load_digits()
    inputs = torch.from_numpy(bunch.images).float().unsqueeze(1)
    targets = torch.from_numpy(bunch.target).long()
    order = stratified_order(targets, seed)
    held, kept = order[:test], order[test:]
    return Arrays(inputs[kept], targets[kept], inputs[held], targets[held], classes=10, shift=1, flip=False)
