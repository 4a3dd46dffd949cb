"""What the figure ``strength`` measures at the end of its runs, and which large rate it takes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import Tensor

from fbgd.engine.kernels import autograd_gradient
from fbgd.engine.objective import classification
from fbgd.probes.moments import gradient_moments
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import PlannedRun
from fbgd.studies.implicit_bias.strength_settings import LARGE
from fbgd.studies.trained import rebuilt
from fbgd.studies.tuning import SEARCH_SEEDS

RATE = "large rate"


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a finished run that counts: the training loss at its end, and what the penalties are on."""
    rows = []
    for run in planned:
        if run.seed >= SEARCH_SEEDS and (RunDirectory(run.path).read_summary() or {}).get("status") == "done":
            rows.append({**run.labels, "seed": run.seed, **end_of(run)})
    return pd.DataFrame(rows).astype({RATE: float}) if rows else pd.DataFrame()


def end_of(run: PlannedRun) -> dict[str, float]:
    r"""The training loss, :math:`\lVert \nabla L \rVert^2` and the blocks' mean, where a run ended, without penalties.

    Args:
        run: its last weights are read from its checkpoint.

    Raises:
        ValueError: it has no checkpoint.
    """
    experiment = rebuilt(run).experiment
    params = [param.detach() for param in experiment.model.parameters()]
    gradient_of = autograd_gradient(classification(experiment.model))
    total, gradients = 0.0, []
    for stack in experiment.source.whole_pass(0).stacks(1):
        size = stack.targets.shape[1]
        gradient, (loss, _) = gradient_of(params, *(part[0] for part in stack))
        total += size * float(loss)
        gradients.append((size, list[Tensor](gradient)))
    moments = gradient_moments(gradients)
    return {
        "loss": total / moments.samples,
        "squared_gradient": moments.squared_mean,
        "block_square": moments.mean_square,
    }


def searched_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """The validation accuracy of the search: a row a large rate and seed; not a number where a run was lost."""
    rows = runs[(runs["seed"] < SEARCH_SEEDS) & (runs["setting"] == LARGE)]
    accuracy = rows["validation_accuracy"].where(rows["status"] == "done")
    return rows.assign(rate=rows[RATE].astype(float), accuracy=accuracy.astype(float))[
        ["training", "rate", "seed", "accuracy"]
    ]


def chosen_rates(runs: pd.DataFrame) -> dict[str, float]:
    """The large rate of every way of training, by the validation accuracy of the search seeds alone.

    The largest rate at which every search seed trained to the end, with a mean within one standard error of the best.
    """
    chosen = {}
    for training, part in searched_rates(runs).groupby("training", sort=False):
        scores = part.pivot(index="seed", columns="rate", values="accuracy").dropna(axis=1)
        if scores.shape[1]:
            best = scores[scores.mean().idxmax()]
            error = best.std(ddof=1) / np.sqrt(len(best)) if len(best) > 1 else 0.0
            means = scores.mean()
            chosen[str(training)] = float(means[means >= best.mean() - error].index.max())
    return chosen


def counted(table: pd.DataFrame, chosen: Mapping[str, float]) -> pd.DataFrame:
    """The rows of fresh seeds with the chosen rates, of ``runs.csv`` or of the measurements."""
    rates = table["training"].map(chosen)
    return table[(table["seed"] >= SEARCH_SEEDS) & (table[RATE].astype(float) == rates)]
