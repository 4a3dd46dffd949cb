"""Adagrad's dying rate: what is left of a learning rate, and what it costs when the target moves; seconds.

python scripts/lectures.py adagrad

Adagrad divides by the root of the sum of all squared gradients, so that under gradients of constant size its rate falls
like 1 / √t. RMSprop divides by the root of a moving average, and its rate stays. Here one number follows a noisy target
that jumps half way: before, both come near it; afterwards only one has the rate to follow.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fbgd.report.claims import Claim, Estimate, above, of_mean, within
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.seeds import generator
from fbgd.studies.constructed import check_words, constructed, of_methods, only_named, wanted_names
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Preset, Study
from optimizers import SGD, Adagrad, Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Rates with which all three come half way to the first target in some 10 to 30 steps.
METHODS: dict[str, Callable[[list[Tensor]], torch.optim.Optimizer]] = {
    "SGD": lambda params: SGD(params, lr=0.03),
    "Adagrad": lambda params: Adagrad(params, lr=0.3),
    # RMSprop with Adam's correction of the average's first steps, in which its own would be ten times as large.
    "RMSprop": lambda params: Adam(params, lr=0.03, betas=(0.0, 0.99)),
}
NOISE, START, TARGETS = 1.0, -1.0, (0.0, 1.0)
# Steps that are recorded: evenly on a logarithmic axis, and more of them behind the jump.
LOOKS = 60


@dataclass(frozen=True, kw_only=True)
class AdagradPreset(Preset):
    """Sizes: steps, at half of which the target jumps; followers of a seed's noise each, whose mean is its path."""

    steps: int = 4000
    followers: int = 50
    seeds: int = 20


PRESETS = {"target": AdagradPreset()}


def looks(steps: int) -> list[int]:
    """The steps after which is looked: of either half a grid that is even on a logarithmic axis."""
    half = steps // 2
    grid = np.unique(np.geomspace(1, half, LOOKS).round().astype(int))
    return [*grid, *(half + grid)]


