"""Images in folders, a folder a class."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fbgd.data.assemble import assemble
from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError
from fbgd.errors import needs

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
MODES = {"rgb": "RGB", "grey": "L"}


def image_folder(
    path: str | None = None,
    size: int | list[int] | None = None,
    colours: str = "rgb",
    test_share: float = 0.2,
    shift: int = 0,
    flip: bool = False,
    seed: int = 0,
) -> Arrays:
    """Load images from ``path/CLASS/*``, or from ``path/train/CLASS/*`` and ``path/test/CLASS/*``.

    Args:
        path: the folder.
        size: of every image, in pixels, one number or height and width, to which they are resized (bilinearly);
            ``None``: they have one size already.
        colours: "rgb" or "grey", which they are converted to.
        test_share: of the images, held out where there is no folder ``test``.
        shift: the largest translation that keeps an image's class, in pixels.
        flip: whether mirroring keeps it.
        seed: of the share that is held out.

    Raises:
        DataError: there are no images, two have different sizes, or one cannot be read.
        MissingPackageError: Pillow is not installed.
        ValueError: an option is outside its range.
    """
    if path is None:
        raise ValueError("path is missing: set data.source.path to a folder with one folder a class")
    if colours not in MODES:
        raise ValueError(f"colours = {colours!r} is not one of {', '.join(map(repr, MODES))}")
    shape = target_size(size)
    folder = Path(path).expanduser()
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        train, test = (read_folder(folder / part, shape, MODES[colours]) for part in ("train", "test"))
    else:
        train, test = read_folder(folder, shape, MODES[colours]), None
    return assemble(str(folder), train, test, test_share=test_share, shift=shift, flip=flip, seed=seed)


def target_size(size: int | list[int] | None) -> tuple[int, int] | None:
    """Height and width that images are resized to."""
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
        raise ValueError(f"size = {size!r} is neither a number of pixels nor [height, width]")
    return sides[0], sides[1]


def read_folder(folder: Path, size: tuple[int, int] | None, mode: str) -> tuple[Tensor, list[str]]:
    """Images (N, C, H, W), uint8, and the names of their folders, in the order of their paths."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder")
    files = sorted(
        file
        for kind in folder.iterdir()
        if kind.is_dir() and not kind.name.startswith(".")
        for file in kind.rglob("*")
        if file.suffix.lower() in ENDINGS
    )
    if not files:
        raise DataError(
            f"{folder} has no images in folders: one folder a class is wanted, with files like .png or .jpg"
        )
    images: list[Tensor] = []
    for file in files:
        image = read_image(file, size, mode)
        if images and image.shape != images[0].shape:
            sizes = (f"{one.shape[1]} x {one.shape[2]}" for one in (image, images[0]))
            raise DataError(
                f"{file} and {files[0]} have different sizes, {' and '.join(sizes)}: set data.source.size=PIXELS"
            )
        images.append(image)
    return torch.stack(images), [file.relative_to(folder).parts[0] for file in files]


def read_image(file: Path, size: tuple[int, int] | None, mode: str) -> Tensor:
    """One image (C, H, W), uint8."""
    with needs("images"):
        from PIL import Image
    try:
        with Image.open(file) as opened:
            image = opened.convert(mode)
        if size is not None:
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{file} is no image that can be read ({error}); delete it, or fetch it again") from None
    pixels = torch.from_numpy(np.array(image))
    return pixels.unsqueeze(0) if pixels.dim() == 2 else pixels.movedim(-1, 0).contiguous()
