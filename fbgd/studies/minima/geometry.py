"""Between and around the minima: lines, a plane through three of them, and a rescaling that keeps the function."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
from torch import Tensor

from fbgd.config.build import Built, load_data
from fbgd.data import Samples
from fbgd.engine.evaluate import evaluate, population_statistics
from fbgd.models import MLP
from fbgd.probes.landscape import Plane, filter_normalised, grid, line, through
from fbgd.runs.plan import PlannedRun
from fbgd.seeds import generator
from fbgd.studies.minima.endings import MEASURES, ended
from fbgd.studies.minima.paths import densities, trajectories
from fbgd.studies.minima.settings import FACTORS, PASSES, STEPS
from fbgd.studies.trained import rebuilt

ALPHAS = np.linspace(-1, 2, 25).tolist()
SHARES = np.linspace(-1, 1, 25).tolist()
# How many seeds' lines are drawn.
LINES = 3
SMALL, LARGE, CORRECTED = "small batch", "large batch", "large batch, linear rule, equal steps"


def geometry_table(planned: list[PlannedRun], points: int) -> pd.DataFrame:
    """All rows about the finished runs of the first seeds; none where one of three minima is missing."""
    frames: list[pd.DataFrame] = []
    for seed in sorted({run.seed for run in planned})[:LINES]:
        minima = three_minima([run for run in planned if run.seed == seed])
        if len(minima) < 3:
            continue
        built = {name: rebuilt(run) for name, run in minima.items()}
        values = partial(losses, built[SMALL], test_samples(minima[SMALL], built[SMALL]))
        ends = {name: parameters(own) for name, own in built.items()}
        # Measures first: what follows moves the model's weights.
        own = [] if frames else [rescaling(built[SMALL]), *first_geometry(minima, built[SMALL], ends, values, points)]
        own += [lines(values, ends), directions(values, ends, seed)]
        frames += [frame.assign(seed=seed) for frame in own]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def first_geometry(
    minima: dict[str, PlannedRun], built: Built, ends: dict[str, list[Tensor]], values: "Values", points: int
) -> list[pd.DataFrame]:
    """Of one seed: the plane through its minima with the ways there, and the Hessian's density at start and minima."""
    span = through(ends[SMALL], ends[LARGE], ends[CORRECTED])
    ways = trajectories(minima, span)
    return [densities(built, ends), plane(values, span, ends, ways, points), ways]


def three_minima(planned: list[PlannedRun]) -> dict[str, PlannedRun]:
    """Of one seed's finished runs the smallest batch, the largest one, and that with linear rule and equal steps."""
    sizes = sorted({int(run.labels["batch"]) for run in planned})
    wanted = {
        SMALL: {"batch": str(sizes[0]), "rule": "none", "budget": PASSES},
        LARGE: {"batch": str(sizes[-1]), "rule": "none", "budget": PASSES},
        CORRECTED: {"batch": str(sizes[-1]), "rule": "linear", "budget": STEPS},
    }
    return {name: run for name, labels in wanted.items() for run in planned if run.labels == labels and run.done}


def parameters(built: Built) -> list[Tensor]:
    """Copies of a run's last parameters."""
    return [param.detach().clone() for param in built.experiment.model.parameters()]


def test_samples(run: PlannedRun, built: Built) -> Samples:
    """The test set as the model takes it."""
    param = next(built.experiment.model.parameters())
    return load_data(run.config).test.to(param.device, param.dtype)


@torch.no_grad()
def losses(built: Built, test: Samples, params: list[Tensor]) -> list[float]:
    """Loss and accuracy of the training set and of the test set, batch norms with statistics of their own."""
    experiment = built.experiment
    for own, value in zip(experiment.model.parameters(), params, strict=True):
        own.copy_(value)
    population_statistics(experiment.model, experiment.source.whole_pass(0))
    return [number for part in (experiment.source.data.samples, test) for number in evaluate(experiment.model, part)]


NUMBERS = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]
Values = Callable[[list[Tensor]], list[float]]


def lines(values: Values, ends: dict[str, list[Tensor]]) -> pd.DataFrame:
    """From the small batch's minimum (0) to each of the others (1), and beyond."""
    return pd.concat(
        [
            pd.DataFrame(line(values, ends[SMALL], ends[name], ALPHAS), columns=NUMBERS).assign(
                kind="line", name=name, x=ALPHAS
            )
            for name in (LARGE, CORRECTED)
        ]
    )


def directions(values: Values, ends: dict[str, list[Tensor]], seed: int) -> pd.DataFrame:
    """Along one random direction, filter by filter as long as the weights, from each of the minima."""
    frames = []
    for name, params in ends.items():
        draw = generator(seed, "direction")
        direction = [torch.randn(param.shape, generator=draw).to(param) for param in params]
        scaled = filter_normalised(direction, params)
        ahead = [param + step for param, step in zip(params, scaled, strict=True)]
        rows = line(values, params, ahead, SHARES)
        frames.append(pd.DataFrame(rows, columns=NUMBERS).assign(kind="direction", name=name, x=SHARES))
    return pd.concat(frames)


def plane(values: Values, span: Plane, ends: dict[str, list[Tensor]], ways: pd.DataFrame, points: int) -> pd.DataFrame:
    """Over the plane through the three minima, rows of the kind ``minimum``; wide enough for the ways there."""
    places = {name: span.coordinates(params) for name, params in ends.items()}
    seen = np.vstack([ways[["x", "y"]].to_numpy(), *places.values()])
    low, high, size = seen.min(0), seen.max(0), np.ptp(seen, axis=0)
    xs, ys = np.linspace(low - 0.25 * size, high + 0.25 * size, points).T
    mesh = [(float(x), float(y)) for y in ys for x in xs]
    rows = pd.DataFrame(grid(values, span, mesh), columns=NUMBERS).assign(kind="plane")
    rows[["x", "y"]] = mesh
    marks = pd.DataFrame([{"kind": "minimum", "name": name, "x": x, "y": y} for name, (x, y) in places.items()])
    return pd.concat([rows, marks])


def rescaling(built: Built) -> pd.DataFrame:
    """Every measure where one layer is multiplied by each factor and the next one divided by it; 1 comes first.

    Of a multi-layer perceptron with ReLU, which keeps its function; no rows of others.
    """
    model = built.experiment.model
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not isinstance(model, MLP) or len(layers) < 2 or len(list(model.parameters())) != 2 * len(layers):
        return pd.DataFrame({"kind": []})
    before, rows = parameters(built), []
    for factor in (1.0, *FACTORS):
        # Weight and bias of the first layer, and the weight of the second.
        scales = [factor, factor, 1 / factor, *[1.0] * (len(before) - 3)]
        params = [scale * param for scale, param in zip(scales, before, strict=True)]
        with torch.no_grad():
            for own, value in zip(model.parameters(), params, strict=True):
                own.copy_(value)
        columns: dict[str, float] = {}
        for probe in built.experiment.probes:
            columns |= probe.columns(ended(built, probe.name, params))
        measures = {key: sign * columns[column] for key, (column, sign) in MEASURES.items() if column in columns}
        rows.append({"kind": "rescaled", "x": factor, **measures})
    return pd.DataFrame(rows)
