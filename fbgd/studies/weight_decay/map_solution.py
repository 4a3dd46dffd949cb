"""Weight decay as a prior: who finds the mode of the posterior, and how much a prior helps with how many samples."""

import math

import pandas as pd
from matplotlib.figure import Figure

from fbgd.report.formats import UNKNOWN
from fbgd.report.plots import make_figure
from fbgd.report.statistics import Difference, difference
from fbgd.runs.plan import PlannedRun, collect, with_subset_of_seed
from fbgd.studies.double_descent.study import Study, Summary
from fbgd.studies.double_descent.words import percent, points
from fbgd.studies.weight_decay.distance import RIDGE, distance_table, order_of
from fbgd.studies.weight_decay.map_drawing import draw_distances, draw_errors, draw_gains, draw_weights
from fbgd.studies.weight_decay.prior_presets import PRESETS, quick
from fbgd.studies.weight_decay.prior_settings import ADAMW, DESCENT, L2, LBFGS, LINEAR, MODELS, PriorPoint, PriorSizes
from fbgd.studies.weight_decay.weights import final_weights, histogram

NAME = "map"
TITLE = "Weight decay as a prior"
HELP = "L2 against the mode of the posterior under a Gaussian prior; what the prior is worth with how many samples"
HELD = ("model", "data.seed", "data.train_size=", "regime", "optimizer", "regularizer", "schedule", "budget")
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


def run(study: Study) -> list[PlannedRun]:
    """Execute all of them: those that are measured against the mode with one seed, the others with all."""
    points = choose(study.sizes)
    solved = study.plan([point for point in points if point.how == LBFGS])
    compared = study.plan([point for point in points if point.how != LBFGS], [0])
    return study.execute(with_subset_of_seed([*compared, *solved], study.pool))


def tabulate(planned: list[PlannedRun]) -> pd.DataFrame:
    """Rows of three kinds, told by ``part``: distances from the mode, errors at the end, densities of weights."""
    compared = [run for run in planned if run.labels["how"] != LBFGS]
    solved = [run for run in planned if run.labels["how"] == LBFGS]
    errors = error_table(solved)
    parts = {DISTANCES: distance_table(compared), ERRORS: errors, WEIGHTS: weight_table(solved, errors)}
    return pd.concat([part.assign(figure=NAME, part=name) for name, part in parts.items()], ignore_index=True)


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


def gain(part: pd.DataFrame, column: str = "test_error") -> Difference | None:
    """The same as a difference with its interval, ``None`` where either is missing."""
    plain, held = (by_seed(part, precision, column) for precision in (0.0, chosen_precision(part)))
    return difference(plain, held) if len(plain) and len(held) else None


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
    return Summary(pd.DataFrame(numbers), rows, 3, [PARAGRAPH, " ".join(verdicts(table))])


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
    "one with the lowest mean error on the validation splits; gains over no prior are paired by seed, in points, with "
    "their 95 % t-interval. Without a prior, labels that the model can fit have their minimum at infinity, and L-BFGS "
    "ends on the way there, where the gradient has vanished. The MLP has many modes and ends near one of them."
)


def errors_of(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of errors, whole numbers whole again."""
    return table[table["part"] == ERRORS].astype({"train_size": int, "seed": int})


def verdicts(table: pd.DataFrame) -> list[str]:
    """What the numbers say, a sentence a question."""
    return [*distance_verdicts(table[table["part"] == DISTANCES]), *gain_verdicts(errors_of(table)),
            *weight_verdicts(table[table["part"] == WEIGHTS])]  # fmt: skip


def distance_verdicts(table: pd.DataFrame) -> list[str]:
    """Whether the prior, L2 and the closed forms agree, and what AdamW does."""
    sentences = []
    same = table[table["how"].isin(SAME) | (table["model"] == RIDGE)]
    if len(same):
        worst = same["distance"].max()
        told = "end at one minimiser" if worst < ROUNDING else "do not end at one minimiser"
        sentences.append(
            f"L2 in the mean loss, the Gaussian prior and the closed form {told}: at most {worst:.1e} apart."
        )
    adamw = table[table["how"] == ADAMW].sort_values("train_size")
    if len(adamw):
        near = adamw["distance"].min()
        told = "does not end at the mode" if near > 1e-2 else "ends at the mode up to its own tolerance"
        distances = " and ".join(f"{value:.2f}" for value in adamw["distance"])
        sizes = " and ".join(f"{value:.0f}" for value in adamw["train_size"])
        sentences.append(f"AdamW with decoupled decay of the same λ {told}: {distances} from it at n = {sizes}.")
        precisions, held = adamw["nearest_precision"], adamw["precision"].iloc[0]
        off = adamw["nearest_distance"].min()
        found = " and ".join(f"{value:.2g}" for value in precisions)
        sentences.append(
            f"The mode nearest to it belongs to the precision {found} instead of {held:g}, and is still at least "
            f"{off:.2f} away, so it is the mode of no such prior."
            if off > 1e-2
            else f"The mode nearest to it belongs to the precision {found} instead of {held:g}, {off:.2f} away."
        )
    return sentences


def gain_verdicts(errors: pd.DataFrame) -> list[str]:
    """Whether the prior helps with few samples, with many, and more with few than with many."""
    sentences = []
    for model, part in errors.groupby("model", sort=False):
        sizes = sorted(part["train_size"].unique())
        few, many = (part[part["train_size"] == size] for size in (sizes[0], sizes[-1]))
        gains = {sizes[0]: gain(few), sizes[-1]: gain(many)}
        if any(found is None for found in gains.values()):
            continue
        told = " and ".join(f"{change_of(found)} with {size} samples" for size, found in gains.items())
        sentences.append(f"For the {model} model the prior {told}.")
        if len(sizes) > 1:
            less = difference(gain_by_seed(few), gain_by_seed(many))
            word = "more" if less.low > 0 else "less" if less.high < 0 else "neither certainly more nor less"
            sentences.append(f"With fewer samples it is worth {word}: a difference of {points(less)} points.")
    return sentences


def change_of(found: Difference) -> str:
    """A gain in words."""
    if found.low > 0 or found.high < 0:
        low, high = sorted(abs(100 * end) for end in (found.low, found.high))
        verb = "lowers" if found.low > 0 else "raises"
        return f"{verb} the test error by {abs(100 * found.delta):.2f} ({low:.1f} to {high:.1f}) points"
    return f"does not certainly change the test error ({points(found)} points)"


def weight_verdicts(table: pd.DataFrame) -> list[str]:
    """How wide the weights at the mode are spread, in units of the prior's standard deviation."""
    sentences = []
    for model, part in table.groupby("model", sort=False):
        spreads = part.groupby("parameter", sort=False)["spread"].first()
        told = ", ".join(f"{value:.2f} ({name})" for name, value in spreads.items())
        than = "narrower than" if spreads.max() < 1 else "wider than" if spreads.min() > 1 else "partly as wide as"
        sentences.append(
            f"The weights of the {model} model at the mode with {part['train_size'].iloc[0]:.0f} samples are {than} "
            f"the prior, root mean square over σ: {told}; a mode is no draw from the posterior."
        )
    return sentences


def draw(table: pd.DataFrame, title: str) -> Figure:
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


__all__ = ["HELD", "HELP", "NAME", "PRESETS", "TITLE", "choose", "draw", "quick", "run", "summarise", "tabulate"]
