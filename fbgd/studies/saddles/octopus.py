"""Steps of GD, momentum, SGD and perturbed GD past a chain of saddles, by their number (Du et al. 2017); seconds.

python scripts/saddles.py octopus
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from fbgd.report.claims import Claim, Estimate, above, below, higher, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.seeds import generator
from fbgd.studies.constructed import check_words, constructed, only_named
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.saddles.chain import Chain
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
from fbgd.studies.saddles.recursions import chain_factor, heavy_ball, nesterov
from fbgd.studies.study import Preset, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LESS_HEAVY = f"{HEAVY_BALL}, 0.5"
# Options of the optimizer by method; those without are plain descent.
MOMENTUM: dict[str, dict[str, Any]] = {
    HEAVY_BALL: {"momentum": 0.9},
    LESS_HEAVY: {"momentum": 0.5},
    NESTEROV: {"momentum": 0.9, "nesterov": True},
}
METHODS = (DESCENT, PERTURBED, STOCHASTIC, *MOMENTUM)
CHAIN = Chain(across=1.0, along=1.0, length=1.0)
RATE = 0.25
# Starts are uniform in the cube of so much around the first saddle.
CUBE = 0.1
BALL = Perturbation(radius=0.01, threshold=0.01, pause=40)
MOST = 20_000


@dataclass(frozen=True, kw_only=True)
class OctopusPreset(Preset):
    """Sizes: numbers of saddles. With more, what is left of the last coordinate can underflow in double precision."""

    saddles: tuple[int, ...] = (1, 2, 3, 4, 5)
    seeds: int = 50


PRESETS = {"chain": OctopusPreset()}


def factor(method: str) -> float:
    """By how much the wait grows from saddle to saddle without noise, in the closed form."""
    if method == DESCENT:
        return chain_factor(1 + 2 * RATE * CHAIN.along, 1 - 2 * RATE * CHAIN.across)
    weight = MOMENTUM[method]["momentum"]
    form, kept = (nesterov, 1 - 2 * RATE * CHAIN.across) if method == NESTEROV else (heavy_ball, 1.0)
    # Across the chain both roots are complex: their product is the square of what a step leaves.
    return chain_factor(form(RATE, 2 * CHAIN.along, weight).roots[0], math.sqrt(weight * kept))


def descend(method: str, saddles: int, seeds: int) -> pd.DataFrame:
    """A row a seed: the steps until all saddles are behind; all methods begin at the same points."""
    starts = torch.stack(
        [
            CUBE * (2 * torch.rand(saddles, generator=generator(seed, "start"), dtype=torch.float64) - 1)
            for seed in range(seeds)
        ]
    )
    ball = BALL if method == PERTURBED else None
    noise = noise_of(seeds, saddles) if method == STOCHASTIC else None
    options = MOMENTUM.get(method, {})
    steps = follow(CHAIN.gradient, starts, CHAIN.at_minimum, MOST, noise=noise, perturbation=ball, lr=RATE, **options)
    return pd.DataFrame({"method": method, "saddles": saddles, "seed": range(seeds), "steps": steps.numpy()})


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every wanted method on every chain."""
    check_words(execution.overrides)
    parts = [
        descend(rung.name, saddles, execution.seeds)
        for rung in rungs
        if execution.wanted(rung.name)
        for saddles in execution.preset.saddles
    ]
    return constructed(pd.concat(parts, ignore_index=True))


def summarise(table: pd.DataFrame) -> Summary:
    """A row a method: the mean steps by number of saddles."""
    numbers, rows = [], []
    for method, part in table.groupby("method", sort=False):
        groups = part.groupby("saddles")["steps"]
        numbers.append({"method": method} | {f"{count} saddles": own.mean() for count, own in groups})
        rows.append({"method": str(method), "n": str(part["seed"].nunique())} | {
            f"{count} saddle{'s' * (count > 1)}": f"{own.mean():.0f} ± {own.std():.0f}" for count, own in groups
        })  # fmt: skip
    return Summary(pd.DataFrame(numbers), rows, 1, [PARAGRAPH], metric="")


