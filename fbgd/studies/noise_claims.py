"""What the study ``noise`` is asked."""

import math

import pandas as pd

from fbgd.report.claims import Claim, Estimate, higher, lower, of_difference, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import difference
from fbgd.studies.differences import accuracy_difference, values_of

SGD, NONE = "SGD", "no noise"
ISOTROPIC, COVARIANCE = "isotropic", "covariance"
SHARPNESS = "sharpness/sharpness"
RATIO = "gradient_covariance/anisotropy"
ZHU = "Zhu et al. 2019"


def labels(structure: str, trace: str) -> dict[str, str]:
    """Of a setting."""
    return {"structure": structure, "trace": trace}


def anisotropy(evidence: Evidence) -> list[Estimate]:
    """The mean over looks of D tr(HC) / (tr H tr C), minus 1, by setting."""
    if RATIO not in evidence.measurements:
        return []
    found = []
    for structure, part in evidence.measurements.groupby("structure", sort=False):
        means = part.groupby("seed")[RATIO].mean()
        found.append(of_mean(means, evidence.level, str(structure), less=1))
    return found


def flatter(evidence: Evidence) -> list[Estimate]:
    """The largest eigenvalue of the Hessian after the last step: each kind of noise minus no noise."""
    if SHARPNESS not in evidence.measurements:
        return []
    ends = evidence.measurements.groupby(["structure", "seed"], sort=False).last()[SHARPNESS].dropna()
    by_structure = {name: part.droplevel("structure") for name, part in ends.groupby("structure", sort=False)}
    reference = by_structure.pop(NONE, None)
    if reference is None:
        return []
    return [
        of_difference(difference(own, reference, evidence.level), str(name), scale=1)
        for name, own in by_structure.items()
    ]


def lifts(evidence: Evidence) -> list[Estimate]:
    """SGD and each shape of noise, with SGD's own trace, minus no noise."""
    kinds = evidence.runs.loc[evidence.runs["trace"] == "1", "structure"].drop_duplicates()
    return [
        estimate
        for name in kinds
        for estimate in accuracy_difference(labels(name, "1"), labels(NONE, "0"), case=name)(evidence)
    ]


def shape(evidence: Evidence) -> list[Estimate]:
    """Covariance-shaped minus isotropic noise, at every trace."""
    traces = evidence.runs.loc[evidence.runs["structure"] == ISOTROPIC, "trace"].drop_duplicates()
    return [
        estimate
        for trace in traces
        for estimate in accuracy_difference(labels(COVARIANCE, trace), labels(ISOTROPIC, trace), case=f"trace {trace}")(
            evidence
        )
    ]


def shape_against_size(evidence: Evidence) -> list[Estimate]:
    """How far covariance and isotropic noise are apart, minus how far a quarter and four times the trace are.

    The first is a mean over three traces, the second over both shapes, each as a distance, by the sign of its mean.
    """
    values = {}
    for structure in (ISOTROPIC, COVARIANCE):
        for trace in ("0.25", "1", "4"):
            values[structure, trace], whole = values_of(evidence.runs, labels(structure, trace), "test_accuracy")
            if not whole:
                return []
    table = pd.DataFrame(values)
    shapes = (table[COVARIANCE] - table[ISOTROPIC]).mean(axis=1)
    sizes = sum(table[structure, "4"] - table[structure, "0.25"] for structure in (ISOTROPIC, COVARIANCE)) / 2
    shapes, sizes = (change * math.copysign(1, change.mean()) for change in (shapes, sizes))
    return [of_difference(difference(shapes, sizes, evidence.level, pairs=True))]


POINTS = "difference in test accuracy, points"
CLAIMS = (
    Claim("noise is anisotropic", "The covariance of block gradients is larger along curved directions than white "
          "noise, mean over training.", "D tr(HC) / (tr H tr C) minus 1", anisotropy, higher,
          f"larger than 1 ({ZHU})"),
    Claim("noise lifts accuracy", "Noise with SGD's trace lifts test accuracy over descent without it.", POINTS,
          lifts, higher),
    Claim("shape lifts accuracy", "Noise with SGD's covariance tests better than isotropic noise of the same trace.",
          POINTS, shape, higher, f"better ({ZHU})"),
    Claim("level with SGD", "Noise with SGD's covariance is level with SGD, to a point.", POINTS,
          accuracy_difference(labels(COVARIANCE, "1"), labels(SGD, "1")), within(1), f"as good as SGD ({ZHU})"),
    Claim("noise flattens", "Noise with SGD's trace ends where the Hessian's largest eigenvalue is smaller than "
          "without noise.", "difference in sharpness", flatter, lower,
          f"noise of SGD's shape leaves sharp minima ({ZHU})"),
    Claim("shape before size", "Test accuracy depends on the shape of the noise more than on a factor of 16 in its "
          "trace.", "distance of the two shapes minus distance of the two sizes, points", shape_against_size, higher),
)  # fmt: skip
