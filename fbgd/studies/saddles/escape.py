"""Steps of GD, momentum, SGD and perturbed GD away from a saddle, against closed forms; seconds.

python scripts/saddles.py escape
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from fbgd.report.claims import Claim, Estimate, above, exactly, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.studies.constructed import check_words, constructed, only_named
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.saddles.methods import (
    BLOCK,
    DESCENT,
    HEAVY_BALL,
    NESTEROV,
    PERTURBED,
    SAMPLES,
    SHIFT,
    STOCHASTIC,
    Perturbation,
    follow,
    noise_of,
)
from fbgd.studies.saddles.recursions import descent_steps, heavy_ball, nesterov, noisy_steps, perturbed_steps
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = (DESCENT, HEAVY_BALL, NESTEROV, STOCHASTIC, PERTURBED)
NOISY = (STOCHASTIC, PERTURBED)
RATE, MOMENTUM = 0.1, 0.9
STEP_NOISE = SHIFT / math.sqrt(BLOCK)
BALL = Perturbation(radius=0.01, threshold=0.1, pause=2000)
MOST = 20_000


@dataclass(frozen=True, kw_only=True)
class EscapePreset(Preset):
    """Sizes: curvatures -gamma, and distances from the line that descent to the saddle stays on."""

    curvatures: tuple[float, ...] = (1.0, 0.2)
    distances: tuple[float, ...] = tuple(float(f"1e-{power}") for power in range(1, 13))
    seeds: int = 100


PRESETS = {"quadratic": EscapePreset()}


def theory(method: str, curvature: float, distance: float) -> float:
    """The steps that a method's closed form says, in expectation where it is noisy."""
    if method == STOCHASTIC:
        return noisy_steps(RATE, curvature, distance, STEP_NOISE)
    if method == PERTURBED:
        return perturbed_steps(RATE, curvature, distance, BALL.radius, BALL.threshold)
    if method == DESCENT:
        return descent_steps(RATE, curvature, distance)
    form = heavy_ball if method == HEAVY_BALL else nesterov
    return form(RATE, curvature, MOMENTUM).steps(distance)


def escape(method: str, curvature: float, distances: tuple[float, ...], seeds: int) -> pd.DataFrame:
    """A row a distance and seed, from (1, distance) until the second number is beyond 1 in absolute value."""
    count = seeds if method in NOISY else 1
    starts = torch.tensor([[1.0, distance] for distance in distances for _ in range(count)], dtype=torch.float64)
    slopes = torch.tensor([1.0, -curvature], dtype=torch.float64)
    steps = follow(
        lambda points: slopes * points,
        starts,
        lambda points: points[:, 1].abs() >= 1,
        MOST,
        (noise.repeat(len(distances), 1) for noise in noise_of(count, 2)) if method == STOCHASTIC else None,
        BALL if method == PERTURBED else None,
        lr=RATE,
        momentum=MOMENTUM if method in (HEAVY_BALL, NESTEROV) else 0.0,
        nesterov=method == NESTEROV,
    )
    table = pd.DataFrame({"distance": np.repeat(distances, count), "seed": list(range(count)) * len(distances),
                          "steps": steps.numpy()})  # fmt: skip
    known = {distance: theory(method, curvature, distance) for distance in distances}
    return table.assign(method=method, curvature=-curvature, theory=table["distance"].map(known))


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every wanted method from every distance."""
    check_words(execution.overrides)
    preset = execution.preset
    parts = [
        escape(rung.name, curvature, preset.distances, execution.seeds)
        for curvature in preset.curvatures
        for rung in rungs
        if execution.wanted(rung.name)
    ]
    return constructed(pd.concat(parts, ignore_index=True))


def relative_errors(part: pd.DataFrame) -> pd.Series:
    """Measured over expected steps, both summed over the distances, minus 1, in percent, by seed."""
    sums = part.groupby("seed")[["steps", "theory"]].sum()
    return 100 * (sums["steps"] / sums["theory"] - 1)


def summarise(table: pd.DataFrame) -> Summary:
    """A row a curvature and method: steps from the largest and the smallest distance, and what theory says of them."""
    numbers, rows = [], []
    for (curvature, method), part in table.groupby(["curvature", "method"], sort=False):
        ends = {place: part[part["distance"] == part["distance"].agg(place)] for place in ("max", "min")}
        row = {"curvature": f"{curvature:g}", "method": str(method), "n": str(part["seed"].nunique())}
        for own in ends.values():
            place = f"from {own['distance'].iloc[0]:g}"
            row |= {place: f"{own['steps'].mean():.1f}", f"{place}, theory": f"{own['theory'].mean():.1f}"}
        numbers.append({"curvature": curvature, "method": method, "steps": ends["min"]["steps"].mean(),
                        "theory": ends["min"]["theory"].mean()})  # fmt: skip
        rows.append(row)
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH], metric="")


PARAGRAPH = (
    f"Steps of `optimizers.SGD` with the rate {RATE:g} on (x² + curvature · y²)/2, from x = 1 and y = the distance "
    f"in the head of the column, to |y| ≥ 1; momentum {MOMENTUM:g}; mean over n seeds. SGD: blocks of {BLOCK} of "
    f"{SAMPLES} samples, drawn with replacement, whose linear terms have mean 0 and standard deviation {SHIFT:g}. "
    f"Perturbed GD: a point of the disc of radius {BALL.radius:g} is added where the gradient is at most "
    f"{BALL.threshold:g}, at most once in {BALL.pause} steps. Theory: ln(1/distance)/ln(1 + rate · |curvature|) "
    "for GD, both roots of the linear recursion for momentum, real numbers of which the next whole one is "
    "measured; the sum over t of the probability that the Gaussian y of step t is within 1 for SGD; the mean over "
    "the disc for perturbed GD."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Mean steps over the distance, dots measured, lines theory, a panel a curvature."""
    curvatures = list(dict.fromkeys(table["curvature"]))
    figure, panels = make_figure((6.6 * len(curvatures), 5.2), 1, len(curvatures))
    for index, (axes, curvature) in enumerate(zip(panels, curvatures, strict=True)):
        for place, (method, part) in enumerate(table[table["curvature"] == curvature].groupby("method", sort=False)):
            means = part.groupby("distance")[["steps", "theory"]].mean()
            axes.plot(means["theory"], color=f"C{place}", linewidth=1.4)
            axes.plot(means["steps"], "o", color=f"C{place}", markersize=5, label=method)
        axes.set(xscale="log", ylim=(0, None), title=f"curvature {curvature:g}", ylabel="steps to leave",
                 xlabel="distance at the start")  # fmt: skip
        axes.invert_xaxis()
        if index == 0:
            axes.legend(fontsize="small")
    figure.suptitle(f"{title}: dots measured, lines closed forms")
    return figure


