"""The way to the minima and the curvature there: paths in a plane, and densities of the Hessian's eigenvalues."""

from dataclasses import replace
from itertools import count

import pandas as pd
from torch import Tensor

from fbgd.config.arithmetic import arithmetic_kept
from fbgd.config.build import Built, build
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.probes.landscape import Plane
from fbgd.probes.spectral_density import HessianDensity
from fbgd.runs.plan import PlannedRun
from fbgd.studies.minima.endings import ended

# Points of a trajectory, and where they are: shares of the steps, closer to each other at the start.
POINTS, POWER = 60, 2.0
# Of the density: random vectors, and products with the Hessian for each.
VECTORS, STEPS = 4, 60
START = "start"


def places(steps: int) -> list[int]:
    """After which steps a trajectory is looked at: from 0 to the last one, without repetition.

    >>> places(3), places(1000)[:4], places(1000)[-1]
    ([0, 1, 2, 3], [0, 1, 3, 4], 1000)
    """
    return sorted({round(steps * (place / POINTS) ** POWER) for place in range(POINTS + 1)})


def trajectory(run: PlannedRun) -> list[tuple[int, list[Tensor]]]:
    """The parameters of a run on its way, trained again as it was, with their steps; the last are where it ended.

    A probe changes nothing about a run, and neither does what is recorded: both are left out.
    """
    with arithmetic_kept():
        config = replace(run.config, probe={}, record=replace(run.config.record, train=False))
        experiment = build(config, blocks_per_call=1).experiment
        wanted, seen = set(places(experiment.steps)), []
        params = list(experiment.model.parameters())

        def look(step: int) -> None:
            if step in wanted:
                seen.append((step, [param.detach().clone() for param in params]))

        look(0)
        steps = count(1)
        hook = experiment.optimizer.register_step_post_hook(lambda *_: look(next(steps)))
        train(experiment, Progress(), lambda row, progress: None)
        hook.remove()
    return seen


def trajectories(minima: dict[str, PlannedRun], span: Plane) -> pd.DataFrame:
    """The way of every run in the plane, at the nearest points of it; ``off`` is its distance from the plane."""
    frames = []
    for name, run in minima.items():
        rows = []
        for step, params in trajectory(run):
            x, y = span.coordinates(params)
            near = span.point(x, y)
            off = sum(float((own - other).double().square().sum()) for own, other in zip(params, near, strict=True))
            rows.append({"step": step, "x": x, "y": y, "off": off**0.5})
        frames.append(pd.DataFrame(rows).assign(kind="trajectory", name=name))
    return pd.concat(frames)


def densities(built: Built, ends: dict[str, list[Tensor]]) -> pd.DataFrame:
    """Nodes and weights of the Hessian's density at the start, which all share, and at every minimum, by the probe."""
    probe = HessianDensity(VECTORS, STEPS, "fp64")
    initial = built.experiment.initial
    frames = []
    for name, params in {START: initial, **ends}.items():
        if params is None:
            continue
        found = probe.density(ended(built, "spectral_density", params))
        frames.append(pd.DataFrame({"x": found.nodes, "weight": found.weights}).assign(kind="density", name=name))
    return pd.concat(frames)
