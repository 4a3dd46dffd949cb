r"""The generalisation gap as a column: how much better a run is on the samples that it was trained on.

.. math::
    \text{gap\_accuracy} = a_\text{train} - a_\text{test}, \qquad \text{gap\_loss} = L_\text{test} - L_\text{train}

at the end of training, so that both are positive where the training set is the easier one. Labels of the training set
are those that it is trained on, noise included.
"""

from collections.abc import Iterable

import pandas as pd

from fbgd.errors import ConfigError

NOTES = {
    "gap_accuracy": "Gap accuracy: training minus test accuracy at the end of training.",
    "gap_loss": "Gap loss: test minus training loss at the end of training.",
}
# Of every gap the column that it is taken from, and the one that is subtracted.
GAPS = {"gap_accuracy": ("train_accuracy", "test_accuracy"), "gap_loss": ("test_loss", "train_loss")}


def with_gaps(runs: pd.DataFrame, metrics: Iterable[str]) -> pd.DataFrame:
    """The runs with a column for each of ``metrics`` that is a gap; runs without both of its values have none.

    Args:
        runs: a row a run.
        metrics: names of columns; others than gaps are left alone.

    Raises:
        ConfigError: no run has recorded what a gap is made of, with the setting that does.

    >>> runs = pd.DataFrame({"train_accuracy": [1.0], "test_accuracy": [0.75], "error": ""})
    >>> with_gaps(runs, ["gap_accuracy"])["gap_accuracy"].tolist()
    [0.25]
    """
    for name in metrics:
        if name in GAPS and name not in runs and len(runs):
            whole, part = (runs[key].astype(float) if key in runs else pd.Series(dtype=float) for key in GAPS[name])
            gap = whole - part
            if not gap.notna().any():
                trained = next(key for key in GAPS[name] if key.startswith("train"))
                raise ConfigError(
                    f"--metric {name}: no run has a {trained} at its end; with record.train=true it is recorded, in "
                    "runs that are made anew"
                )
            # Before the settings, which a column behind them would be one of.
            runs = runs.copy()
            runs.insert(list(runs).index("error") if "error" in runs else len(runs.columns), name, gap)
    return runs


def gap_notes(metrics: Iterable[str]) -> list[str]:
    """A sentence for each of the metrics that is a gap."""
    return [NOTES[name] for name in metrics if name in NOTES]
