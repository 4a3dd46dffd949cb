"""L2 against the mode of the posterior under a Gaussian prior; what the prior is worth with how many samples.

    python scripts/weight_decay.py map                  digits, 5 seeds, 5 minutes
    python scripts/weight_decay.py map data=mnist1d     a linear model cannot fit the labels of many samples

What to expect: L2 and the Gaussian prior end at one minimiser to the last digits, AdamW's decay nowhere near it; the
prior is worth points for the MLP, less for the linear model.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.claims import Claim, Estimate, beyond, exactly, higher, lower, of_difference, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.report.statistics import BY_RULE, Difference, difference
from fbgd.runs.plan import PlannedRun, Rung, collect, with_subset_of_seed
from fbgd.studies.double_descent.words import percent, points
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Study
from fbgd.studies.trained import final_weights
from fbgd.studies.weight_decay.distance import RIDGE, distance_table, order_of
from fbgd.studies.weight_decay.map_drawing import draw_distances, draw_errors, draw_gains, draw_weights
from fbgd.studies.weight_decay.prior_presets import PRESETS, quick
from fbgd.studies.weight_decay.prior_settings import ADAMW, DESCENT, L2, LBFGS, LINEAR, MODELS, PriorPoint, PriorSizes
from fbgd.studies.weight_decay.weights import histogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DISTANCES, ERRORS, WEIGHTS = "distances", "errors", "weights"
# Ways to train that are the same in exact arithmetic, and what they may differ by in float64.
SAME, ROUNDING = (DESCENT, L2), 1e-8


def choose(sizes: PriorSizes) -> list[PriorPoint]:
    """Both models at every number of samples with every prior; one of them trained in several ways."""
    solved = [
        sizes.solved(model, samples, precision)
        for model in MODELS
        for samples in sizes.train_sizes
        for precision in sizes.precisions
    ]
    return solved + [point for samples in sizes.held_sizes for point in sizes.compared(samples)]


def rungs(sizes: PriorSizes) -> list[Rung]:
    """All of them."""
    return [point.rung(sizes.words) for point in dict.fromkeys(choose(sizes))]


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Those that are measured against the mode run with one seed, the others with all, each on a subset of its own."""
    solved = execution.plan([rung for rung in rungs if rung.labels["how"] == LBFGS])
    compared = execution.plan([rung for rung in rungs if rung.labels["how"] != LBFGS], [0])
    return Outcome(execution.execute(with_subset_of_seed([*compared, *solved], execution.pool)))


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """Rows of three kinds, told by ``part``: distances from the mode, errors at the end, densities of weights."""
    compared = [run for run in planned if run.labels["how"] != LBFGS]
    solved = [run for run in planned if run.labels["how"] == LBFGS]
    errors = error_table(solved)
    parts = {DISTANCES: distance_table(compared), ERRORS: errors, WEIGHTS: weight_table(solved, errors)}
    return pd.concat([part.assign(figure="map", part=name) for name, part in parts.items()], ignore_index=True)


