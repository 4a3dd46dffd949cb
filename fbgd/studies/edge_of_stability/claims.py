"""What the figure ``sharpness`` is asked."""

from collections.abc import Callable

import pandas as pd

from fbgd.report.claims import Claim, Estimate, exactly, higher, lower, of_difference, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import paired_t
from fbgd.studies.edge_of_stability.measure import settle
from fbgd.studies.edge_of_stability.settings import CLIPPED, CROSS_ENTROPY, GD, METHODS, PENALISED, SAM

STRICT, WIDE = 0.05, 0.1
MARGINS = {method.name: method.margin for method in METHODS}
COHEN = "hovers at or just above 2 / h (Cohen et al. 2021)"
BATCHES = "each at its threshold (Cohen et al. 2021, 2022); SGD by its batch sharpness (2412.20553)"


def by_seed(runs: pd.DataFrame, column: str) -> pd.Series:
    """The mean over the learning rates with every seed that has all of them."""
    table = runs.pivot(index="seed", columns="rate", values=column)
    return table.dropna().mean(axis=1)


def at_the_edge(column: str, margin: float) -> Callable[[Evidence], list[Estimate]]:
    """How far the mean over the rates is from the edge, a method a case: those with this margin."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        found = []
        for method, runs in settle(evidence.measurements).groupby("method", sort=False):
            if MARGINS[method] == margin and len(values := by_seed(runs, column)):
                found.append(of_mean(values, evidence.level, str(method), less=1))
        return found

    return estimates


def furthest_rate(margin: float) -> Callable[[Evidence], list[Estimate]]:
    """The mean over the seeds at the learning rate where it is furthest from the edge: a number of these runs."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        found = []
        for method, runs in settle(evidence.measurements).groupby("method", sort=False):
            if MARGINS[method] == margin:
                means = runs.groupby("rate")["settled"].mean() - 1
                rate = means.abs().idxmax()
                found.append(exactly(float(means[rate]), f"{method}, rate {rate:g}"))
        return found

    return estimates


def of_cross_entropy(column: str) -> Callable[[Evidence], list[Estimate]]:
    """How far the mean over the rates of a column is from the edge, with cross-entropy."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        runs = settle(evidence.measurements)
        values = by_seed(runs[runs["method"] == CROSS_ENTROPY], column)
        return [of_mean(values, evidence.level, less=1)] if len(values) else []

    return estimates


def against_descent(method: str) -> Callable[[Evidence], list[Estimate]]:
    """The sharpness over 2 / h of a method minus that of plain descent at the same rate and from the same start."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        runs = settle(evidence.measurements).set_index("method")
        if not {method, GD} <= set(runs.index):
            return []
        found = []
        ours, theirs = (runs.loc[[name]].set_index(["rate", "seed"])["plain"] for name in (method, GD))
        both = pd.concat({"ours": ours, "theirs": theirs}, axis=1).dropna().groupby("seed").mean()
        if len(both) > 1:
            found.append(of_difference(paired_t(both["ours"], both["theirs"], evidence.level), scale=1))
        return found

    return estimates


def some(estimates: Callable[[Evidence], list[Estimate]]) -> Callable[[Evidence], list[Estimate]]:
    """The same, and nothing where nothing was measured."""
    return lambda evidence: estimates(evidence) if len(evidence.measurements) else []


def versus(name: str, sentence: str, method: str, rule, published: str = "") -> Claim:
    """A claim about what an ingredient does to the sharpness."""
    quantity = "sharpness over 2 / h, minus that of GD at the same rates"
    return Claim(name, sentence, quantity, some(against_descent(method)), rule, published, "+.3f", "ingredients")


AWAY = "mean over the rates of what is measured over its edge, minus 1"
CLAIMS = (
    Claim("GD settles at its edge", f"Once settled, the sharpness of GD is within {100 * STRICT:g} % of 2 / h.",
          AWAY, some(at_the_edge("settled", STRICT)), within(STRICT), COHEN, "+.3f", "GD"),
    Claim("others settle at theirs", f"Once settled, every other method is within {100 * WIDE:g} % of its own edge.",
          AWAY, some(at_the_edge("settled", WIDE)), within(WIDE), BATCHES, "+.3f", "others"),
    Claim("GD since it got there",
          f"From its first look at the edge on, the mean sharpness of GD is within {100 * STRICT:g} % of 2 / h.",
          AWAY, some(at_the_edge("since", STRICT)), within(STRICT), COHEN, "+.3f", "GD"),
    Claim("others since they got there",
          f"From its first look at the edge on, every other method is in the mean within {100 * WIDE:g} % of its own.",
          AWAY, some(at_the_edge("since", WIDE)), within(WIDE), BATCHES, "+.3f", "others"),
    Claim("GD at every rate", f"At each learning rate GD settles within {100 * STRICT:g} %.",
          "the rate that is furthest", some(furthest_rate(STRICT)), within(STRICT), "", "+.3f"),
    Claim("others at every rate", f"At each learning rate the others settle within {100 * WIDE:g} %.",
          "the rate that is furthest", some(furthest_rate(WIDE)), within(WIDE), "", "+.3f"),
    versus("clipping moves the edge", "Clipping lets the sharpness rise above that of GD.", CLIPPED, higher),
    versus("the penalty keeps it lower", "The gradient penalty keeps the sharpness below that of GD.", PENALISED,
           lower),
    versus("SAM keeps it lower", "SAM keeps the sharpness below that of GD.", SAM, lower,
           "below 2 / h (Long & Bartlett 2024)"),
    *(versus(f"{blocks} blocks keep it lower", f"SGD with {blocks} blocks keeps the full objective's sharpness below "
             "that of GD.", f"SGD, {blocks} blocks", lower, "decreases with the batch size (2412.20553)")
      for blocks in (2, 5)),
    Claim("cross-entropy gets there", "With cross-entropy the sharpness of GD rises above 2 / h.",
          "mean over the rates of its highest sharpness over 2 / h, minus 1", some(of_cross_entropy("highest")), higher,
          COHEN, "+.3f"),
    Claim("cross-entropy does not stay", "Then it falls below 2 / h, as the network fits its samples.",
          "mean over the rates of the settled sharpness over 2 / h, minus 1", some(of_cross_entropy("settled")), lower,
          "falls at the end of training (Cohen et al. 2021)", "+.3f"),
)  # fmt: skip
