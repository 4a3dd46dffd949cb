"""Where small and large batches end: sharpness, gap, and which measure tells one from the other.

    python scripts/minima.py                MNIST-1D, a small MLP, 13 settings, 10 seeds
    python scripts/minima.py --quick        under a minute, to see that everything runs
    python scripts/minima.py data=cifar10 --list    batches of 250 and 5000, for a GPU

Batch size x learning-rate rule (none, sqrt, linear) x equal passes or equal steps. At the end of every run all probes
of sharpness look, with Takeuchi's criterion, a PAC-Bayes bound and norms; then lines and a plane between minima, and a
rescaling that keeps the function; and a regression whose gap is known.
"""

import pandas as pd

from fbgd.report.cells import mean_of
from fbgd.report.pages import Summary, measured
from fbgd.runs.plan import Rung
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.minima.claims import CLAIMS, runs_of
from fbgd.studies.minima.correlation import FITTED
from fbgd.studies.minima.drawing import draw_correlations, draw_lines, draw_measures
from fbgd.studies.minima.endings import ending_table
from fbgd.studies.minima.geometry import geometry_table
from fbgd.studies.minima.path_drawing import draw_densities, draw_plane
from fbgd.studies.minima.settings import PRESETS, quick, rungs
from fbgd.studies.minima.well_specified import well_specified_table
from fbgd.studies.study import Study

SHOWN = ("λ₁", "tr H", "Keskar", "adaptive, worst", "TIC", "PAC-Bayes", "‖θ − θ₀‖")


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Every rung with every seed, then what lies between and around where they ended."""
    planned = execution.run(rungs)
    tables = [ending_table(planned), geometry_table(planned, execution.preset.points)]
    tables.append(well_specified_table(execution.seeds) if len(tables[0]) else pd.DataFrame())
    return Outcome(planned, measurements=pd.concat([own for own in tables if len(own)] or tables, ignore_index=True))


def summarise(table: pd.DataFrame) -> Summary:
    """A row a setting: accuracies, gaps, and how sharp it ended."""
    numbers, rows = [], []
    for (batch, rule, budget), part in runs_of(table).groupby(["batch", "rule", "budget"], sort=False):
        known = [name for name in SHOWN if name in part]
        numbers.append({"batch": int(batch), "rule": rule, "budget": budget, "n": len(part),
                        **part[["train_accuracy", "test_accuracy", "gap", "loss_gap", *known]].mean()})  # fmt: skip
        rows.append(
            {
                "batch": str(int(batch)),
                "rule": rule,
                "budget": budget,
                "rate": f"{part['rate'].iloc[0]:g}",
                "n": str(len(part)),
                "train %": mean_of(100 * part["train_accuracy"], ".1f", whole=True),
                "test %": mean_of(100 * part["test_accuracy"], ".1f", whole=True),
                "gap in loss": mean_of(part["loss_gap"], ".2f", whole=True),
                **{name: mean_of(part[name], ".3g", whole=True) for name in known},
            }
        )
    return Summary(pd.DataFrame(numbers), rows, 3, PARAGRAPHS, "test_accuracy")


PARAGRAPHS = [
    "Mean ± standard deviation over n seeds at the last step. The gap is the training accuracy minus the test accuracy "
    "in points, the gap in loss the test loss minus the training loss. λ₁ and tr H are of the Hessian of the training "
    "loss; Keskar: its largest rise in percent of 1 + loss for |y| ≤ 0.001 (|x| + 1), full space; adaptive, worst: its "
    "rise when every weight moves by at most 5 %; TIC: tr(C H⁻¹)/n over positive eigenvalues, damped by 0.001 λ₁, to "
    "be compared with the gap in loss; PAC-Bayes: the bound of the test error, of which 1 and more says nothing; "
    "s is the noise on the weights that adds 0.1 to the training error.",
    "Correlations are Kendall's τ with the gap in accuracy over pairs of runs: all, those of one learning rate, or of "
    f"runs with a training accuracy of at least {100 * FITTED:.0f} %. "
    "Their intervals are by a bootstrap over seeds, t-intervals with its standard error, so that runs of a seed "
    "count together. The batch sizes, rules and budgets are the study's choice: τ over all runs says how a measure "
    "orders these settings, and not that it causes the gap.",
]


STUDY = Study(
    name="minima",
    title="Minima of small and large batches",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("regime.block_size", "optimizer.lr", "budget", "probe", "record.train"),
    execute=execute,
    summarise=measured(summarise),
    figures={
        "measures.png": draw_measures,
        "correlations.png": draw_correlations,
        "lines.png": draw_lines,
        "plane.png": draw_plane,
        "densities.png": draw_densities,
    },
    claims=CLAIMS,
)
