"""What the numbers of the figure ``overparameterised`` say, a sentence a question."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from fbgd.report.statistics import Difference, difference
from fbgd.studies.double_descent.words import points
from fbgd.studies.weight_decay.dynamics_settings import SGD
from fbgd.studies.weight_decay.product import ANGLES, best_direction, explained

Effect = Callable[[pd.DataFrame, str], Difference | None]
# A direction explains more than another when its share of the variance is larger by this.
MARGIN = 0.1
# Below any error that a test set can show.
SMALLEST = 1e-5


def verdicts(ends: pd.DataFrame, cells: pd.DataFrame, effect: Effect) -> list[str]:
    """All of them.

    Args:
        ends: the last rows of the compared runs.
        cells: those of the map.
        effect: of decay on a column of rows of one regime and learning rate.
    """
    return [*error_verdicts(ends, effect), *loss_verdicts(ends, effect), *map_verdicts(cells)]


def error_verdicts(ends: pd.DataFrame, effect: Effect) -> list[str]:
    """What the chosen decay does to the test error, and whether it does more at the large learning rate."""
    sentences = []
    for regime, part in ends.groupby("regime", sort=False):
        rates = sorted(part["rate"].unique())
        found = {rate: effect(part[part["rate"] == rate], "test_error") for rate in rates}
        told = " and ".join(f"{change(delta)} at the rate {rate:g}" for rate, delta in found.items() if delta)
        if not told:
            continue
        sentences.append(f"{regime[:1].upper()}{regime[1:]}: the chosen decay {told}.")
        decays = part[part["tuned"]].groupby("rate")["decay"].first()
        products = " and ".join(f"{rate * decay:.2g}" for rate, decay in decays.items())
        sentences.append(f"Learning rate times chosen decay: {products}.")
        if len(rates) > 1 and all(found.values()):
            more = difference(*(by_seed(part[part["rate"] == rate]) for rate in (rates[-1], rates[0])))
            word = "more" if more.high < 0 else "less" if more.low > 0 else "neither certainly more nor less"
            sentences.append(f"It lowers it {word} at the large rate: a difference of {points(more)} points.")
    return sentences


def by_seed(part: pd.DataFrame) -> pd.Series:
    """What decay adds to the test error of every seed."""
    with_decay, without = (part[part["tuned"] == tuned].set_index("seed")["test_error"] for tuned in (True, False))
    return (with_decay - without).dropna()


def change(found: Difference) -> str:
    """A difference of test errors in words."""
    if found.high < 0:
        return f"lowers the test error ({points(found)} points)"
    if found.low > 0:
        return f"raises the test error ({points(found)} points)"
    return f"does not certainly change the test error ({points(found)} points)"


def loss_verdicts(ends: pd.DataFrame, effect: Effect) -> list[str]:
    """Whether decay keeps the training loss off zero, and the block gradients large, at SGD's large learning rate."""
    part = ends[(ends["regime"] == SGD) & (ends["rate"] == ends.loc[ends["regime"] == SGD, "rate"].max())]
    sentences = []
    for column, name in (("settled_loss", "training loss"), ("settled_block_norm", "norm of the block gradients")):
        found = effect(part, column) if len(part) else None
        if found:
            means = part.groupby("tuned")[column].mean()
            verb = "raises" if found.low > 0 else "lowers" if found.high < 0 else "does not certainly change"
            ends_told = f"{means[False]:.3g} without, {means[True]:.3g} with"
            sentences.append(f"While SGD takes large steps, decay {verb} its settled {name} ({ends_told}).")
    return sentences


def map_verdicts(cells: pd.DataFrame) -> list[str]:
    """Whether the test error of the map goes with the product of learning rate and decay."""
    inner = cells[cells["decay"] > 0]
    inner = inner.assign(log_error=np.log(inner["test_error"].clip(lower=SMALLEST)))
    if min(inner[name].nunique() for name in ("rate", "decay", "test_error")) < 3:
        return []
    shares = {name: explained(inner, degrees, "log_error") for name, degrees in ANGLES.items()}
    told = ", ".join(f"{100 * share:.0f} % by {name}" for name, share in shares.items())
    first, second = sorted(shares, key=shares.get, reverse=True)[:2]
    told_first = f"{first} matters most"
    if shares[first] - shares[second] < MARGIN:
        told_first = f"{first} and {second} cannot be told apart"
    return [
        f"A parabola explains, of the variance of the logarithm of the map's test error, {told}: {told_first}. "
        f"The best direction is {best_direction(inner, 'log_error'):.0f} degrees (0: decay, 45: product, 90: learning "
        "rate)."
    ]
