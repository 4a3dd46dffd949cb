"""Windows of token streams: the samples of a language model."""

import torch
from torch import Tensor

from fbgd.data.dataset import Arrays


def next_tokens(train: Tensor, test: Tensor, length: int, classes: int, facts: dict[str, object]) -> Arrays:
    """The windows of a training stream and of a test stream, see :func:`windows`.

    Args:
        train: token numbers (n), int64, at least ``length + 1`` of them.
        test: those to evaluate on.
        length: L, of every window.
        classes: how many different tokens there may be.
        facts: to record with every run; the numbers of predicted tokens are added.

    Raises:
        ValueError: ``length`` is not a positive integer, or too much for a stream.
    """
    parts = [part for name, stream in (("training", train), ("test", test)) for part in windows(stream, length, name)]
    counts = {"train_tokens": parts[1].numel(), "test_tokens": parts[3].numel()}
    return Arrays(*parts, classes=classes, facts={**facts, "vocabulary": classes, **counts})


def windows(stream: Tensor, length: int, name: str = "token") -> tuple[Tensor, Tensor]:
    r"""Cut a stream s into non-overlapping windows, with the next token as the target of every position.

    .. math:: x_{it} = s_{iL + t}, \qquad y_{it} = s_{iL + t + 1}, \qquad 0 \le i < \lfloor (n - 1) / L \rfloor

    So a pass over all windows predicts no token twice. What is left at the end is dropped.

    Args:
        stream: token numbers (n).
        length: L.
        name: of the stream, for the error.

    Returns:
        Inputs (N, L) and targets (N, L), views into the stream.

    Raises:
        ValueError: ``length`` is not a positive integer, or the stream has no window.
    """
    if not isinstance(length, int) or length < 1:
        raise ValueError(f"length = {length!r} must be a positive integer")
    count = (len(stream) - 1) // length
    if count < 1:
        raise ValueError(
            f"length = {length} is too long: a window needs {length + 1} tokens, and the {name} text has "
            f"{len(stream)}; take a smaller length, or more text"
        )
    used = count * length
    return stream[:used].view(count, length), stream[1 : used + 1].view(count, length)


def from_bytes(text: bytes) -> Tensor:
    """Every byte as a token number, int64."""
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long() if text else torch.zeros(0, dtype=torch.int64)