Cases = Callable[[Evidence], list[Estimate]]


def over(names: tuple[str, ...], estimate: Callable[[pd.DataFrame, pd.DataFrame, float], Estimate]) -> Cases:
    """An estimate for every method of ``names`` and curvature, from its rows and those of GD."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table, found = evidence.measurements, []
        for (curvature, method), part in table.groupby(["curvature", "method"], sort=False):
            descent = table[(table["curvature"] == curvature) & (table["method"] == DESCENT)]
            if method in names and len(descent):
                case = f"{method}, curvature {curvature:g}"
                found.append(estimate(part, descent, evidence.level)._replace(case=case))
        return found

    return estimates


def largest_error(part: pd.DataFrame, descent: pd.DataFrame, level: float) -> Estimate:
    """The largest of measured minus theoretical steps over the distances."""
    errors = (part["steps"] - part["theory"]).to_numpy()
    return exactly(float(errors[np.abs(errors).argmax()]))


def mean_error(part: pd.DataFrame, descent: pd.DataFrame, level: float) -> Estimate:
    """The mean over seeds of :func:`relative_errors`."""
    return of_mean(relative_errors(part), level)


def speedup(part: pd.DataFrame, descent: pd.DataFrame, level: float) -> Estimate:
    """GD's steps over the mean ones, from the smallest distance."""
    steps, whole = (own.loc[own["distance"] == own["distance"].min(), "steps"] for own in (part, descent))
    mean, slow = of_mean(steps, level), float(whole.iloc[0])
    return Estimate(slow / mean.value, slow / mean.high, slow / mean.low)


def growth(part: pd.DataFrame, descent: pd.DataFrame, level: float) -> Estimate:
    """How much the steps grow over the smaller half of the distances, over what GD's grow, mean over seeds."""
    distances = np.sort(part["distance"].unique())
    ends = [distances[0], distances[len(distances) // 2 - 1]]
    rise, whole = (
        own.pivot(index="seed", columns="distance", values="steps")[ends].agg(
            lambda row: row.iloc[0] - row.iloc[1], axis=1
        )
        for own in (part, descent)
    )
    shares = rise.to_numpy() / whole.iloc[0]
    return of_mean(shares, level) if np.ptp(shares) else exactly(float(shares[0]))


STUDY = Study(
    name="escape",
    family="saddles",
    title="Leaving a quadratic saddle",
    about=__doc__,
    presets=PRESETS,
    rungs=only_named(METHODS),
    quick=lambda preset, data: replace(preset, curvatures=(1.0,), distances=(1e-1, 1e-2, 1e-3, 1e-4), seeds=5),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("closed form", "It takes the steps of its closed form, to the next whole one.",
              "largest difference over the distances, steps", over((DESCENT, HEAVY_BALL, NESTEROV), largest_error),
              within(1), "ln(1/δ)/ln(1 + hγ) for GD"),
        Claim("expected steps", "With noise it takes the expected steps, to a tenth.",
              "mean difference over all distances, %", over(NOISY, mean_error), within(10), form="+.1f"),
        Claim("noise leaves sooner", "From the smallest distance it takes less than half of GD's steps.",
              "GD's steps over its mean ones", over(NOISY, speedup), above(2),
              "GD slows down without bound, noise does not (Jin et al. 2017)", form=".2f"),
        Claim("whatever the distance", "Below its noise the distance no longer matters, to a twentieth of GD's growth.",
              "growth of the steps over the smaller half of the distances, over GD's", over(NOISY, growth),
              within(0.05), form="+.3f"),
    ),
)  # fmt: skip
