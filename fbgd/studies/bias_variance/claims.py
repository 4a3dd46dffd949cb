"""What the networks are asked: bias and variance over the width, over label noise, and by procedure."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, higher, lower, of_difference, of_mean
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import difference
from fbgd.studies.bias_variance.settings import END, MATCHED
from fbgd.studies.double_descent.crossfit import corrected, smooth, turning_points
from fbgd.studies.double_descent.shape import find_heights, whole_curves

Cases = list[tuple[str, pd.DataFrame]]
YANG = "Yang et al. 2020: bias falls with width, variance is unimodal"
NEAL = "Neal et al. 2018: with width the variance of optimisation falls away and that of sampling stays"
# Squared errors of probabilities, and cross-entropy.
LOSSES = {"squared error": "", "cross-entropy": "entropy_"}


def cases(table: pd.DataFrame) -> Cases:
    """The first procedure at the end over label noise, and every one at matched training error."""
    if not len(table):
        return []
    first = table["procedure"].iloc[0]
    ends = table[(table["moment"] == END) & (table["procedure"] == first)]
    matched = table[table["moment"] == MATCHED]
    found = [(f"{first}, label noise {noise:g}", part) for noise, part in ends.groupby("label_noise", sort=False)]
    return found + [(f"{name}, matched", part) for name, part in matched.groupby("procedure", sort=False)]


def over_cases(
    column: str, estimate: Callable[[pd.DataFrame, str, float, str], Estimate | None]
) -> Callable[[Evidence], list[Estimate]]:
    """An estimate of a column in every case.

    Args:
        column: whose curve over the width.
        estimate: from a case's rows, the column, the level and the case's name.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        found = [estimate(part, column, evidence.level, name) for name, part in cases(evidence.measurements)]
        return [own for own in found if own is not None]

    return estimates


def change(part: pd.DataFrame, column: str, level: float, case: str) -> Estimate | None:
    """From the smallest width to the largest, by repetition."""
    curves = whole_curves(part, column, "width")
    return None if curves.shape[1] < 2 else of_mean(curves[:, -1] - curves[:, 0], level, case)


def peak(part: pd.DataFrame, column: str, level: float, case: str) -> Estimate | None:
    """The height of the peak above its less certain side, cross-fitted: of an intersection-union test."""
    heights = find_heights(part, column, "width", level)
    return None if heights is None else of_difference(min(heights, key=lambda own: own.low), case, scale=1)


def bias_at_peak(part: pd.DataFrame, column: str, level: float, case: str) -> Estimate | None:
    """How much bias rises from the first minimum of the risk to its peak, cross-fitted.

    The places of every repetition are those that the smoothed mean risk of the others chooses.
    """
    risks, biases = (whole_curves(part, column.replace("bias", name), "width") for name in ("risk", "bias"))
    if risks.shape[1] < 3 or len(risks) < 2 or len(biases) < len(risks):
        return None
    others = (risks.sum(0, keepdims=True) - risks) / (len(risks) - 1)
    turns, rows = turning_points(smooth(others)), np.arange(len(risks))
    return of_difference(corrected(biases[rows, turns.peak] - biases[rows, turns.minimum], level), case, scale=1)


def against_sgd(column: str, widths: slice = slice(None)) -> Callable[[Evidence], list[Estimate]]:
    """At matched training error each procedure's mean over the widths minus the first one's, by repetition.

    Args:
        column: what is compared.
        widths: of which, in their order; all of them by default.
    """

    def estimates(evidence: Evidence) -> list[Estimate]:
        matched = [own for own in cases(evidence.measurements) if own[0].endswith(MATCHED)]
        every = {name.removesuffix(f", {MATCHED}"): whole_curves(part, column, "width") for name, part in matched}
        curves = {name: own[:, widths] for name, own in every.items()}
        first = next(iter(curves), "")
        return [
            of_mean(own.mean(1) - curves[first].mean(1), evidence.level, name)
            if own.shape == curves[first].shape
            # A mean of what survived has no interval.
            else Estimate(float(own.mean() - curves[first].mean()), math.nan, math.nan, name)
            for name, own in curves.items()
            if name != first
        ]

    return estimates


def of_noise(column: str) -> Callable[[Evidence], list[Estimate]]:
    """At every width, with the most label noise minus without any, of the first procedure: signs differ over widths."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = evidence.measurements
        ends = table[(table["moment"] == END) & (table["procedure"] == table["procedure"].iloc[0])]
        most, found = ends["label_noise"].max(), []
        for width, part in ends.groupby("width"):
            own, clean = (part[part["label_noise"] == noise].set_index("seed")[column] for noise in (most, 0.0))
            if most and len(own) and len(clean):
                case = f"label noise {most:g}, width {width:g}"
                found.append(of_difference(difference(own, clean, evidence.level), case, scale=1))
        return found

    return estimates


def split(estimate: Callable[[pd.DataFrame, float, str], Estimate | None]) -> Callable[[Evidence], list[Estimate]]:
    """An estimate from every procedure whose variance is split into its sources."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = evidence.measurements
        known = table[(table["moment"] == END) & table["optimisation"].notna()]
        found = [estimate(part, evidence.level, name) for name, part in known.groupby("procedure", sort=False)]
        return [own for own in found if own is not None]

    return estimates


