"""What the probed ladder is asked: about sharpness, noise and clipping, rung against rung, and within runs."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from fbgd.report.claims import Claim, Estimate, lower, of_difference, of_mean
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import difference
from fbgd.studies.ladder_probed.looks import BATCH, at_a_moment, geometric, rank_correlation, signal

# Rungs that differ by an ingredient: what it is, with it, without it.
STEPS = (
    ("longer, larger rate", "FB no warm-up", "Baseline FB"),
    ("warm-up", "FB train longer", "FB no warm-up"),
    ("warm-up, clipped", "FB clipped", "FB no warm-up, clipped"),
    ("clipping", "FB clipped", "FB train longer"),
    ("penalty", "FB penalised", "FB clipped"),
    ("larger rate", "FB regularised", "FB penalised"),
    ("small blocks", "FB strong reg.", "FB regularised"),
)
CLIPPED = (
    "FB no warm-up, clipped", "FB clipped", "FB penalised", "FB regularised", "FB strong reg.", "FB in practice"
)  # fmt: skip
BOTH_CLIPPED = tuple(step for step in STEPS if {*step[1:]} <= {*CLIPPED})
# Momentum 0.9 in Nesterov's form is stable on a quadratic below so much over the learning rate.
MOMENTUM = 0.9
EDGE = (2 + 2 * MOMENTUM) / (1 + 2 * MOMENTUM)
Values = Callable[[pd.DataFrame], pd.Series]


def share_clipped(part: pd.DataFrame) -> pd.Series:
    """The share of clipped steps by seed, in percent: looks are equally far apart."""
    return 100 * part.groupby("seed")["clipped"].mean()


def mean_signal(part: pd.DataFrame) -> pd.Series:
    """The mean over looks of the share of signal in a batch, by seed, in percent."""
    return 100 * signal(part).groupby(part["seed"]).mean()


def beyond_edge(part: pd.DataFrame, rate: str) -> pd.Series:
    """The share of looks at which sharpness times a rate is beyond the threshold, by seed, in percent."""
    beyond = 100.0 * (part[rate] * part["sharpness"] > EDGE)
    return beyond.groupby(part["seed"]).mean()


def of_rung(evidence: Evidence, rung: str) -> pd.DataFrame:
    """The looks of a rung."""
    table = evidence.measurements
    return table[table["rung"] == rung]


def changes(values: Values, steps: tuple[tuple[str, str, str], ...] = STEPS) -> Callable[[Evidence], list[Estimate]]:
    """With an ingredient minus without it, for each step of the ladder that was run."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        found = []
        for case, left, right in steps:
            parts = [of_rung(evidence, rung) for rung in (left, right)]
            if all(len(part) for part in parts):
                ours, theirs = (values(part) for part in parts)
                found.append(of_difference(difference(ours, theirs, evidence.level), case, scale=1))
        return found

    return estimates


def within_runs(values: Values) -> Callable[[Evidence], list[Estimate]]:
    """The mean over seeds of a number of each run, which is averaged over the clipped rungs of a seed first."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        parts = [part for rung in CLIPPED if len(part := of_rung(evidence, rung))]
        own = pd.concat([values(part) for part in parts]) if parts else pd.Series(dtype=float)
        if not len(own):
            return []
        seeds = own.groupby(level=0).mean()
        if np.ptp(seeds) > 0:
            return [of_mean(seeds, evidence.level)]
        # Values that are all the same tell nothing of their spread.
        return [Estimate(float(seeds.mean()), math.nan, math.nan)]

    return estimates


CLAIMS = (
    Claim("sharpness", "The ingredient lowers the sharpness.",
          "logarithm of the ratio of sharpness, mean over the looks at a run",
          changes(lambda part: geometric(part, "sharpness")), lower),
    Claim("noise", "The ingredient lowers the noise of the gradients.",
          "logarithm of the ratio of the trace of the gradients' covariance, mean over the looks at a run",
          changes(lambda part: geometric(part, "trace")), lower),
    Claim("noise scale", "The ingredient raises the noise scale.",
          f"difference of the share of signal in a batch of {BATCH}, 1 / (1 + noise scale / {BATCH}), mean over the "
          "looks at a run, points",
          changes(mean_signal), lower, form="+.1f", family="noise scale"),
    Claim("clipped share", "The ingredient lowers the share of clipped steps.", "difference of shares, points",
          changes(share_clipped, BOTH_CLIPPED), lower, form="+.1f"),
    Claim("rate follows the landscape", "Clipping shortens steps more where the loss is sharper.",
          "rank correlation of the factor of clipping and sharpness over the looks at a run, mean over clipped rungs",
          within_runs(lambda part: rank_correlation(part, "factor", "sharpness")), lower,
          "clipping acts as a rate that follows the landscape (Geiping et al. 2022)"),
    Claim("at the same moment", "At the same pass it shortens steps more in a run where the loss is sharper.",
          "rank correlation as above of deviations from the means over seeds at the same pass",
          within_runs(lambda part: rank_correlation(at_a_moment(part, ["factor", "sharpness"]), "factor", "sharpness")),
          lower, "clipping acts as a rate that follows the landscape (Geiping et al. 2022)"),
    Claim("back within the edge", "Clipping brings looks back under the threshold of stability.",
          "share of looks beyond it, effective rate minus learning rate, mean over clipped rungs, points",
          within_runs(lambda part: beyond_edge(part, "effective_rate") - beyond_edge(part, "lr")), lower, form="+.1f"),
)  # fmt: skip