PARAGRAPH = (
    f"Steps of `optimizers.SGD` with the rate {RATE:g} until all saddles are behind, mean ± standard deviation "
    f"over n starts, uniform in a cube of half side {CUBE:g} around the first saddle. The function is that of Du "
    f"et al. 2017 with L = {CHAIN.across:g}, γ = {CHAIN.along:g}, τ = {CHAIN.length:g}, where the paper has L = τ "
    f"= e. Perturbed GD: a point of the ball of radius {BALL.radius:g} is added where the gradient is at most "
    f"{BALL.threshold:g}, at most once in {BALL.pause} steps. Momentum is 0.9 where nothing else is said. SGD: blocks "
    f"of {BLOCK} of {SAMPLES} samples, whose gradients differ by linear terms of standard deviation {SHIFT:g}. With "
    "more saddles the last coordinate of plain descent underflows to 0 in double precision before its turn, from some "
    "starts with six."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Steps over the number of saddles, half and fully logarithmic."""
    figure, panels = make_figure((12, 5), 1, 2)
    for place, (method, part) in enumerate(table.groupby("method", sort=False)):
        groups = part.groupby("saddles")["steps"]
        for axes in panels:
            axes.plot(groups.mean(), "o-", color=f"C{place}", label=method)
            axes.fill_between(
                groups.min().index, groups.min(), groups.max(), color=f"C{place}", alpha=0.18, linewidth=0
            )
    counts = sorted(table["saddles"].unique())
    for axes, scale in zip(panels, ("linear", "log"), strict=True):
        axes.set(xscale=scale, yscale="log", xlabel="saddles", ylabel="steps")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
    panels[0].set_title("a line: a factor a saddle")
    panels[1].set_title("a line: a power of their number")
    panels[0].legend()
    figure.suptitle(f"{title}: mean and range over starts")
    return figure


def slopes(part: pd.DataFrame, *, power: bool) -> np.ndarray:
    """Least-squares slopes of ln steps over the number of saddles, or over its logarithm, a seed each."""
    steps = np.log(part.pivot(index="seed", columns="saddles", values="steps"))
    counts = steps.columns.to_numpy(dtype=float)
    return np.polyfit(np.log(counts) if power else counts, steps.to_numpy().T, 1)[0]


def slope(method: str, evidence: Evidence, *, power: bool = False, factor: bool = False) -> list[Estimate]:
    """The mean slope of a method with its interval, or the factor a saddle that it stands for."""
    table = evidence.measurements
    part = table[table["method"] == method]
    if not len(part):
        return []
    found = slopes(part, power=power)
    mean = of_mean(found, evidence.level)
    value, low, high = mean[:3]
    return [Estimate(math.exp(value), math.exp(low), math.exp(high)) if factor else mean]


def advantage(*methods: str, cases: bool = True) -> Callable[[Evidence], list[Estimate]]:
    """The logarithm of GD's over another method's steps with the most saddles, pairs by start."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = evidence.measurements
        most = table[table["saddles"] == table["saddles"].max()]
        steps = np.log(most.pivot(index="seed", columns="method", values="steps"))
        known = [method for method in methods if {DESCENT, method} <= set(steps)]
        return [of_mean(steps[DESCENT] - steps[own], evidence.level, own if cases else "") for own in known]

    return estimates


def last_wait(evidence: Evidence) -> list[Estimate]:
    """The wait for the last saddle over that for the one before and the closed form's factor, minus 1, by method.

    The waits of a start are few whole steps, so their means are divided: the interval is that of the mean over starts
    of the last wait minus so many times the one before.
    """
    table, found = evidence.measurements, []
    for method in (DESCENT, *MOMENTUM):
        part = table[table["method"] == method]
        steps = part.pivot(index="seed", columns="saddles", values="steps")
        if steps.shape[1] < 3:
            continue
        before, last = (steps.iloc[:, place] - steps.iloc[:, place - 1] for place in (-2, -1))
        expected = factor(method) * before
        found.append(of_mean((last - expected) / expected.mean(), evidence.level, method))
    return found


def growth(*methods: str) -> Callable[[Evidence], list[Estimate]]:
    """The exponent of the power of the number of saddles, a case a method."""
    return lambda evidence: [
        estimate._replace(case=method) for method in methods for estimate in slope(method, evidence, power=True)
    ]


STUDY = Study(
    name="octopus",
    family="saddles",
    title="A chain of saddles",
    about=__doc__,
    presets=PRESETS,
    rungs=only_named(METHODS),
    quick=lambda preset, data: replace(preset, saddles=(1, 2, 3), seeds=5),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("GD, exponential", "Every further saddle multiplies the steps of GD by at least 1.5.",
              "factor a saddle, from the slope of the logarithm of the steps",
              lambda evidence: slope(DESCENT, evidence, factor=True), above(1.5),
              "exponential (Du et al. 2017)", form=".2f"),
        Claim("perturbed GD, polynomial", "The steps of perturbed GD grow at most like the square of the number.",
              "exponent, from the slope of the logarithms", lambda evidence: slope(PERTURBED, evidence, power=True),
              below(2), "polynomial (Jin et al. 2017; Du et al. 2017)", form=".2f"),
        Claim("perturbations pay", "With the most saddles perturbed GD takes fewer steps.",
              "logarithm of GD's steps over perturbed GD's", advantage(PERTURBED, cases=False), higher),
        Claim("the wait grows as in the closed form", "Without noise the wait for a saddle grows from one to the next "
              "by the closed form's factor, to a tenth.", "share of the last wait beyond it", last_wait, within(0.1),
              form="+.3f", later=True),
        Claim("SGD, polynomial", "The steps of SGD grow at most like the square of the number.",
              "exponent, from the slope of the logarithms", growth(STOCHASTIC), below(2), form=".2f", later=True),
        Claim("noise and momentum pay", "With the most saddles it takes fewer steps than GD.",
              "logarithm of GD's steps over its own", advantage(STOCHASTIC, *MOMENTUM), higher, later=True),
    ),
)  # fmt: skip
