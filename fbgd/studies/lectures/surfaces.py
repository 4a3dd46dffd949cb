"""Paths of all optimizers on four classical surfaces, each at the learning rate that leads lowest; seconds.

python scripts/lectures.py surfaces

A valley, Rosenbrock's bent one, Himmelblau's four minima, and a plateau with a saddle in the way. Every optimizer
gets the same gradient evaluations from the same start and, of a grid of rates, the one that ends lowest: these
functions have no noise and no test set, so nothing is chosen by luck. Muon, which acts on matrices, and LARS, whose
rate is a share of the weights' norm, are about networks and left out; AGC, whose threshold is such a share too, is
here with a wide one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.plan import Rung
from fbgd.studies.constructed import check_words, constructed, only_named, wanted_names
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.lectures.functions import SURFACES, Surface
from fbgd.studies.lectures.paths import path
from fbgd.studies.study import Preset, Study
from optimizers import AGC, SAM, SGD, AcceleratedGD, Adadelta, Adagrad, Adam, LineSearchGD, Lion, RMSprop

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Make = Callable[..., torch.optim.Optimizer]
# By panel: what resembles each other is drawn together.
OPTIMIZERS: dict[str, dict[str, Make]] = {
    "descent": {
        "GD": lambda params, lr: SGD(params, lr=lr),
        "heavy ball": lambda params, lr: SGD(params, lr=lr, momentum=0.9),
        "Nesterov": lambda params, lr: SGD(params, lr=lr, momentum=0.9, nesterov=True),
        "Accelerated": lambda params, lr: AcceleratedGD(params, lr=lr),
    },
    "adaptive": {
        "Adagrad": lambda params, lr: Adagrad(params, lr=lr),
        "Adadelta": lambda params, lr: Adadelta(params, lr=lr),
        "RMSprop": lambda params, lr: RMSprop(params, lr=lr),
        "Adam": lambda params, lr: Adam(params, lr=lr),
    },
    "signs, clipping": {
        "Lion": lambda params, lr: Lion(params, lr=lr),
        "Rprop": lambda params, lr: torch.optim.Rprop(params, lr=lr),
        "AGC": lambda params, lr: AGC(params, lr=lr, clipping=0.5),
    },
    "look-ahead, curvature": {
        "SAM": lambda params, lr: SAM(params, lr=lr),
        "line search": lambda params, lr: LineSearchGD(params, lr=lr),
        "L-BFGS": lambda params, lr: torch.optim.LBFGS(params, lr=lr, max_iter=1),
    },
}
GROUPS = {name: group for group, own in OPTIMIZERS.items() for name in own}
# Of a path, so many points are kept.
KEPT = 100


@dataclass(frozen=True, kw_only=True)
class SurfacesPreset(Preset):
    """Sizes: gradient evaluations, and the grid of rates."""

    evaluations: int = 200
    rates: tuple[float, ...] = tuple(float(f"{10 ** (power / 4):.2g}") for power in range(-16, 5))
    seeds: int = 1


PRESETS = {"classical": SurfacesPreset()}


def lowest_path(name: str, surface: Surface, preset: SurfacesPreset) -> tuple[float, np.ndarray, np.ndarray]:
    """The rate of the grid that ends lowest, its points (steps + 1, 2) and their values."""
    make = OPTIMIZERS[GROUPS[name]][name]
    found = []
    for lr in preset.rates:
        points = path(partial(make, lr=lr), surface.function, torch.tensor(surface.start), preset.evaluations)
        values = torch.stack([surface.function(point) for point in points])
        end = float(values[-1]) if bool(values.isfinite().all()) else float("inf")
        found.append((end, lr, points.numpy(), values.numpy()))
    return min(found, key=lambda tried: tried[0])[1:]


def look(name: str, label: str, preset: SurfacesPreset) -> pd.DataFrame:
    """A row a kept point of an optimizer's path on a surface."""
    surface = SURFACES[label]
    lr, points, values = lowest_path(name, surface, preset)
    kept = np.unique(np.linspace(0, len(points) - 1, min(KEPT, len(points))).round().astype(int))
    return pd.DataFrame({"surface": label, "optimizer": name, "rate": lr, "step": kept, "x": points[kept, 0],
                         "y": points[kept, 1], "above": values[kept] - surface.lowest})  # fmt: skip


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every wanted optimizer on every surface."""
    check_words(execution.overrides)
    wanted = wanted_names(execution, rungs)
    parts = [look(name, label, execution.preset) for label in SURFACES for name in wanted]
    return constructed(pd.concat(parts, ignore_index=True).round({"x": 6, "y": 6}))


def summarise(table: pd.DataFrame) -> Summary:
    """A row an optimizer: how far above the minimum it ends on every surface, and its rate there."""
    last = table.groupby(["optimizer", "surface"], sort=False).tail(1)
    rows = []
    for name, part in last.groupby("optimizer", sort=False):
        ends = {own["surface"]: f"{max(own['above'], 0):.1e} ({own['rate']:g})" for own in part.to_dict("records")}
        rows.append({"optimizer": str(name)} | ends)
    numbers = last[["surface", "optimizer", "rate", "above"]].reset_index(drop=True)
    return Summary(numbers, rows, 1, [PARAGRAPH], metric="")


PARAGRAPH = (
    "How far above the minimum a path ends, in brackets its learning rate: of a grid, the one that ends lowest. All "
    "have the same gradient evaluations, of which SAM and the line search take several a step. Defaults "
    "otherwise; heavy ball and Nesterov's momentum with 0.9, AGC with a threshold of 0.5."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """A row a surface, a column a group of optimizers."""
    figure, panels = make_figure((15, 14), len(SURFACES), len(OPTIMIZERS))
    for row, (label, surface) in enumerate(SURFACES.items()):
        left, right, bottom, top = surface.window
        across, along = np.meshgrid(np.linspace(left, right, 160), np.linspace(bottom, top, 160))
        heights = surface.function(torch.from_numpy(np.stack([across, along]))).numpy() - surface.lowest
        levels = np.geomspace(max(heights.max() * 1e-4, 1e-4), heights.max(), 14)
        for column, (group, own) in enumerate(OPTIMIZERS.items()):
            axes = panels[row * len(OPTIMIZERS) + column]
            axes.contour(across, along, heights, levels=levels, colors="0.82", linewidths=0.7)
            for place, name in enumerate(own):
                part = table[(table["surface"] == label) & (table["optimizer"] == name)]
                axes.plot(part["x"], part["y"], "o-", color=f"C{place}", markersize=2, linewidth=1, label=name)
            axes.plot(*zip(*surface.minima, strict=True), "k*", markersize=8)
            axes.set(xlim=(left, right), ylim=(bottom, top))
            if row == 0:
                axes.set_title(group)
            if column == 0:
                axes.set_ylabel(label)
            if row == len(SURFACES) - 1:
                axes.legend(fontsize="small", loc="lower center", ncols=2)
    figure.suptitle(title)
    return figure


STUDY = Study(
    name="surfaces",
    family="lectures",
    title="Paths on surfaces",
    about=__doc__,
    presets=PRESETS,
    rungs=only_named(GROUPS),
    quick=lambda preset, data: replace(preset, evaluations=20, rates=(0.01, 0.1)),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
)