def error_table(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a finished run, at its end."""
    runs = collect(planned)
    done = runs[runs["status"] == "done"]
    return pd.DataFrame(
        {
            "model": done["model"],
            "train_size": done["n"].astype(int),
            "precision": done["precision"].astype(float),
            "how": done["how"],
            "seed": done["seed"].astype(int),
            "train_error": 1 - done["accuracy"].astype(float),
            "train_loss": done["loss"].astype(float),
            "validation_error": 1 - done["validation_accuracy"].astype(float),
            "test_error": 1 - done["test_accuracy"].astype(float),
            "test_loss": done["test_loss"].astype(float),
        }
    )


def chosen_precision(errors: pd.DataFrame) -> float:
    """Of the rows of one model and number of samples, the prior with the lowest mean validation error.

    The weakest of equals; NaN where there is none.
    """
    means = errors[errors["precision"] > 0].groupby("precision")["validation_error"].mean()
    # Shares of a few hundred samples: what differs less differs by rounding, and a file keeps eight digits.
    return means.round(6).idxmin() if len(means) else math.nan


def weight_table(planned: list[PlannedRun], errors: pd.DataFrame) -> pd.DataFrame:
    """The density of the weights of the first seed, with most samples and the prior chosen for them, a row a bin."""
    frames = []
    for model, part in errors.groupby("model", sort=False):
        most = part["train_size"].max()
        precision = chosen_precision(part[part["train_size"] == most])
        wanted = {"model": model, "n": str(most), "precision": f"{precision:g}", "how": LBFGS}
        for run in planned:
            if run.labels == wanted and run.seed == min(part["seed"]) and run.done:
                for name, values in final_weights(run).items():
                    about = {"model": model, "train_size": most, "precision": precision, "seed": run.seed}
                    frames.append(histogram(values, precision**-0.5).assign(**about, parameter=name))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def by_seed(part: pd.DataFrame, precision: float, column: str) -> pd.Series:
    """A column at one prior, indexed by seed."""
    return part[part["precision"] == precision].set_index("seed")[column]


def gain_by_seed(part: pd.DataFrame, column: str = "test_error") -> pd.Series:
    """What the chosen prior takes off a column, for every seed of a model and number of samples."""
    return (by_seed(part, 0.0, column) - by_seed(part, chosen_precision(part), column)).dropna()


def gain(part: pd.DataFrame, column: str = "test_error", level: float = 0.95) -> Difference | None:
    """The same as a difference with its interval, ``None`` where either is missing."""
    plain, held = (by_seed(part, precision, column) for precision in (0.0, chosen_precision(part)))
    return difference(plain, held, level) if len(plain) and len(held) else None


def summarise(table: pd.DataFrame) -> Summary:
    """Distances from the mode, a row a way to train; then what the prior is worth, a row a model and sample size."""
    numbers, rows = [], []
    for row in table[table["part"] == DISTANCES].to_dict("records"):
        ridge = row["model"] == RIDGE
        nearest = f"{row['nearest_precision']:.3g} ({order_of(row['nearest_distance'])})"
        rows.append(
            line(
                row["model"], row["train_size"], row["how"], row["precision"],
                distance=order_of(row["distance"]), nearest=UNKNOWN if ridge else nearest,
            )
        )  # fmt: skip
        numbers.append({key: row[key] for key in ("model", "train_size", "how", "precision", "distance")})
    for (model, samples), part in errors_of(table).groupby(["model", "train_size"], sort=False):
        precision, found = chosen_precision(part), gain(part)
        rows.append(
            line(
                model, samples, LBFGS, precision,
                seeds=str(part["seed"].nunique()),
                error=percent(by_seed(part, precision, "test_error")),
                plain=percent(by_seed(part, 0.0, "test_error")),
                gained=points(found),
            )
        )  # fmt: skip
        numbers.append({"model": model, "train_size": samples, "how": LBFGS, "precision": precision,
                        "gain": found.delta if found else math.nan})  # fmt: skip
    return Summary(pd.DataFrame(numbers), rows, 3, [PARAGRAPH], "test_error")


def line(model: str, samples: float, how: str, precision: float, **cells: str) -> dict[str, str]:
    """A row of the page; a dash in the cells that it has nothing to say in."""
    names = {
        "distance": "distance",
        "nearest": "nearest prior",
        "seeds": "n",
        "error": "test error %",
        "plain": "no prior",
        "gained": "gain (95 %)",
    }
    about = {"model": model, "samples": f"{samples:.0f}", "trained by": how, "1/σ² = nλ": f"{precision:g}"}
    return {**about, **{name: cells.get(key, UNKNOWN) for key, name in names.items()}}


PARAGRAPH = (
    "The prior N(0, σ²) on all weights and biases is L2 of the strength λ = 1/(nσ²) beside the mean loss. Distance: "
    "norm of the difference to the mode of the posterior, over the mode's norm; the mode is found without the engine, "
    "by Newton's method, or in closed form for ridge regression of one-hot labels. Nearest prior: that whose mode is "
    "nearest to the weights, and its distance, out of two a factor of ten. Errors: mean ± standard deviation over n "
    "seeds, each with a training subset and a validation split of its own; the prior is for each number of samples the "
    "one with the lowest mean error on the validation splits; gains over no prior are in points, each with "
    f"its own 95 % interval {BY_RULE}. Without a prior, labels that "
    "the model can fit have their minimum at infinity, and L-BFGS "
    "ends on the way there, where the gradient has vanished. The MLP has many modes and ends near one of them."
)


def errors_of(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of errors, whole numbers whole again."""
    return table[table["part"] == ERRORS].astype({"train_size": int, "seed": int})


def same_minimiser(evidence: Evidence) -> list[Estimate]:
    """The largest distance from the mode of those ways to train that are the same in exact arithmetic."""
    table = evidence.measurements[evidence.measurements["part"] == DISTANCES]
    same = table[table["how"].isin(SAME) | (table["model"] == RIDGE)]
    return [exactly(same["distance"].max())] if len(same) else []


def of_adamw(column: str) -> Callable[[Evidence], list[Estimate]]:
    """A distance of AdamW, for every number of samples."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = evidence.measurements
        rows = table[(table["part"] == DISTANCES) & (table["how"] == ADAMW)].sort_values("train_size")
        return [exactly(row[column], f"{row['train_size']:.0f} samples") for row in rows.to_dict("records")]

    return estimates


def ends_of_sizes(part: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """The rows with the fewest and with the most samples."""
    sizes = sorted(part["train_size"].unique())
    return {size: part[part["train_size"] == size] for size in dict.fromkeys((sizes[0], sizes[-1]))}


def gains(evidence: Evidence) -> list[Estimate]:
    """What the chosen prior takes off the test error with few and with many samples, for every model."""
    return [
        of_difference(found, f"{model}, {size} samples")
        for model, part in errors_of(evidence.measurements).groupby("model", sort=False)
        for size, rows in ends_of_sizes(part).items()
        if (found := gain(rows, level=evidence.level)) is not None
    ]


def gains_lost(evidence: Evidence) -> list[Estimate]:
    """The gain with the fewest samples minus that with the most, for every model."""
    return [
        of_difference(difference(gain_by_seed(ends[0]), gain_by_seed(ends[1]), evidence.level), str(model))
        for model, part in errors_of(evidence.measurements).groupby("model", sort=False)
        if len(ends := list(ends_of_sizes(part).values())) > 1 and all(len(gain_by_seed(rows)) for rows in ends)
    ]


def widest(evidence: Evidence) -> list[Estimate]:
    """The largest spread of a parameter's weights at the mode over the prior's, minus 1, for every model."""
    table = evidence.measurements[evidence.measurements["part"] == WEIGHTS]
    return [exactly(part["spread"].max() - 1, str(model)) for model, part in table.groupby("model", sort=False)]


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Above, distances and errors over the prior for both models; below, gains over n and the weights' densities."""
    figure, panels = make_figure((18, 10), 2, 3)
    errors = errors_of(table)
    draw_distances(panels[0], table[table["part"] == DISTANCES])
    for axes, model in zip(panels[1:3], MODELS, strict=True):
        draw_errors(axes, errors[errors["model"] == model], model, legend=model == LINEAR)
    draw_gains(panels[3], {model: {size: 100 * gain_by_seed(part) for size, part in rows.groupby("train_size")}
                           for model, rows in errors.groupby("model", sort=False)})  # fmt: skip
    weights = table[table["part"] == WEIGHTS]
    for axes, model in zip(panels[4:], MODELS, strict=True):
        draw_weights(axes, weights[weights["model"] == model], model)
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


STUDY = Study(
    name="map",
    family="weight_decay",
    title="Weight decay as a prior",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("model", "data.seed", "data.train_size=", "regime", "optimizer", "regularizer", "schedule", "budget"),
    execute=execute,
    measure=measure,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=(
        Claim("L2 is a Gaussian prior", "L2 in the mean loss, the Gaussian prior and the closed form end at one point.",
              "largest relative distance from the mode", same_minimiser, within(ROUNDING), form=".1e"),
        Claim("decoupled decay is not", "AdamW with decoupled decay of the same strength does not end at the mode.",
              "relative distance from the mode", of_adamw("distance"), beyond(1e-2), form=".2f"),
        Claim("nor another prior", "AdamW ends at the mode of no Gaussian prior.",
              "relative distance from the nearest mode", of_adamw("nearest_distance"), beyond(1e-2), form=".2f"),
        Claim("the prior helps", "The prior that the validation split chooses lowers the test error.",
              "fall of the test error, points", gains, higher),
        Claim("fewer samples, larger gain", "With fewer samples the prior is worth more.",
              "gain with few samples minus gain with many, points", gains_lost, higher),
        Claim("weights narrower", "The weights at the mode are narrower than the prior; a mode is no draw.",
              "largest root mean square over sigma, minus 1", widest, lower),
    ),
)  # fmt: skip
