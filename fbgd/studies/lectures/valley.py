"""GD, heavy ball and Nesterov's momentum in a valley, against their closed-form rates; seconds.

python scripts/lectures.py valley

On f(x) = (x₁² / κ + x₂²) / 2 each method has one best setting and a known factor by which a step shrinks the distance:
1 - 2 / (κ + 1) for GD, 1 - 2 / (√κ + 1) for heavy ball (Polyak 1964), 1 - 1 / √κ for Nesterov's momentum (1983).
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from fbgd.report.claims import Claim, Estimate, exactly, within
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.studies.constructed import check_words, constructed, of_methods, only_named, wanted_names
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.lectures.paths import path
from fbgd.studies.study import Preset, Study
from optimizers import SGD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DESCENT, HEAVY_BALL, NESTEROV = METHODS = ("GD", "heavy ball", "Nesterov")
# Long enough that the polynomial before a double root does not matter: in so many times 1 / (1 - factor) steps.
SPANS = {DESCENT: 20, HEAVY_BALL: 200, NESTEROV: 200}
START = (1.0, 1.0)
# What the left panel shows.
SHOWN, STEPS = 30.0, 40


class Setting(NamedTuple):
    """A method's best setting for curvatures 1 / κ and 1, and the factor of a step with it."""

    lr: float
    momentum: float
    factor: float


def best_setting(method: str, condition: float) -> Setting:
    r"""The best setting of a method for the condition number κ.

    .. math::
        \text{GD: } h = \tfrac{2}{1 + 1/\kappa}, \qquad
        \text{heavy ball: } h = \tfrac{4}{(1 + 1/\sqrt\kappa)^2},\;
        \mu = \big(\tfrac{\sqrt\kappa - 1}{\sqrt\kappa + 1}\big)^2, \qquad
        \text{Nesterov: } h = 1,\; \mu = \tfrac{\sqrt\kappa - 1}{\sqrt\kappa + 1}

    Source: Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Nesterov 2004,
    "Introductory Lectures on Convex Optimization", 2.2.1.

    >>> [round(best_setting(method, 100).factor, 4) for method in METHODS]
    [0.9802, 0.8182, 0.9]
    """
    root = math.sqrt(condition)
    if method == DESCENT:
        return Setting(2 / (1 + 1 / condition), 0.0, (condition - 1) / (condition + 1))
    ratio = (root - 1) / (root + 1)
    if method == HEAVY_BALL:
        return Setting(4 / (1 + 1 / root) ** 2, ratio**2, ratio)
    return Setting(1.0, ratio, 1 - 1 / root)


@dataclass(frozen=True, kw_only=True)
class ValleyPreset(Preset):
    """Sizes: condition numbers."""

    conditions: tuple[float, ...] = (10, 30, 100, 300, 1000)
    seeds: int = 1


PRESETS = {"quadratic": ValleyPreset()}


def descend(method: str, condition: float, steps: int) -> np.ndarray:
    """The points (steps + 1, 2) of a method with its best setting."""
    lr, momentum, _ = best_setting(method, condition)
    curvatures = torch.tensor([1 / condition, 1.0], dtype=torch.float64)
    points = path(
        lambda params: SGD(params, lr=lr, momentum=momentum, nesterov=method == NESTEROV, weight_decay=0.0),
        lambda point: (curvatures * point.square()).sum() / 2,
        torch.tensor(START),
        steps,
    )
    return points.numpy()


