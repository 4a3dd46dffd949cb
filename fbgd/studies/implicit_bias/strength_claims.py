"""What the figure ``strength`` is asked."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, exactly, higher, lower, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.studies.differences import accuracy_difference
from fbgd.studies.implicit_bias.strength_measure import chosen_rates, counted
from fbgd.studies.implicit_bias.strength_settings import LARGE, SMALL

# Points of test accuracy within which two settings are level.
MARGIN = 2.0
NONE, THEORY = "0", "1"
SMITH = "Smith et al. 2021: the accuracy of a large rate comes back"
Of = Callable[[pd.DataFrame], pd.Series]


def compared(evidence: Evidence) -> Evidence:
    """The evidence of the fresh seeds at the chosen rates."""
    if not len(evidence.runs):
        return evidence
    chosen = chosen_rates(evidence.runs)
    ends = counted(evidence.measurements, chosen) if len(evidence.measurements) else evidence.measurements
    return replace(evidence, runs=counted(evidence.runs, chosen), measurements=ends)


def gains(left: str, right: str) -> Callable[[Evidence], list[Estimate]]:
    """One setting minus another in test accuracy, for every way of training that has both."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        mine, found = compared(evidence), []
        for training in dict.fromkeys(mine.runs.get("training", [])):
            ours, theirs = ({"training": training, "setting": setting} for setting in (left, right))
            found += accuracy_difference(ours, theirs, case=str(training))(mine)
        return found

    return estimates


def falls(quantity: Of) -> Callable[[Evidence], list[Estimate]]:
    """The slope of the logarithm of a quantity over log2(1 + strength), per seed, over all its strengths.

    A strength that lost a seed is left out for all of them.

    Args:
        quantity: of the measurements.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        ends, found = compared(evidence).measurements, []
        for training, part in ends.groupby("training", sort=False) if len(ends) else ():
            own = part[~part["setting"].isin([LARGE, SMALL])]
            own = own.assign(strength=own["setting"].astype(float), value=np.log(quantity(own)))
            values = own.pivot(index="seed", columns="strength", values="value").dropna(axis=1)
            if values.shape[1] > 1:
                places = np.log2(1 + values.columns.to_numpy(dtype=float))
                slopes = np.polyfit(places, values.to_numpy().T, 1)[0]
                found.append(of_mean(slopes, evidence.level, str(training)))
        return found

    return estimates


def change(quantity: Of) -> Callable[[Evidence], list[Estimate]]:
    """The logarithm of a quantity at the theory's strength over that without a penalty, per seed.

    Args:
        quantity: of the measurements.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        ends, found = compared(evidence).measurements, []
        for training, part in ends.groupby("training", sort=False) if len(ends) else ():
            own = part[part["setting"].isin([NONE, THEORY])]
            values = own.assign(value=np.log(quantity(own))).pivot(index="seed", columns="setting", values="value")
            if {NONE, THEORY} <= set(values) and len(values := values.dropna()) > 1:
                found.append(of_mean(values[THEORY] - values[NONE], evidence.level, str(training)))
        return found

    return estimates


def large_rate(evidence: Evidence) -> list[Estimate]:
    """The logarithm of the squared full gradient at the large rate over that at the small one, per seed.

    The small rate is the one of the same training: SGD's own, and full batch without a penalty for descent.
    """
    ends, found = compared(evidence).measurements, []
    for training, part in ends.groupby("training", sort=False) if len(ends) else ():
        small = SMALL if (part["setting"] == SMALL).any() else NONE
        own = part[part["setting"].isin([LARGE, small])].assign(value=np.log(part["squared_gradient"]))
        values = own.pivot(index="seed", columns="setting", values="value")
        if {LARGE, small} <= set(values) and len(values := values.dropna()) > 1:
            found.append(of_mean(values[LARGE] - values[small], evidence.level, str(training)))
    return found


def whole_strengths(runs: pd.DataFrame) -> list[str]:
    """The strengths, ascending, that lost no run of these: one that did shows those that survived."""
    own = runs[~runs["setting"].isin([LARGE, SMALL])]
    whole = (own["status"] == "done").groupby(own["setting"]).all()
    return sorted(whole[whole].index, key=float)


def best_strength(evidence: Evidence) -> list[Estimate]:
    """The test accuracy at the strength with the best mean validation accuracy, minus that without a penalty."""
    mine, found = compared(evidence), []
    for training, own in mine.runs.groupby("training", sort=False) if len(mine.runs) else ():
        candidates = own[own["setting"].isin(whole_strengths(own))]
        means = candidates.groupby("setting")["validation_accuracy"].mean()
        if not len(means):
            continue
        best = str(means.idxmax())
        case = f"{training}, strength {best}"
        ours, theirs = ({"training": str(training), "setting": setting} for setting in (best, NONE))
        found += [exactly(0.0, case)] if best == NONE else accuracy_difference(ours, theirs, case=case)(mine)
    return found


def squares(table: pd.DataFrame) -> pd.Series:
    """What is penalised."""
    return table["block_square"]


def relative_squares(table: pd.DataFrame) -> pd.Series:
    """What is penalised over the squared loss: of the logarithm of the loss, where a run has gone less far."""
    return table["block_square"] / table["loss"] ** 2


POINTS = "difference in test accuracy, points"
CLAIMS = (
    Claim("large over small", "At equal rate times steps a large learning rate tests better than a small one in full "
          "batch.", POINTS, gains(LARGE, NONE), higher, "Barrett & Dherin 2021: accuracy rises with the rate"),
    Claim("large over small SGD", "At equal rate times steps SGD tests better with a large learning rate than with a "
          "small one.", POINTS, gains(LARGE, SMALL), higher, "Smith et al. 2021"),
    Claim("penalty helps", "At a small rate the penalty of the theory's strength lifts the test accuracy.", POINTS,
          gains(THEORY, NONE), higher, SMITH),
    Claim("penalty replaces the rate", "A small rate with the penalty of the theory's strength is level with the large "
          "rate.", f"{POINTS}; margin {MARGIN:g}", gains(THEORY, LARGE), within(MARGIN), SMITH),
    Claim("gradients fall to the theory's", "What is penalised is smaller at the end with the theory's strength than "
          "without a penalty.", "logarithm of the ratio of the blocks' mean squared gradients", change(squares), lower,
          "Barrett & Dherin 2021"),
    Claim("gradients fall", "What is penalised is smaller at the end the stronger the penalty.",
          "slope of the logarithm of the blocks' mean squared gradient over log2(1 + strength)", falls(squares), lower,
          "Barrett & Dherin 2021"),
    Claim("gradients fall at equal loss", "Relative to the squared loss it is, too.",
          "slope of the logarithm of that over the squared loss", falls(relative_squares), lower),
    Claim("best strength above 0", "The strength that validation chooses is above 0 and tests better than none.",
          POINTS, best_strength, higher),
    Claim("gradients fall with the rate", "At equal rate times steps the squared gradient at the end is smaller with "
          "a large learning rate than with a small one.", "logarithm of the ratio of squared gradients", large_rate,
          lower, "Barrett & Dherin 2021: it falls with the rate", later=True),
)  # fmt: skip
