"""Adam's epsilon: from the sign of the gradient to the gradient itself; seconds.

python scripts/lectures.py epsilon

Adam divides by √v + ε. Where ε is small beside the gradients, all numbers take equally long steps whatever their
gradients are; where it is large, steps are proportional to gradients, and Adam is descent with averaged gradients and
the rate lr / ε. In between lies the ratio (|g₁| + ε) / (|g₂| + ε) of two numbers' rates. In a valley that decides
whether the curvature is seen.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from fbgd.report.claims import Claim, Estimate, exactly, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.studies.constructed import check_words, constructed, only_named
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.lectures.paths import path
from fbgd.studies.study import Preset, Study
from optimizers import Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# f(x) = (x₁² / CONDITION + x₂²) / 2 from START; the rate of a number's first step is that of RATE / (|g| + ε).
CONDITION, START, RATE = 100.0, (1.0, 1.0), 0.05
CURVATURES = torch.tensor([1 / CONDITION, 1.0], dtype=torch.float64)
# Paths that the left panel shows, and their steps.
SHOWN, STEPS = (1e-8, 1e-2, 1.0, 1e2), 150
BETAS = (0.9, 0.999)


@dataclass(frozen=True, kw_only=True)
class EpsilonPreset(Preset):
    """Sizes: epsilons."""

    epsilons: tuple[float, ...] = tuple(float(f"1e{power}") for power in range(-8, 7))
    seeds: int = 1


PRESETS = {"quadratic": EpsilonPreset()}


def rate(epsilon: float) -> float:
    """A learning rate with which the steeper number's first step is as long for every epsilon."""
    return RATE * (float(CURVATURES[1]) * START[1] + epsilon)


def descend(epsilon: float, steps: int) -> np.ndarray:
    """Adam's points (steps + 1, 2)."""
    points = path(
        lambda params: Adam(params, lr=rate(epsilon), betas=BETAS, eps=epsilon),
        lambda point: (CURVATURES * point.square()).sum() / 2,
        torch.tensor(START),
        steps,
    )
    return points.numpy()


def averaged_descent(lr: float, steps: int) -> np.ndarray:
    """Descent with Adam's corrected average of gradients and no division: its points (steps + 1, 2)."""
    curvatures, point, average = CURVATURES.numpy(), np.array(START), np.zeros(2)
    points = [point]
    for step in range(1, steps + 1):
        average = BETAS[0] * average + (1 - BETAS[0]) * curvatures * point
        point = point - lr * average / (1 - BETAS[0] ** step)
        points.append(point)
    return np.array(points)


def theory(epsilon: float) -> float:
    """The flat number's rate over the steep one's in the first step: (|g₂| + ε) / (|g₁| + ε)."""
    flat, steep = (float(curvature) * place for curvature, place in zip(CURVATURES, START, strict=True))
    return (steep + epsilon) / (flat + epsilon)


def look(epsilon: float) -> dict[str, float]:
    """A row: the ratio of the two numbers' rates in the first step, and how far the path is from averaged descent's."""
    points = descend(epsilon, STEPS)
    gradients = CURVATURES.numpy() * points[0]
    rates = (points[0] - points[1]) / gradients
    limit = averaged_descent(rate(epsilon) / epsilon, STEPS) if epsilon >= 1 else np.full_like(points, np.nan)
    return {"epsilon": epsilon, "ratio": rates[0] / rates[1], "theory": theory(epsilon),
            "distance": np.linalg.norm(points - limit, axis=1).max(), "end": np.linalg.norm(points[-1])}  # fmt: skip


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every epsilon."""
    check_words(execution.overrides)
    return constructed(pd.DataFrame([look(epsilon) for epsilon in execution.preset.epsilons]))


PARAGRAPH = (
    f"`optimizers.Adam` with betas of {BETAS[0]:g} and {BETAS[1]:g} on (x₁²/{CONDITION:g} + x₂²)/2 from (1, 1), with "
    "the learning rate that makes the first step of x₂ equally long for every ε. Ratio of rates: step over gradient of "
    f"x₁ over that of x₂, in the first step. Distance: the largest between its path of {STEPS} steps and that of "
    "descent with the same average of gradients, no division and the rate lr / ε."
)


def summarise(table: pd.DataFrame) -> Summary:
    """A row an epsilon."""
    rows = [
        {"ε": f"{row['epsilon']:g}", "ratio of rates": f"{row['ratio']:.4g}", "closed form": f"{row['theory']:.4g}",
         "distance to averaged descent": "–" if np.isnan(row["distance"]) else f"{row['distance']:.2g}",
         f"distance to the minimum after {STEPS} steps": f"{row['end']:.3g}"}
        for row in table.to_dict("records")
    ]  # fmt: skip
    return Summary(table.drop(columns="git_revision"), rows, 1, [PARAGRAPH], metric="")


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Paths by epsilon, and the ratio of rates with its closed form."""
    figure, (paths, ratios) = make_figure((11, 4.6), 1, 2)
    across, along = np.meshgrid(np.linspace(-0.3, 1.15, 200), np.linspace(-0.75, 1.15, 200))
    paths.contour(across, along, (across**2 / CONDITION + along**2) / 2, levels=np.geomspace(1e-4, 0.5, 9),
                  colors="0.8", linewidths=0.8)  # fmt: skip
    for place, epsilon in enumerate(SHOWN):
        paths.plot(*descend(epsilon, STEPS).T, "o-", color=f"C{place}", markersize=2, linewidth=1,
                   label=f"ε = {epsilon:g}")  # fmt: skip
    paths.set(title=f"{STEPS} steps of Adam", xlabel="x₁, the flat direction", ylabel="x₂, the steep one")
    paths.legend(fontsize="small", loc="lower right")
    epsilons = np.geomspace(table["epsilon"].min(), table["epsilon"].max(), 300)
    ratios.plot(epsilons, [theory(epsilon) for epsilon in epsilons], color="0.5", linewidth=1.4, label="closed form")
    ratios.plot(table["epsilon"], table["ratio"], "o", color="C0", markersize=5, label="measured")
    ratios.set(xscale="log", yscale="log", xlabel="ε", ylabel="rate of x₁ over rate of x₂",
               title=f"{CONDITION:g}: signs of gradients; 1: gradients")  # fmt: skip
    ratios.legend(fontsize="small")
    figure.suptitle(title)
    return figure


def ratio_error(evidence: Evidence) -> list[Estimate]:
    """The largest error of the ratio, in percent of its closed form."""
    errors = 100 * (evidence.measurements["ratio"] / evidence.measurements["theory"] - 1).to_numpy()
    return [exactly(float(errors[np.abs(errors).argmax()]))]


def far_from_descent(evidence: Evidence) -> list[Estimate]:
    """The largest distance to averaged descent for the largest epsilon."""
    table = evidence.measurements
    return [exactly(float(table.loc[table["epsilon"].idxmax(), "distance"]))]


STUDY = Study(
    name="epsilon",
    family="lectures",
    title="Adam's epsilon",
    about=__doc__,
    presets=PRESETS,
    rungs=only_named(["Adam"]),
    quick=lambda preset, data: replace(preset, epsilons=(1e-8, 1.0, 1e6)),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("rates of the first step", "Two numbers' rates differ as their gradients plus epsilon say.",
              "largest error of their ratio, percent", ratio_error, within(0.01), form="+.1e"),
        Claim("descent in the limit", "With the largest epsilon Adam goes where averaged descent goes.",
              "largest distance of their paths", far_from_descent, within(1e-4), form="+.1e"),
    ),
)  # fmt: skip