def follow(method: str, steps: int, followers: int, seeds: int) -> pd.DataFrame:
    """A row a seed and look: the mean place of the followers, and the mean of their rates, step over gradient."""
    streams = [generator(seed, "target") for seed in range(seeds)]
    places = torch.nn.Parameter(torch.full((seeds, followers), START, dtype=torch.float64))
    optimizer = METHODS[method]([places])
    wanted, rows = set(looks(steps)), []
    for step in range(1, steps + 1):
        target = TARGETS[step > steps // 2]
        noise = torch.stack([torch.randn(followers, generator=draw, dtype=torch.float64) for draw in streams])
        before = places.detach().clone()
        gradient = places.grad = before - target + NOISE * noise
        optimizer.step()
        if step in wanted:
            rates = (before - places.detach()) / gradient
            rows.append(pd.DataFrame({"method": method, "seed": range(seeds), "step": step, "target": target,
                                      "place": places.detach().mean(1), "rate": rates.mean(1)}))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every wanted method after the same targets."""
    check_words(execution.overrides)
    preset = execution.preset
    parts = [follow(name, preset.steps, preset.followers, execution.seeds) for name in wanted_names(execution, rungs)]
    return constructed(pd.concat(parts, ignore_index=True))


def exponents(part: pd.DataFrame) -> pd.Series:
    """The exponent of the step in a method's rate, by seed: a least-squares slope of logarithms before the jump."""
    early = part[(part["target"] == TARGETS[0]) & (part["step"] >= 10)]
    return early.groupby("seed").apply(
        lambda own: np.polyfit(np.log(own["step"]), np.log(own["rate"]), 1)[0], include_groups=False
    )


def half_ways(part: pd.DataFrame, target: float) -> pd.Series:
    """The steps after which the mean of a seed's followers is first half way to a target; NaN where it never is."""
    own = part[part["target"] == target]
    start = START if target == TARGETS[0] else TARGETS[0]
    first = 0 if target == TARGETS[0] else int(part["step"].max()) // 2
    there = own[own["place"] >= (start + target) / 2]
    return (there.groupby("seed")["step"].min() - first).reindex(sorted(set(part["seed"])))


PARAGRAPH = (
    f"One number follows a target at {TARGETS[0]:g}, from {START:g}, which jumps to {TARGETS[1]:g} after half of the "
    f"steps; its gradient is the distance plus noise of standard deviation {NOISE:g}. Rate: the mean of step over "
    "gradient. Half way: the first look at which the mean of a seed's followers has come half way to the target. Mean "
    "± standard deviation over n seeds. RMSprop is `optimizers.Adam` with betas of 0 and 0.99, whose average has no "
    "beginning: `optimizers.RMSprop`'s first steps are ten times as large."
)


def summarise(table: pd.DataFrame) -> Summary:
    """A row a method: its rate early and late, the exponent between them, and the steps half way to either target."""
    numbers, rows = [], []
    for method, part in table.groupby("method", sort=False):
        before = part[part["target"] == TARGETS[0]]
        ends = {place: before[before["step"] == before["step"].agg(place)]["rate"] for place in ("min", "max")}
        exponent, ways = exponents(part), [half_ways(part, target) for target in TARGETS]
        numbers.append({"method": method, "exponent": exponent.mean(), "first": ways[0].mean(),
                        "second": ways[1].mean()})  # fmt: skip
        rows.append({
            "method": str(method), "n": str(part["seed"].nunique()),
            "rate of the first step": f"{ends['min'].mean():.3g}",
            "before the jump": f"{ends['max'].mean():.3g}",
            "exponent of the step": f"{exponent.mean():+.3f} ± {exponent.std():.3f}",
            "steps half way": f"{ways[0].mean():.0f} ± {ways[0].std():.0f}",
            "and after the jump": f"{ways[1].mean():.0f} ± {ways[1].std():.0f}",
        })  # fmt: skip
    return Summary(pd.DataFrame(numbers), rows, 1, [PARAGRAPH], metric="")


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Rates over the steps before the jump, and places around it, mean and range over seeds."""
    figure, (rates, places) = make_figure((11, 4.4), 1, 2)
    half = table["step"].max() // 2
    for place, (method, part) in enumerate(table.groupby("method", sort=False)):
        colour = f"C{place}"
        for axes, name, own in (
            (rates, "rate", part[part["target"] == TARGETS[0]]),
            (places, "place", part.assign(step=part["step"] - half)),
        ):
            groups = own.groupby("step")[name]
            axes.plot(groups.mean(), "--" if method == "SGD" else "-", color=colour, label=str(method), zorder=3)
            axes.fill_between(groups.min().index, groups.min(), groups.max(), color=colour, alpha=0.18, linewidth=0)
    late = sorted(step for step in set(table["step"]) if 10 <= step <= half)
    adagrad = table[(table["method"] == "Adagrad") & (table["step"] == late[0])]["rate"].mean()
    if adagrad == adagrad:
        rates.plot(late, adagrad * (late[0] / np.array(late)) ** 0.5, "k:", linewidth=1, label="1 / √step")
    places.plot([-half, 0, 0, half], [TARGETS[0]] * 2 + [TARGETS[1]] * 2, "k:", linewidth=1, label="target")
    rates.set(xscale="log", yscale="log", xlabel="step", ylabel="step over gradient", title="what is left of the rate")
    places.set(xlabel="steps since the jump", ylabel="place, mean of followers", title="following a target that jumps")
    places.set_xticks([-half, 0, half])
    for axes in (rates, places):
        axes.legend(fontsize="small")
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


def slowdown(part: pd.DataFrame, level: float) -> Estimate:
    """How many times as many steps half way to the second target takes, as a mean of logarithms' exponential."""
    ratio = np.log(half_ways(part, TARGETS[1]) / half_ways(part, TARGETS[0]))
    return of_mean(ratio, level)


STUDY = Study(
    name="adagrad",
    family="lectures",
    title="Adagrad's dying rate",
    about=__doc__,
    presets=PRESETS,
    rungs=only_named(METHODS),
    quick=lambda preset, data: replace(preset, steps=1000, followers=20, seeds=3),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("dies like the root", "Under gradients of constant size Adagrad's rate falls like 1 / √step.",
              "exponent of the step, plus 1/2",
              of_methods(lambda part, level: of_mean(exponents(part) + 0.5, level), "Adagrad"), within(0.05),
              "-1/2 (Duchi, Hazan & Singer 2011)", form="+.3f"),
        Claim("an average keeps it", "RMSprop's rate does not fall.", "exponent of the step",
              of_methods(lambda part, level: of_mean(exponents(part), level), "RMSprop"), above(-0.05),
              form="+.3f"),
        Claim("too slow to follow", "After the jump Adagrad takes at least five times its steps from before.",
              "logarithm of steps half way after the jump over before",
              of_methods(slowdown, "Adagrad"), above(float(np.log(5)))),
        Claim("quick as before", "After the jump RMSprop and SGD take at most a third more steps than before.",
              "logarithm of steps half way after the jump over before",
              of_methods(slowdown, "RMSprop", "SGD"), within(float(np.log(4 / 3)))),
    ),
)  # fmt: skip
