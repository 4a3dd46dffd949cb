"""Tidy tables: a row a run, or a row an evaluation, with the columns that all figures of double descent share."""

import pandas as pd

from fbgd.runs.plan import PlannedRun, collect, curves

COLUMNS = (
    "figure",
    "width",
    "parameters",
    "label_noise",
    "train_size",
    "procedure",
    "passes",
    "seed",
    "train_error",
    "test_error",
    "train_loss",
    "test_loss",
)

# What tells runs apart.
KEYS = ["width", "label_noise", "train_size", "procedure", "seed"]


def run_table(figure: str, runs: pd.DataFrame) -> pd.DataFrame:
    """A row for every finished run; one that diverged counts with what it had then.

    Args:
        figure: its name.
        runs: what :func:`fbgd.runs.plan.collect` gives for points of double descent, or the ``runs.csv`` made of it.
    """
    done = runs[runs["status"].isin(["done", "diverged"]) & runs["test_accuracy"].notna()]
    table = pd.DataFrame(
        {
            "figure": figure,
            "width": done["width"].astype(int),
            "parameters": done["parameters"].astype(int),
            "label_noise": done["label_noise"].astype(float),
            "train_size": done["train_size"].astype(int),
            "procedure": done["procedure"],
            "passes": done["passes"].astype(float),
            "seed": done["seed"].astype(int),
            "train_error": 1 - done["train_accuracy"].astype(float),
            "test_error": 1 - done["test_accuracy"].astype(float),
            "train_loss": done["train_loss"].astype(float),
            "test_loss": done["test_loss"].astype(float),
        }
    )
    return table.reset_index(drop=True)


def evaluation_table(figure: str, planned: list[PlannedRun]) -> pd.DataFrame:
    """A row for every evaluation of every finished run, the passes being those done by then."""
    final = run_table(figure, collect(planned)).drop(columns=["passes", *COLUMNS[8:]])
    rows = curves(planned).dropna(subset=["test_accuracy"])
    points = pd.DataFrame(
        {
            "width": rows["width"].astype(int),
            "label_noise": rows["label_noise"].astype(float),
            "train_size": rows["n"].astype(int),
            "procedure": rows["procedure"],
            "seed": rows["seed"].astype(int),
            "passes": rows["passes"],
            "train_error": 1 - rows["train_accuracy"],
            "test_error": 1 - rows["test_accuracy"],
            "train_loss": rows["train_loss"],
            "test_loss": rows["test_loss"],
        }
    )
    return points.merge(final, on=KEYS, validate="many_to_one")[list(COLUMNS)]


def early_stopped(evaluations: pd.DataFrame) -> pd.DataFrame:
    """The evaluation with the lowest test error of every run: what ideal early stopping would have kept.

    It looks at the test set, as the published curves do, so it is a bound and no method.
    """
    best = evaluations.loc[evaluations.groupby(KEYS, sort=False)["test_error"].idxmin()]
    return best.rename(columns={"test_error": "best_test_error", "passes": "best_passes"})[
        [*KEYS, "best_test_error", "best_passes"]
    ]
