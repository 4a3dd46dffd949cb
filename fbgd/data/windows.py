"""Windows of token streams: the samples of a language model."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fbgd.data.dataset import Arrays


def next_tokens(train: Tensor, test: Tensor, length: int, classes: int, facts: Mapping[str, object]) -> Arrays:
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
    train_inputs, train_targets = windows(train, length, "training")
    test_inputs, test_targets = windows(test, length, "test")
    counts = {"train_tokens": train_targets.numel(), "test_tokens": test_targets.numel()}
    facts = {**facts, "vocabulary": classes, **counts}
    return Arrays(train_inputs, train_targets, test_inputs, test_targets, classes=classes, facts=facts)


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
