"""Where runs ended: accuracies, gaps and measures as a table, and the state that a probe would see there."""

import math
from functools import partial

import pandas as pd
from torch import Tensor

from fbgd.config.build import Built
from fbgd.engine.probe import ProbeState
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import PlannedRun
from fbgd.seeds import generator

# Measures by what readers call them: the column of the probe, and whether small values promise a large gap.
FLATNESS = {
    "λ₁": ("sharpness/sharpness", 1),
    "tr H": ("information_criterion/hessian", 1),
    "Keskar": ("keskar_sharpness/sharpness", 1),
    "adaptive, worst": ("adaptive_sharpness/worst", 1),
    "adaptive, average": ("adaptive_sharpness/average", 1),
}
ARGUMENTS = {
    "TIC": ("information_criterion/tic", 1),
    "tr C / (n tr H)": ("information_criterion/ratio", 1),
    "PAC-Bayes": ("pac_bayes/bound", 1),
    "‖θ − θ₀‖ / s": ("pac_bayes/reach", 1),
}
NORMS = {
    "‖θ‖": ("norms/l2", 1),
    "‖θ − θ₀‖": ("norms/distance", 1),
    "spectral norms": ("norms/spectral", 1),
    "− margin": ("norms/normalised_margin", -1),
}
MEASURES = {**FLATNESS, **ARGUMENTS, **NORMS}


def ending_table(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a finished run that has not diverged: its setting, its last evaluation, its gaps and its measures.

    ``test_error`` is in percent, ``gap`` the training accuracy minus the test accuracy in points, ``loss_gap`` the test
    loss minus the training loss; measures have their names as columns, and larger ones promise a larger gap.
    """
    rows = []
    for run in planned:
        if not run.done:
            continue
        last = pd.read_csv(RunDirectory(run.path).metrics).iloc[-1]
        if "norms/l2" not in last or not math.isfinite(last["norms/l2"]):
            continue
        names = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")
        rows.append(
            {
                "kind": "run",
                "batch": int(run.labels["batch"]),
                "rule": run.labels["rule"],
                "budget": run.labels["budget"],
                "rate": run.config.optimizer["lr"],
                "seed": run.seed,
                **{name: last[name] for name in names},
                "test_error": 100 * (1 - last["test_accuracy"]),
                "gap": 100 * (last["train_accuracy"] - last["test_accuracy"]),
                "loss_gap": last["test_loss"] - last["train_loss"],
                **{name: sign * last[column] for name, (column, sign) in MEASURES.items() if column in last},
            }
        )
    return pd.DataFrame(rows)


def ended(built: Built, name: str, params: list[Tensor]) -> ProbeState:
    """What a probe of this name sees after the last step, at parameters of one's choice."""
    experiment = built.experiment
    steps = experiment.steps
    return ProbeState(
        model=experiment.model,
        params=params,
        step=steps,
        passes=experiment.passes,
        lr=experiment.lr,
        blocks=partial(experiment.source.training_pass, (steps - 1) // experiment.source.steps_per_pass),
        objective=experiment.gradient.objective,
        optimizer=experiment.optimizer,
        generator=partial(generator, experiment.seed, f"probe {name}", steps),
        initial=experiment.initial,
    )
