"""Data of one's own in three ways: NumPy arrays, a data set of torch, a folder of images.

    python docs/examples/own_data.py      seconds; prints three test accuracies above 0.9, where guessing has 0.5

The classes are stripes across and stripes along. Files go to stripes/ in the current folder."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

import fbgd


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey images (count, 8, 8) and their classes, in turn."""
    stripes = np.tile([[0.0], [160.0]], (4, 8))
    noise = np.random.default_rng(seed).normal(48, 40, (count, 8, 8))
    return np.stack([stripes.T if i % 2 else stripes for i in range(count)]) + noise, np.arange(count) % 2


class Stripes(torch.utils.data.TensorDataset):
    """Pairs of an image (1, 8, 8) and a class."""

    def __init__(self, count: int = 100, seed: int = 0):
        images, classes = map(torch.from_numpy, pictures(count, seed))
        super().__init__(images.unsqueeze(1), classes)


if __name__ == "__main__":
    (x, y), (test_x, test_y) = pictures(100, 0), pictures(100, 1)
    for index, (image, kind) in enumerate(zip(x, y, strict=True)):
        place = Path("stripes/images", ["across", "along"][kind])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(place / f"{index}.png")
    np.savez("stripes/arrays.npz", train_x=x, train_y=y, test_x=test_x, test_y=test_y)
    arrays = "data=array_file data.source.path=stripes/arrays.npz data.source.channels=none"
    dataset = f"data=torch_dataset data.source.train._target_=own_data.Stripes impl.module_path={Path(__file__).parent}"
    for source in (arrays, dataset, "data=image_folder data.source.path=stripes/images"):
        run = fbgd.run(f"{source} model=mlp model.width=16 regime=full_batch regime.block_size=20 budget.passes=30")
        print(f"{run.config.data.name}: {run.summary['train_size']} images, {run.summary['test_accuracy']:.2f}")
