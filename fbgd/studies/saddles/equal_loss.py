"""Two runs of different speed compared where their training losses are equal."""

import numpy as np
import pandas as pd

# So many losses, evenly over the common range of two runs.
LEVELS = 21


def falling(run: pd.DataFrame) -> pd.DataFrame:
    """The looks of a run at which its loss is lower than at all before, so that loss tells the look.

    >>> falling(pd.DataFrame({"step": [1, 2, 3, 4], "train_loss": [2.0, 1.0, 1.5, 0.5]}))["step"].tolist()
    [1, 2, 4]
    """
    run = run.sort_values("step")
    before = run["train_loss"].cummin().shift(fill_value=np.inf)
    return run[run["train_loss"] < before]


def common_losses(left: pd.DataFrame, right: pd.DataFrame) -> tuple[float, float]:
    """The highest and the lowest loss that both runs were seen at."""
    losses = [run["train_loss"] for run in (left, right)]
    return min(float(own.iloc[0]) for own in losses), max(float(own.iloc[-1]) for own in losses)


def at_losses(run: pd.DataFrame, column: str, losses: np.ndarray) -> np.ndarray:
    """A column where the loss first falls to each of ``losses``, linearly between looks."""
    return np.interp(-losses, -run["train_loss"].to_numpy(), run[column].to_numpy(dtype=float))


def at_equal_loss(left: pd.DataFrame, right: pd.DataFrame, column: str) -> float:
    """The mean of ``right`` minus ``left`` in a column over the losses that both runs were seen at.

    Args:
        left: a row a look, with the columns step, train_loss and ``column``.
        right: the same.
        column: that is compared.
    """
    left, right = falling(left), falling(right)
    losses = np.linspace(*common_losses(left, right), LEVELS)
    return float((at_losses(right, column, losses) - at_losses(left, column, losses)).mean())


def steps_to(left: pd.DataFrame, right: pd.DataFrame, part: float) -> tuple[float, float]:
    """The steps of either run to the loss after so much of the common way down, linearly between looks.

    Args:
        left: a row a look, with the columns step and train_loss.
        right: the same.
        part: of the way from the highest to the lowest loss that both were seen at, 0 to 1.
    """
    left, right = falling(left), falling(right)
    high, low = common_losses(left, right)
    loss = np.array([high + part * (low - high)])
    return tuple(float(at_losses(run, "step", loss)[0]) for run in (left, right))  # type: ignore[return-value]
