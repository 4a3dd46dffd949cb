"""What the figure ``central_flow`` is asked."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, above, below, lower, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.studies.edge_of_stability.central_paths import EDGE

# How far descent may be from the central flow, in units of the way that the gradient flow has come.
CLOSE = 0.1
# How far the mean path's sharpness may be from 2 / h, the variance from the predicted one, and the loss.
AT_EDGE, VARIANCE, LOSS = 0.05, 0.2, 0.02
ALIGNED = 0.9
# The looks whose losses are compared, from the end.
LATE = 0.25
COHEN = "Cohen et al. 2024"


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """A row a rate, beginning and seed.

    ``central_share`` and ``flow_share`` are distances at the last look, in percent of the gradient flow's way, and
    ``nearer`` the logarithm of their ratio; ``middle`` and ``held`` are the sharpness of the mean path and of the
    central flow over 2 / h, ``variance``, ``predicted_variance`` and ``alignment`` means, all over the looks at which
    the central flow is held, with ``size`` the logarithm of the measured over the predicted variance; ``loss``,
    ``predicted_loss`` and ``flow_loss`` means over the last quarter of the looks, with ``error`` the logarithm of loss
    over predicted loss and ``flow_error`` that over the flow's.
    """
    rows = []
    for (rate, begin, seed), part in table.groupby(["rate", "begin", "seed"], sort=False):
        part = part.sort_values("share")
        last, late = part.iloc[-1], part.tail(max(1, round(LATE * len(part))))
        held = part[part["predicted_variance"] > 0]
        losses = late[["loss", "predicted_loss", "flow_loss"]].mean()
        variances = held[["variance", "predicted_variance", "alignment"]].mean()
        rows.append(
            {
                "rate": rate, "begin": begin, "seed": seed, "crossed": last["crossed"], "settled": last["settled"],
                "central_share": 100 * last["central_distance"] / last["way"],
                "flow_share": 100 * last["flow_distance"] / last["way"],
                "nearer": math.log(last["central_distance"] / last["flow_distance"]),
                "middle": held["sharpness"].mean() * rate / 2, "held": held["central_sharpness"].mean() * rate / 2,
                **variances, "size": np.log(variances["variance"] / variances["predicted_variance"]), **losses,
                "error": math.log(losses["loss"] / losses["predicted_loss"]),
                "flow_error": math.log(losses["loss"] / losses["flow_loss"]),
            }
        )  # fmt: skip
    columns = ["rate", "begin", "seed", "crossed", "settled"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def of_ends(values: Callable[[pd.DataFrame], pd.Series], *begins: str) -> Callable[[Evidence], list[Estimate]]:
    """The mean over seeds of a number of :func:`ends`, a case a rate and beginning; some beginnings alone if given."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        if not len(evidence.measurements):
            return []
        found = []
        for (rate, begin), part in ends(evidence.measurements).groupby(["rate", "begin"], sort=False):
            numbers = values(part).dropna()
            if (not begins or begin in begins) and len(numbers):
                found.append(of_mean(numbers, evidence.level, f"rate {rate:g}, {begin}"))
        return found

    return estimates


CLAIMS = (
    Claim("closer than the gradient flow", "At the last look descent is closer to the central flow than to the "
          "gradient flow.", "logarithm of the ratio of distances", of_ends(lambda part: part["nearer"]), lower,
          f"closer ({COHEN})"),
    Claim("beside the central flow", "At the last look descent is close to the central flow.",
          f"distance over the way of the gradient flow, at most {CLOSE:g}",
          of_ends(lambda part: part["central_share"] / 100), below(CLOSE), f"close ({COHEN})", "+.4f"),
    Claim("the mean path at 2 / h", f"At the edge the sharpness of descent's mean path is within {100 * AT_EDGE:g} % "
          "of 2 / h.", "sharpness over 2 / h, minus 1", of_ends(lambda part: part["middle"] - 1, EDGE),
          within(AT_EDGE), f"at 2 / h ({COHEN})", "+.4f"),
    Claim("size of the oscillation", f"The variance of the oscillation is as predicted, to a factor of "
          f"{math.exp(VARIANCE):.2f}.", "logarithm of measured over predicted",
          of_ends(lambda part: part["size"], EDGE), within(VARIANCE), f"as predicted ({COHEN})"),
    Claim("direction of the oscillation", "The measured covariance has the direction of the predicted one.",
          f"cosine between both, at least {ALIGNED:g}", of_ends(lambda part: part["alignment"], EDGE), above(ALIGNED),
          f"as predicted ({COHEN})", "+.3f"),
    Claim("mean loss", f"The mean loss of descent is as the central flow predicts, to {100 * LOSS:g} %.",
          "logarithm of measured over predicted", of_ends(lambda part: part["error"], EDGE), within(LOSS),
          f"as predicted ({COHEN})", "+.4f"),
    Claim("mean loss, better than the flow's", "The gradient flow's loss is further from that of descent.",
          "error of the central flow's logarithm minus that of the gradient flow's",
          of_ends(lambda part: part["error"].abs() - part["flow_error"].abs(), EDGE), lower, "", "+.4f"),
)  # fmt: skip
