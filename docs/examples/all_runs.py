"""All runs of some studies as one data frame: whatever a table of yours needs is a column.

    python docs/examples/all_runs.py                                   of results/geiping_ladder
    python docs/examples/all_runs.py results/fair_ladder runs          of these folders

What do seconds and gradient evaluations buy? Reads runs.csv files and run directories, and trains nothing.
"""

import sys

import pandas as pd

import fbgd


def main(folders: list[str]) -> None:
    """Print the best settings of every study by their mean, with their cost."""
    frame = pd.concat([fbgd.runs_frame(folder) for folder in folders], ignore_index=True)
    ended = frame[frame["status"] == "done"]
    labels = ["study", "rung"] if "rung" in ended else ["study", "optimizer._target_", "optimizer.lr"]
    groups = ended.groupby(labels, sort=False)
    table = groups.agg(
        runs=("seed", "size"),
        accuracy=("test_accuracy", "mean"),
        spread=("test_accuracy", "std"),
        evaluations=("gradient_evaluations", "mean"),
    )
    print(table.sort_values("accuracy", ascending=False).round(4).to_string())


if __name__ == "__main__":
    main(sys.argv[1:] or ["results/geiping_ladder"])
