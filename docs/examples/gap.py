"""A small gap is not a good model: how the generalisation gap goes with the test accuracy in finished studies.

    python docs/examples/gap.py

prints a table of the committed results: for each study Kendall's correlation of gap and test accuracy over pairs of
runs, and the setting with the smallest mean gap beside that with the largest mean test accuracy. It runs nothing.
"""

import sys
from pathlib import Path

import pandas as pd

from fbgd.report.claims import Estimate, lower
from fbgd.report.gaps import with_gaps
from fbgd.runs.rows import label_columns, read_rows
from fbgd.studies.minima.correlation import kendall

RESULTS = Path(__file__).parents[2] / "results"
# What makes the gaps of a study differ, by its folder.
STUDIES = {
    "double_descent/model_wise_mnist1d_mlp_draws": "width",
    "double_descent/stochasticity_mnist1d_mlp": "width, procedure",
    "double_descent/regularisation_mnist1d_mlp": "width, weight decay",
    "double_descent/sample_wise_mnist1d_mlp": "samples, width",
    "minima/mnist1d": "batch size, rate, budget",
}
HEADER = ["study", "varied", "runs", "τ of gap and test accuracy", "smaller gap, better model",
          "smallest gap: gap, test %", "best test: gap, test %"]  # fmt: skip


def row_of(folder: Path, varied: str, level: float) -> list[str]:
    """The texts of a study's row.

    Args:
        folder: of the study.
        varied: in words.
        level: of the interval, which is by a bootstrap over seeds.
    """
    runs = with_gaps(read_rows(folder / "runs.csv"), ["gap_accuracy"]).dropna(subset=["gap_accuracy"])
    found = kendall(runs, "gap_accuracy", "test_accuracy", [], level)
    verdict = lower(Estimate(*found[:3]))
    means = 100 * runs.groupby(label_columns(runs), sort=False)[["gap_accuracy", "test_accuracy"]].mean()
    ends = means.loc[means["gap_accuracy"].idxmin()], means.loc[means["test_accuracy"].idxmax()]
    told = [f"{own['gap_accuracy']:.1f}, {own['test_accuracy']:.1f}" for own in ends]
    tau = f"{found.tau:+.2f} ({found.low:.2f} to {found.high:.2f})"
    return [folder.relative_to(RESULTS).as_posix(), varied, str(found.runs), tau, verdict, *told]


def table() -> str:
    """The table in Markdown; its intervals hold together with 95 %."""
    level = 1 - 0.05 / len(STUDIES)
    rows = [row_of(RESULTS / name, varied, level) for name, varied in STUDIES.items()]
    frame = pd.DataFrame(rows, columns=HEADER)
    lines = [HEADER, ["---"] * len(HEADER), *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table())
    sys.exit(0)
