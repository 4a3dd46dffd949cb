"""Error of a pass against the gradient flow and the modified flow, over the step size; three minutes.

python scripts/implicit_bias.py order
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fbgd.data import Dataset
from fbgd.probes.block_losses import BlockLosses, Scaled, Whole
from fbgd.probes.modified_flow import flow, mean_pass, orders
from fbgd.report.claims import Claim, Estimate, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.studies.double_descent.drawing import plain_numbers
from fbgd.studies.implicit_bias.closed import PRESETS, FlowSizes, quick, rungs, tabulated
from fbgd.studies.implicit_bias.problems import PROBLEMS, Problem, Quadratic
from fbgd.studies.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN, MODIFIED = "plain flow", "modified flow"
ORDERS = {PLAIN: 2, MODIFIED: 3}
MARGIN = 0.15


@dataclass(frozen=True)
class Process:
    """A way to descend on blocks.

    Args:
        wrap: the blocks' losses to those that equal steps are taken on.
        whole: whether a step takes all blocks.
        by_size: whether a block counts by its samples.
    """

    wrap: Callable[[BlockLosses], BlockLosses]
    whole: bool
    by_size: bool


PROCESSES = {
    "GD": Process(Whole, whole=True, by_size=True),
    "SGD": Process(lambda losses: losses, whole=False, by_size=False),
    "SGD, steps by size": Process(Scaled, whole=False, by_size=True),
}


def flow_end(problem: Problem, process: Process, time: float, penalty: float) -> Tensor:
    """Where a flow ends: in closed form on the quadratic, by integration elsewhere."""
    losses = problem.losses
    if isinstance(losses, Quadratic):
        scales = len(losses.weights) * losses.weights if process.by_size else torch.ones_like(losses.weights)
        return losses.exact_flow(time, penalty, scales, whole=process.whole)
    return flow(process.wrap(losses), problem.start, time, penalty)


def rows_of_seed(data: Dataset, sizes: FlowSizes, seed: int) -> list[dict]:
    """The distance between a pass and the flows for every problem, way to descend and step size."""
    rows = []
    for name in sizes.problems:
        problem = PROBLEMS[name](data, sizes.width, seed)
        for label, process in PROCESSES.items():
            losses = process.wrap(problem.losses)
            steps = len(losses.weights)
            for halving in range(sizes.halvings):
                rate = problem.rate / 2**halving
                end = mean_pass(losses, problem.start, rate, orders(steps))
                for kind, penalty in ((PLAIN, 0.0), (MODIFIED, rate / 4)):
                    error = float((end - flow_end(problem, process, steps * rate, penalty)).norm())
                    rows.append({"problem": name, "process": label, "flow": kind, "rate": rate, "seed": seed,
                                 "error": error})  # fmt: skip
    return rows


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """The slope of log error over log step size, by least squares: a row a problem, process, flow and seed."""
    keys = ["problem", "process", "flow", "seed"]
    rows = [
        {**dict(zip(keys, key, strict=True)), "slope": np.polyfit(np.log(own["rate"]), np.log(own["error"]), 1)[0]}
        for key, own in table.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows)


def slope_claim(kind: str) -> Claim:
    """That the slope of a flow is what the theory says."""
    theory = ORDERS[kind]

    def estimates(evidence: Evidence) -> list[Estimate]:
        found = slopes(evidence.measurements)
        groups = found[found["flow"] == kind].groupby(["problem", "process"], sort=False)
        return [of_mean(own["slope"], evidence.level, f"{problem}, {process}", theory)
                for (problem, process), own in groups]  # fmt: skip

    return Claim(
        f"{kind} of order {theory}",
        f"The error of a pass against the {kind} grows as the step size to the power of {theory}.",
        f"slope of log error over log step size, minus {theory}",
        estimates,
        within(MARGIN),
        published=f"{theory} (Barrett & Dherin 2021, Smith et al. 2021)",
        form="+.3f",
    )


def summarise(table: pd.DataFrame) -> Summary:
    """A row a problem and way to descend: both slopes, and both errors at the ends of the grid."""
    found, numbers, rows = slopes(table), [], []
    for (problem, process), part in table.groupby(["problem", "process"], sort=False):
        row: dict[str, str] = {"problem": problem, "descent": process, "n": str(part["seed"].nunique())}
        number = {"problem": problem, "process": process}
        for kind, theory in ORDERS.items():
            own = part[part["flow"] == kind].groupby("rate")["error"].mean()
            slope = found[(found[["problem", "process", "flow"]] == [problem, process, kind]).all(axis=1)]["slope"]
            number[f"slope, {kind}"] = slope.mean()
            row[f"{kind}: slope ({theory})"] = f"{slope.mean():.3f}" + (
                f" ± {slope.std():.3f}" if len(slope) > 1 else ""
            )
            row[f"{kind}: error"] = f"{own.iloc[0]:.1e} to {own.iloc[-1]:.1e}"
        row["step size"] = f"{own.index[0]:.2g} to {own.index[-1]:.2g}"
        numbers.append(number)
        rows.append(row)
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH], metric="")


PARAGRAPH = (
    "Error: the distance between the end of one step (GD), or of one pass over four blocks in the exact mean over all "
    "24 orders (SGD), and the flow after the same time: the step size times the steps. It is a one-pass error, so the "
    "power is one above that of the error over a fixed time. The blocks hold different samples, in the proportion "
    "1 : 2 : 3 : 4. SGD takes the same step for every block, as the training loop does: then each block counts as "
    "much as any other, in the loss that is descended and in the penalty h/4m Σ‖∇L_k‖². With steps by size, "
    "h m |B_k|/N, the flow is that of the loss over all samples, with the penalty hm/4 Σ(|B_k|/N)² ‖∇L_k‖². Slopes are "
    "by least squares over all step sizes, mean ± standard deviation over n draws of the problem; errors are means. "
    "Everything is in float64; flows are matrix exponentials for the quadratic, and integrated to a tolerance of 1e-12 "
    "elsewhere."
)


def draw_panel(axes: "Axes", part: pd.DataFrame, *, legend: bool) -> None:
    """Errors over step sizes of one problem, and the powers that the theory says through their largest ends."""
    import seaborn as sns

    colours = dict(zip(PROCESSES, sns.color_palette("colorblind", len(PROCESSES)), strict=True))
    for (process, kind), own in part.groupby(["process", "flow"], sort=False):
        errors = own.groupby("rate")["error"]
        means, style = errors.mean(), "--" if kind == PLAIN else "-"
        label = f"{process}, {kind}" if legend else None
        axes.plot(means, style, marker="o", markersize=4, color=colours[str(process)], label=label)
        axes.fill_between(means.index, errors.min(), errors.max(), color=colours[str(process)], alpha=0.15, lw=0)
    ends = part.groupby(["flow", "rate"])["error"].agg(["min", "max"])
    rates = ends.loc[MODIFIED].index.to_numpy()
    # Above all curves and below them, not on them.
    corners = {PLAIN: 3 * ends.loc[PLAIN, "max"].iloc[-1], MODIFIED: ends.loc[MODIFIED, "min"].iloc[-1] / 4}
    for kind, power in ORDERS.items():
        guide = corners[kind] * (rates / rates[-1]) ** power
        axes.plot(rates, guide, ":", color="0.35", linewidth=1.5)
        # Where the text has room: above the upper guide's end, below the lower one's beginning.
        place, offset, side = (-1, (-8, 6), "right") if kind == PLAIN else (0, (16, -4), "left")
        axes.annotate(f"slope {power}", (rates[place], guide[place]), offset, ha=side, textcoords="offset points",
                      color="0.35", fontsize="small")  # fmt: skip
    axes.margins(y=0.12)
    axes.set(xscale="log", yscale="log", xlabel="step size h", ylabel="error of a pass" if legend else "")
    plain_numbers(axes.xaxis, list(rates))


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Error over step size, a panel a problem; solid against the modified flow, dashed against the plain one."""
    names = list(dict.fromkeys(table["problem"]))
    figure, panels = make_figure((5 * len(names), 5), 1, len(names))
    for axes, name in zip(panels, names, strict=True):
        draw_panel(axes, table[table["problem"] == name], legend=name == names[0])
        axes.set_title(name)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    figure.suptitle(f"{title}: mean and range over draws")
    return figure


STUDY = Study(
    name="order",
    family="implicit_bias",
    title="The order of the modified flow",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    execute=tabulated(rows_of_seed),
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=tuple(slope_claim(kind) for kind in ORDERS),
)
