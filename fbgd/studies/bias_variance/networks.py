"""Bias and variance over the width, over label noise, and by procedure at matched training error.

python scripts/bias_variance.py networks
"""

import pandas as pd

from fbgd.report.cells import mean_of
from fbgd.report.pages import Summary, measured
from fbgd.runs.plan import Rung
from fbgd.studies.bias_variance.claims import CLAIMS
from fbgd.studies.bias_variance.drawing import draw_noise, draw_procedures, draw_sources
from fbgd.studies.bias_variance.matching import matched_rungs, matched_runs
from fbgd.studies.bias_variance.measure import part_table
from fbgd.studies.bias_variance.settings import MATCHED, PRESETS, quick, rungs, seeds_of, with_own_data
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Study

LABELS = ["moment", "procedure", "label_noise", "width"]
PARTS = {
    "risk": "risk",
    "bias": "bias²",
    "variance": "variance",
    "sampling": "of sampling",
    "optimisation": "of optimisation",
    "entropy_risk": "CE",
    "entropy_bias": "CE bias",
    "entropy_variance": "CE variance",
}


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every setting to the end of its budget, then to the training error that all procedures reach."""
    preset, pool = execution.preset, execution.pool
    planned = [run for rung in rungs for run in execution.plan([rung], seeds_of(preset, rung, execution.seeds), rungs)]
    planned = execution.execute(with_own_data(planned, preset, pool))
    matched = matched_runs(planned, preset, pool)
    # Some of them are runs that are done already.
    further = [run for run in matched if not run.done and execution.wanted(run.rung)]
    if further:
        execution.execute(further)
    shorter = [run for run in matched if run.rung.endswith(MATCHED)]
    table = part_table([*planned, *matched], preset)
    return Outcome([*planned, *shorter], measurements=table, rungs=[*rungs, *matched_rungs(rungs, preset)])


def summarise(table: pd.DataFrame) -> Summary:
    """A row a moment, procedure, label noise and width."""
    numbers, rows = [], []
    for key, part in table.groupby(LABELS, sort=False):
        labels = dict(zip(LABELS, key, strict=True))
        numbers.append({**labels, "n": len(part), **part[["train_error", "test_error", *PARTS]].mean()})
        rows.append(
            {
                "moment": str(labels["moment"]),
                "procedure": str(labels["procedure"]),
                "label noise": f"{labels['label_noise']:g}",
                "width": str(labels["width"]),
                "n": str(len(part)),
                "passes": f"{part['passes'].mean():.0f}",
                "train %": mean_of(100 * part["train_error"], ".1f", whole=True),
                "test %": mean_of(100 * part["test_error"], ".1f", whole=True),
                **{name: mean_of(part[column], ".3f", whole=True) for column, name in PARTS.items()},
            }
        )
    return Summary(pd.DataFrame(numbers), rows, 4, PARAGRAPHS, metric="")


PARAGRAPHS = [
    "Mean ± standard deviation over n repetitions, each with training sets, label noise and, where they are generated "
    "or split by a seed, test samples of its own. Train and test: errors in percent, of labels as they are trained on "
    "and of clean labels. A repetition has training sets without a sample in common, and networks that differ in "
    "initial weights and order too. Risk, bias² and variance are of the squared error of probabilities, summed over "
    "classes, without bias: risk = bias² + variance. With several networks on a training set the variance is that of "
    "sampling, of the mean network over training sets, plus that of optimisation, of networks on one training set. "
    "CE: the cross-entropy in nats about the normalised geometric mean of a repetition's networks, one a training "
    "set; its parts depend on their number. Noise on test labels there is none, so the bias² is that of clean labels.",
    "End: the end of each procedure's budget. Matched: for every training set all procedures at their first evaluation "
    "with a training error no larger than the lowest that all of them reach on it, with the same initial weights. "
    "Rates are constant, so the runs that end there are beginnings of the others, up to rounding.",
    "A peak is measured where other repetitions say that it is (cross-fitted); its intervals are widened for what they "
    "have in common (Nadeau & Bengio 2003).",
]

STUDY = Study(
    name="networks",
    family="bias_variance",
    title="Bias and variance of networks",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("model.width", "data.label_noise=", "data.train_size", "data.part", "data.seed", "optimizer", "regime",
          "regularizer", "budget", "schedule", "record.train"),
    execute=execute,
    summarise=measured(summarise),
    figures={"figure.png": draw_procedures, "noise.png": draw_noise, "sources.png": draw_sources},
    claims=CLAIMS,
)  # fmt: skip