def measured_factor(method: str, condition: float) -> float:
    """The factor of a step: the geometric mean over the second half of a path."""
    steps = round(SPANS[method] / (1 - best_setting(method, condition).factor))
    logs = np.log(np.linalg.norm(descend(method, condition, steps), axis=1))
    half = steps // 2
    return math.exp((logs[-1] - logs[half]) / (steps - half))


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every wanted method in every valley."""
    check_words(execution.overrides)
    rows = [
        {"method": name, "condition": condition, "factor": measured_factor(name, condition),
         "theory": best_setting(name, condition).factor}
        for name in wanted_names(execution, rungs)
        for condition in execution.preset.conditions
    ]  # fmt: skip
    return constructed(pd.DataFrame(rows))


def digit(factor: float) -> float:
    """Steps to a tenth of the distance."""
    return math.log(0.1) / math.log(factor)


PARAGRAPH = (
    "Steps of `optimizers.SGD` to a tenth of the distance, by the geometric mean of their factors over the second half "
    "of a path from (1, 1), on (x₁²/κ + x₂²)/2 with the best learning rate and momentum for κ; in brackets what the "
    "closed form says. GD with momentum 0; heavy ball and Nesterov's momentum as in `torch.optim.SGD`."
)


def summarise(table: pd.DataFrame) -> Summary:
    """A row a method, a column a valley."""
    numbers, rows = [], []
    for method, part in table.groupby("method", sort=False):
        row = {"method": str(method)}
        for own in part.to_dict("records"):
            numbers.append({"method": method, "condition": own["condition"], "steps": digit(own["factor"]),
                            "theory": digit(own["theory"])})  # fmt: skip
            row[f"κ = {own['condition']:g}"] = f"{digit(own['factor']):.1f} ({digit(own['theory']):.1f})"
        rows.append(row)
    return Summary(pd.DataFrame(numbers), rows, 1, [PARAGRAPH], metric="")


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Paths in one valley, their distances, and steps over the condition number."""
    figure, (valley, distances, scaling) = make_figure((15, 4.6), 1, 3)
    across, along = np.meshgrid(np.linspace(-1.2, 1.2, 200), np.linspace(-1.4, 1.2, 200))
    levels = np.geomspace(1e-3, 1, 8)
    valley.contour(across, along, (across**2 / SHOWN + along**2) / 2, levels=levels, colors="0.8", linewidths=0.8)
    for place, method in enumerate(dict.fromkeys(table["method"])):
        colour = f"C{place}"
        points = descend(method, SHOWN, STEPS)
        valley.plot(*points.T, "o-", color=colour, markersize=2.5, linewidth=1, label=method)
        distances.plot(np.linalg.norm(points, axis=1), color=colour)
        factor = best_setting(method, SHOWN).factor
        distances.plot([0, STEPS], [1, factor**STEPS], ":", color=colour, linewidth=1)
        part = table[table["method"] == method]
        scaling.plot(part["condition"], [digit(value) for value in part["theory"]], color=colour, linewidth=1.4)
        scaling.plot(part["condition"], [digit(value) for value in part["factor"]], "o", color=colour, markersize=5)
    valley.set(title=f"{STEPS} steps, κ = {SHOWN:g}", xlabel="x₁, the flat direction", ylabel="x₂, the steep one")
    valley.legend(fontsize="small", loc="lower left")
    distances.set(yscale="log", title=f"κ = {SHOWN:g}; dotted: the closed-form factor", xlabel="step",
                  ylabel="distance to the minimum")  # fmt: skip
    scaling.set(xscale="log", yscale="log", title="dots measured, lines closed forms", xlabel="condition number κ",
                ylabel="steps to a tenth of the distance")  # fmt: skip
    figure.suptitle(title)
    return figure


def largest_error(part: pd.DataFrame, level: float) -> Estimate:
    """The largest error of ln factor over the valleys, in percent of its closed form."""
    errors = 100 * (np.log(part["factor"]) / np.log(part["theory"]) - 1).to_numpy()
    return exactly(float(errors[np.abs(errors).argmax()]))


def exponent_error(part: pd.DataFrame, level: float) -> Estimate:
    """The exponent of κ in the number of steps, minus 1 for GD and 1/2 for momentum."""
    steps = np.log([digit(factor) for factor in part["factor"]])
    slope = np.polyfit(np.log(part["condition"]), steps, 1)[0]
    return exactly(float(slope - (1 if part["method"].iloc[0] == DESCENT else 0.5)))


STUDY = Study(
    name="valley",
    family="lectures",
    title="A valley",
    about=__doc__,
    presets=PRESETS,
    rungs=only_named(METHODS),
    quick=lambda preset, data: replace(preset, conditions=(10, 30)),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("closed-form rate", "Each method shrinks the distance at its closed-form rate, to two percent.",
              "largest error of ln factor over the valleys, percent", of_methods(largest_error), within(2),
              "exact (Polyak 1964; Nesterov 1983)"),
        Claim("root of the condition", "GD's steps grow like κ, momentum's like its root.",
              "exponent of κ, minus 1 for GD and minus 1/2 for momentum", of_methods(exponent_error), within(0.1),
              "1 and 1/2 (Polyak 1964; Nesterov 1983)"),
    ),
)  # fmt: skip
