"""Made-up runs of small studies, and their tables."""

import pandas as pd

from fbgd.report.tables import summarise

SGD = {"rung": "SGD"}


def runs(values, status=None):
    """Runs of several rungs: name to accuracies, seed by seed."""
    rows = []
    for name, accuracies in values.items():
        for seed, accuracy in enumerate(accuracies):
            state = (status or {}).get((name, seed), "done")
            row = {"rung": name, "seed": seed, "status": state, "error": "out of memory"}
            if state in ("done", "diverged"):
                row |= {"test_accuracy": accuracy, "passes": 10.0, "gradient_evaluations": 100, "seconds": 2.0}
            rows.append(row)
    return pd.DataFrame(rows)


def table_of(values, status=None, **options):
    """The table of such runs by rung."""
    return summarise(runs(values, status), by=["rung"], **{"baseline": SGD} | options)


SAMPLE = {"SGD": [0.95, 0.96, 0.97], "FB": [0.70, 0.72, 0.71], "FB long": [0.93, 0.96, 0.96]}


GRID = {
    ("SGD", "SGD"): [0.95, 0.96, 0.97],
    ("SGD", "full batch"): [0.60, 0.64, 0.66],
    ("Adam", "SGD"): [0.94, 0.96, 0.96],
    ("Adam", "full batch"): [0.80, 0.79, 0.84],
}


def grid(cells_of):
    """Runs of a grid optimizer x regime: both names to accuracies, seed by seed."""
    frames = [
        runs({"": values}).assign(optimizer=optimizer, regime=regime)
        for (optimizer, regime), values in cells_of.items()
    ]
    return pd.concat(frames, ignore_index=True)
