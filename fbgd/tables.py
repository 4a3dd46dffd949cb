"""From runs to a validation table: means, intervals, differences to a baseline, costs."""

import math

import numpy as np
import pandas as pd
from scipy import stats

COLUMNS = (
    "rung",
    "n",
    "mean",
    "std",
    "ci_low",
    "ci_high",
    "delta",
    "p_value",
    "published",
    "passes",
    "gradient_evaluations",
    "seconds",
)


def summarise(
    runs: pd.DataFrame,
    *,
    baseline: str,
    published: dict[str, float] | None = None,
    by: str = "rung",
    metric: str = "test_accuracy",
    percent: bool = True,
) -> pd.DataFrame:
    """One row a group, in the order of first appearance, with the columns :data:`COLUMNS`.

    ``mean``, ``std`` (n - 1), the 95 % t-interval and ``delta``, the difference to the baseline's mean, are of
    ``metric``; ``p_value`` is that of the difference, Holm-corrected over the table; costs are means over runs.
    Diverged runs count with the metric they ended with; failed and missing runs are in no mean, and ``n`` shows it.

    Args:
        runs: a row a run with ``by``, ``seed``, ``status``, the metric and the costs.
        baseline: the group that differences are taken to.
        published: values from the literature by group.
        by: the grouping column.
        metric: the compared column.
        percent: multiply the metric by 100.

    Raises:
        ValueError: there is no such baseline.
    """
    if baseline not in set(runs[by]):
        raise ValueError(f"baseline {baseline!r} is not one of {', '.join(map(repr, runs[by].unique()))}")
    counted = runs[runs["status"].isin(["done", "diverged"])]
    values = {
        name: group.set_index("seed")[metric].astype(float) * (100 if percent else 1)
        for name, group in counted.groupby(by, sort=False)
    }
    reference = values.get(baseline, pd.Series(dtype=float))
    rows = []
    for name in runs[by].unique():
        own = values.get(name, pd.Series(dtype=float))
        low, high = t_interval(own.to_numpy())
        costs = counted[counted[by] == name]
        rows.append(
            {
                "rung": name,
                "n": len(own),
                "mean": own.mean(),
                "std": own.std(),
                "ci_low": low,
                "ci_high": high,
                "delta": math.nan if name == baseline else own.mean() - reference.mean(),
                "p_value": math.nan if name == baseline else difference_p_value(own, reference),
                "published": (published or {}).get(name, math.nan),
                **{cost: costs[cost].astype(float).mean() for cost in ("passes", "gradient_evaluations", "seconds")},
            }
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["p_value"] = holm(table["p_value"].to_numpy())
    return table


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's confidence interval of the mean; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def paired(left: pd.Series, right: pd.Series) -> bool:
    """Whether two series, indexed by seed, are over the same two or more seeds."""
    return len(left) > 1 and set(left.index) == set(right.index)


def difference_p_value(left: pd.Series, right: pd.Series) -> float:
    """Two-sided p-value that the means are equal: paired t-test over the same seeds, else Welch's.

    NaN where it is not defined: fewer than two values on a side, or no spread at all.
    """
    if len(left) < 2 or len(right) < 2:
        return math.nan
    if paired(left, right):
        differences = (left - right.loc[left.index]).to_numpy()
        return math.nan if without_spread(differences) else float(stats.ttest_1samp(differences, 0.0).pvalue)
    if without_spread(left.to_numpy()) and without_spread(right.to_numpy()):
        return math.nan
    return float(stats.ttest_ind(left, right, equal_var=False).pvalue)


def without_spread(values: np.ndarray) -> bool:
    """Whether all values are equal up to rounding: their tiny spread would pass for certainty in a t-test."""
    return np.ptp(values) <= 1e-9 * max(1.0, np.abs(values).max())


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction; NaN entries stay and do not count as tests (Holm 1979)."""
    corrected = np.full(len(p_values), math.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    running = 0.0
    for rank, index in enumerate(tested[np.argsort(p_values[tested], kind="stable")]):
        running = max(running, min(1.0, (len(tested) - rank) * p_values[index]))
        corrected[index] = running
    return corrected


def notes(runs: pd.DataFrame, by: str = "rung") -> list[str]:
    """A sentence for every run that diverged or failed, and one for all that were not run."""
    found = []
    for _, run in runs[runs["status"].isin(["diverged", "failed"])].iterrows():
        what = {
            "diverged": lambda run: f"diverged after {run['passes']:g} passes and counts with the accuracy it had then",
            "failed": lambda run: f"failed: {run['error']}",
        }[run["status"]](run)
        found.append(f"{run[by]}, seed {run['seed']} {what}.")
    missing = runs[runs["status"] == "missing"]
    if len(missing):
        names = (
            f"{name} (seed {', '.join(map(str, group['seed']))})" for name, group in missing.groupby(by, sort=False)
        )
        found.append(f"Not run: {'; '.join(names)}.")
    return found


def cells(table: pd.DataFrame) -> list[list[str]]:
    """The table as text for people: a header, then a row a group, costs rounded, unknown values as a dash."""

    def number(value: float, form: str) -> str:
        return "–" if value is None or math.isnan(value) else format(value, form)

    shown = [
        [
            "rung",
            "n",
            "accuracy %",
            "95 % interval",
            "Δ baseline",
            "p (Holm)",
            "published %",
            "passes",
            "gradient evals",
            "seconds",
        ]
    ]
    for row in table.to_dict("records"):
        spread = "" if math.isnan(row["std"]) else f" ± {row['std']:.2f}"
        interval = "–" if math.isnan(row["ci_low"]) else f"{row['ci_low']:.2f} to {row['ci_high']:.2f}"
        shown.append(
            [
                row["rung"],
                str(row["n"]),
                number(row["mean"], ".2f") + spread,
                interval,
                number(row["delta"], "+.2f"),
                number(row["p_value"], ".2g"),
                number(row["published"], ".2f"),
                number(row["passes"], "g"),
                number(row["gradient_evaluations"], ",.0f"),
                number(row["seconds"], ".0f"),
            ]
        )
    return shown


def to_markdown(table: pd.DataFrame, title: str, caption: list[str]) -> str:
    """A Markdown page: title, table, and the caption's paragraphs under it."""
    header, *rows = cells(table)
    lines = [f"# {title}", "", "| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    for paragraph in caption:
        lines += ["", paragraph]
    return "\n".join(lines) + "\n"
