"""A small gap is not a good model: how the generalisation gap goes with the test accuracy in finished studies.

    python docs/examples/gap.py

prints a table of the committed results: for each study Kendall's correlation of gap and test accuracy over pairs of
runs, the same over pairs that have some settings in common, and the setting with the smallest mean gap beside that with
the largest mean test accuracy. It runs nothing.
"""

import sys
from pathlib import Path

import pandas as pd

from fbgd.report.claims import Estimate, lower
from fbgd.report.gaps import with_gaps
from fbgd.runs.rows import label_columns, read_rows
from fbgd.studies.minima.correlation import kendall

RESULTS = Path(__file__).parents[2] / "results"
# What makes the gaps of a study differ, by its folder, and the labels that pairs of the second correlation share.
STUDIES = {
    "double_descent/model_wise_mnist1d_mlp_draws": ("width, label noise", ["width"]),
    "double_descent/stochasticity_mnist1d_mlp": ("width, procedure", ["width"]),
    "double_descent/regularisation_mnist1d_mlp": ("width, weight decay", ["width"]),
    "double_descent/sample_wise_mnist1d_mlp": ("samples, width", ["n"]),
    "minima/mnist1d": ("batch size, rate, budget", ["budget"]),
}
HEADER = ["study", "varied", "runs", "τ of gap and test accuracy", "smaller gap, better model",
          "pairs that share", "τ of these",
          "smallest gap: gap, test %", "best test: gap, test %"]  # fmt: skip


def row_of(folder: Path, varied: str, within: list[str], level: float) -> list[str]:
    """The texts of a study's row.

    Args:
        folder: of the study.
        varied: in words.
        within: labels that the pairs of the second correlation share.
        level: of the interval, which is by a bootstrap over seeds.
    """
    runs = with_gaps(read_rows(folder / "runs.csv"), ["gap_accuracy"]).dropna(subset=["gap_accuracy"])
    found, alike = (kendall(runs, "gap_accuracy", "test_accuracy", own, level) for own in ([], within))
    verdict = lower(Estimate(*found[:3]))
    means = 100 * runs.groupby(label_columns(runs), sort=False)[["gap_accuracy", "test_accuracy"]].mean()
    ends = means.loc[means["gap_accuracy"].idxmin()], means.loc[means["test_accuracy"].idxmax()]
    told = [f"{own['gap_accuracy']:.1f}, {own['test_accuracy']:.1f}" for own in ends]
    taus = [f"{own.tau:+.2f} ({own.low:.2f} to {own.high:.2f})" for own in (found, alike)]
    name = folder.relative_to(RESULTS).as_posix()
    return [name, varied, str(found.runs), taus[0], verdict, ", ".join(within), taus[1], *told]


def table() -> str:
    """The table in Markdown; its intervals hold together with 95 %."""
    level = 1 - 0.05 / (2 * len(STUDIES))
    rows = [row_of(RESULTS / name, *about, level) for name, about in STUDIES.items()]
    frame = pd.DataFrame(rows, columns=HEADER)
    lines = [HEADER, ["---"] * len(HEADER), *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table())
    sys.exit(0)
