"""The pictures of a study's folder, inside the page, each with a text for those who do not see it."""

import base64
import struct
from dataclasses import dataclass
from pathlib import Path

TEXTS = {
    "ladder.png": "accuracy by rung: a dot a seed, the mean with its 95 % interval, published values if known",
    "accuracy.png": "accuracy by setting, SGD beside full batch: a dot a seed, the mean with its 95 % interval",
    "pairs.png": "accuracy by setting, a colour a way of training: a dot a seed, the mean with its 95 % interval",
    "curves.png": "training loss and test accuracy in the course of training: a line a group, a band over its seeds",
    "learning_rates.png": "validation accuracy over the candidates for the learning rate, the chosen one ringed",
    "weight_decays.png": "validation accuracy over the candidates for the weight decay, the chosen one ringed",
    "figure.png": "the figure of the study, made of the numbers of its table",
}


@dataclass(frozen=True)
class Figure:
    """A picture.

    Args:
        name: of its file.
        text: what it shows.
        source: the picture itself, as a ``data:`` address.
        width: in pixels, so that the page does not move when the picture appears.
        height: in pixels.
    """

    name: str
    text: str
    source: str
    width: int
    height: int


def read_figures(folder: Path, title: str) -> list[Figure]:
    """All PNG files of a folder.

    Raises:
        ValueError: one is no PNG file.
    """
    return [read_figure(path, title) for path in sorted(folder.glob("*.png"))]


def read_figure(path: Path, title: str) -> Figure:
    """A PNG file as a picture of the page."""
    content = path.read_bytes()
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        raise ValueError(f"{path} is no PNG file: delete it, or run the study again")
    width, height = struct.unpack(">II", content[16:24])
    text = f"{title}: {TEXTS.get(path.name, path.stem.replace('_', ' '))}"
    return Figure(path.name, text, f"data:image/png;base64,{base64.b64encode(content).decode()}", width, height)