def fall_of_optimisation(part: pd.DataFrame, level: float, case: str) -> Estimate | None:
    """How far the variance of optimisation falls after its peak over the width, cross-fitted."""
    heights = find_heights(part, "optimisation", "width", level)
    return None if heights is None else of_difference(heights.fall, case, scale=1)


def growth_of_sampling(part: pd.DataFrame, level: float, case: str) -> Estimate | None:
    """The variance of sampling at the largest width minus at the one before it, by repetition."""
    curves = whole_curves(part, "sampling", "width")
    return None if curves.shape[1] < 2 else of_mean(curves[:, -1] - curves[:, -2], level, case)


def sampling_at_widest(part: pd.DataFrame, level: float, case: str) -> Estimate | None:
    """The variance of sampling minus that of optimisation at the largest width."""
    widest = part[part["width"] == part["width"].max()]
    return of_mean(widest["sampling"] - widest["optimisation"], level, case)


def curve_claims(loss: str, prefix: str) -> tuple[Claim, ...]:
    """What is asked of every curve over the width, for one loss."""
    ending = "" if not prefix else f", {loss}"
    bias = "bias²" if not prefix else "bias"
    family = loss if prefix else ""
    return (
        Claim(f"bias falls{ending}", f"The {bias} of the {loss} falls from the smallest to the largest width.",
              f"{bias} at the largest minus the smallest width", over_cases(f"{prefix}bias", change), lower, YANG,
              "+.3f", family),
        Claim(f"variance peaks{ending}", f"The variance of the {loss} rises with the width to a peak and falls again.",
              "height of the peak above its less certain side, cross-fitted", over_cases(f"{prefix}variance", peak),
              higher, YANG, "+.3f", family),
        Claim(f"risk peaks{ending}", f"The {loss} rises with the width to a peak and falls again.",
              "height of the peak above its less certain side, cross-fitted", over_cases(f"{prefix}risk", peak), higher,
              "", "+.3f", family),
        Claim(f"the peak is variance{ending}",
              f"From its first minimum to its peak the {loss} rises by variance alone: its {bias} does not rise.",
              f"{bias} at the peak of the risk minus at its first minimum, cross-fitted",
              over_cases(f"{prefix}bias", bias_at_peak), lower, "Yang et al. 2020: the peak is one of the variance",
              "+.3f", family),
    )  # fmt: skip


MATCHED_QUANTITY = "at matched training error, minus SGD's, mean over the widths"
CLAIMS = (
    *(claim for loss, prefix in LOSSES.items() for claim in curve_claims(loss, prefix)),
    Claim("noise adds variance", "Label noise raises the variance.", "variance minus that without label noise",
          of_noise("variance"), higher, "Yang et al. 2020: label noise raises it, most near the "
          "threshold", "+.3f", "noise"),
    Claim("noise adds bias", "Label noise raises the bias².", "bias² minus that without label noise",
          of_noise("bias"), higher, "", "+.3f", "noise"),
    Claim("more variance than SGD", "At matched training error its variance is larger than SGD's.",
          f"variance {MATCHED_QUANTITY}", against_sgd("variance"), higher, "", "+.4f", "procedures"),
    Claim("more variance than SGD, widest", "In the widest network, too.",
          "variance at matched training error, minus SGD's", against_sgd("variance", slice(-1, None)), higher, "",
          "+.4f", "procedures"),
    Claim("more bias than SGD", "At matched training error its bias² is larger than SGD's.",
          f"bias² {MATCHED_QUANTITY}", against_sgd("bias"), higher, "", "+.4f", "procedures"),
    Claim("optimisation fades", "The variance of optimisation falls with the width after its peak.",
          "variance of optimisation at its peak minus the lowest after it, cross-fitted", split(fall_of_optimisation),
          higher, NEAL, "+.3f", "sources"),
    Claim("sampling grows", "The variance of sampling still grows at the largest width.",
          "variance of sampling at the largest minus at the second largest width", split(growth_of_sampling), higher,
          "Neal et al. 2018: it stays", "+.3f", "sources"),
    Claim("sampling outweighs optimisation", "At the largest width the variance of sampling is the larger one.",
          "variance of sampling minus that of optimisation", split(sampling_at_widest), higher, NEAL, "+.3f",
          "sources"),
)  # fmt: skip
