"""Large and small learning rate with and without decay, SGD and full batch; a map of rate and decay.

    python scripts/weight_decay.py overparameterised    MNIST-1D, a ResNet that fits every label, 10 seeds, 20 minutes

What to expect: with SGD the chosen decay lowers the test error, and keeps the training loss off zero.
"""

import math
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.report.statistics import BY_RULE, Difference, difference
from fbgd.runs.plan import PlannedRun, Rung, collect, curves
from fbgd.studies.double_descent.drawing import plain_numbers
from fbgd.studies.double_descent.words import percent, points
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.selection import choose as choose_value
from fbgd.studies.study import Study
from fbgd.studies.tuning import SEARCH_SEEDS
from fbgd.studies.weight_decay.dynamics_claims import make_claims
from fbgd.studies.weight_decay.dynamics_drawing import draw_curves, draw_errors, draw_map
from fbgd.studies.weight_decay.dynamics_presets import PRESETS, quick
from fbgd.studies.weight_decay.dynamics_settings import FULL_BATCH, SGD, DynamicsPoint, DynamicsSizes
from fbgd.studies.weight_decay.noise import gradient_noise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEYS = ["regime", "rate", "decay", "seed"]
# The share of the phase with the peak learning rate, from its end, over which training is called settled.
SETTLED = 1 / 3


def choose(sizes: DynamicsSizes) -> list[DynamicsPoint]:
    """Every setting that can come to be run: those of the choice, of the map, and without decay."""
    compared = [sizes.point(regime, rate, decay) for regime, rate in sizes.compared() for decay in (0.0, *sizes.decays)]
    return list(dict.fromkeys([*compared, *map_points(sizes)]))


def map_points(sizes: DynamicsSizes) -> list[DynamicsPoint]:
    """SGD with every learning rate and weight decay."""
    return [sizes.point(SGD, rate, decay) for rate in sizes.rates for decay in (0.0, *sizes.decays)]


def rungs(sizes: DynamicsSizes) -> list[Rung]:
    """All of them."""
    return [point.rung(sizes.words) for point in choose(sizes)]


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """The choice and the map first, with the search seeds, then what was chosen and no decay with fresh ones."""
    sizes = execution.preset
    candidates = [sizes.point(regime, rate, decay) for regime, rate in sizes.compared() for decay in sizes.decays]
    searched = [point.rung(sizes.words) for point in dict.fromkeys([*candidates, *map_points(sizes)])]
    first = execution.run(searched, range(SEARCH_SEEDS))
    chosen = chosen_decays(end_table(first))
    compared = [
        sizes.point(regime, rate, decay).rung(sizes.words)
        for regime, rate in sizes.compared()
        for decay in (0.0, chosen.get((regime, rate), sizes.decays[len(sizes.decays) // 2]))
    ]
    counted = execution.run(compared, range(SEARCH_SEEDS, SEARCH_SEEDS + execution.seeds))
    return Outcome([*first, *counted])


def chosen_decays(ends: pd.DataFrame) -> dict[tuple[str, float], float]:
    """The weight decay chosen by the validation accuracy of the search seeds, by regime and learning rate.

    What was not searched is left out.

    Args:
        ends: a row a run.
    """
    searched = ends[(ends["seed"] < SEARCH_SEEDS) & (ends["decay"] > 0)]
    chosen = {}
    for (regime, rate), mine in searched.groupby(["regime", "rate"], sort=False):
        accuracies = 1 - mine.pivot(index="seed", columns="decay", values="validation_error").sort_index(axis=1)
        if (choice := choose_value(tuple(accuracies.columns), accuracies.to_numpy())) is not None:
            chosen[regime, rate] = choice.value
    return chosen


def end_table(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a finished run, at its end."""
    rows = recorded(planned).dropna(subset=["test_error"])
    return rows.loc[rows.groupby(KEYS, sort=False)["passes"].idxmax()].reset_index(drop=True)


def recorded(planned: list[PlannedRun]) -> pd.DataFrame:
    """Every recorded row of every run that is done; errors where it was evaluated."""
    rows = curves(planned)
    wanted = ["passes", "learning_rate", "loss", "parameter_norm", "gradient_norm", "block_gradient_norm"]
    metrics = {"train_error": "accuracy", "validation_error": "validation_accuracy", "test_error": "test_accuracy"}
    if not len(rows):
        return pd.DataFrame(columns=[*KEYS, *wanted, *metrics], dtype=float)
    table = rows[[*KEYS, *wanted]].assign(**{name: 1 - rows[column] for name, column in metrics.items()})
    return table.astype({"rate": float, "decay": float, "seed": int})


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row an evaluation of the compared runs, and a row a run of the others.

    The last row of a run has ``settled_loss`` and ``settled_block_norm``, the means of its training loss and of its
    blocks' gradient norms in the last third of the passes with the peak learning rate; that of a compared run has the
    noise of its block gradients there, ``noise`` over ``signal``.
    """
    runs = collect(planned)
    known = {(run.labels["regime"], float(run.labels["rate"]), float(run.labels["decay"]), run.seed): run
             for run in planned}  # fmt: skip
    frames = []
    for key, rows in recorded(planned).groupby(KEYS, sort=False):
        evaluated = rows.dropna(subset=["test_error"])
        last = evaluated.index[-1]
        peak = rows[rows["learning_rate"] >= 0.999 * rows["learning_rate"].max()]
        settled = peak.tail(max(1, math.ceil(SETTLED * len(peak))))
        counted = key[-1] >= SEARCH_SEEDS
        part = (evaluated if counted else evaluated.tail(1)).assign(figure="overparameterised", end=0)
        part.loc[last, "end"] = 1
        part.loc[last, "settled_loss"] = settled["loss"].mean()
        part.loc[last, "settled_block_norm"] = settled["block_gradient_norm"].mean()
        if counted:
            part.loc[last, ["noise", "signal"]] = list(gradient_noise(known[key]))
        frames.append(part)
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    parameters = runs["parameters"].dropna()
    return table.assign(parameters=int(parameters.iloc[0])) if len(parameters) else table


def ends_of(table: pd.DataFrame) -> pd.DataFrame:
    """The last row of every run."""
    return table[table["end"] == 1]


def compared_of(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the comparison: fresh seeds, no decay or the chosen one; ``tuned`` says which."""
    chosen = chosen_decays(ends_of(table))
    fresh = table[table["seed"] >= SEARCH_SEEDS]
    pairs = list(zip(fresh["regime"], fresh["rate"], strict=True))
    wanted = [chosen.get(pair, math.nan) for pair in pairs]
    kept = fresh.assign(tuned=fresh["decay"] > 0)[(fresh["decay"] == 0) | (fresh["decay"] == wanted)]
    return kept[[pair in chosen for pair in zip(kept["regime"], kept["rate"], strict=True)]]


def map_of(table: pd.DataFrame) -> pd.DataFrame:
    """The mean test error of SGD over the search seeds, which every cell of the map has: a row a cell."""
    ends = ends_of(table)
    mine = ends[(ends["regime"] == SGD) & (ends["seed"] < SEARCH_SEEDS)]
    return mine.groupby(["rate", "decay"], as_index=False)["test_error"].mean()


def effect(part: pd.DataFrame, column: str, level: float = 0.95) -> Difference | None:
    """With the chosen decay minus without; ``None`` where either is missing."""
    with_decay, without = (part[part["tuned"] == tuned].set_index("seed")[column].dropna() for tuned in (True, False))
    return difference(with_decay, without, level) if len(with_decay) and len(without) else None


def summarise(table: pd.DataFrame) -> Summary:
    """A row a setting: how it settled, where it ended, and what decay did at the same learning rate."""
    ends = compared_of(ends_of(table))
    numbers, rows = [], []
    for (regime, rate), part in ends.groupby(["regime", "rate"], sort=False):
        found = effect(part, "test_error")
        for decay, own in part.groupby("decay"):
            own = own.assign(ratio=own["noise"] / own["signal"])
            rows.append(
                {
                    "regime": regime,
                    "rate": f"{rate:g}",
                    "decay": f"{decay:g}",
                    "n": str(own["seed"].nunique()),
                    "settled loss": number(own["settled_loss"]),
                    "settled ‖g_B‖": number(own["settled_block_norm"]),
                    "train error %": percent(own["train_error"]),
                    "‖θ‖": number(own["parameter_norm"]),
                    "noise / signal": number(own["ratio"]),
                    "test error %": percent(own["test_error"]),
                    "Δ no decay (95 %)": points(found) if decay else UNKNOWN,
                }
            )
            numbers.append({"regime": regime, "rate": rate, "decay": decay, "test_error": own["test_error"].mean(),
                            "delta": found.delta if found and decay else math.nan})  # fmt: skip
    return Summary(pd.DataFrame(numbers), rows, 3, [PARAGRAPH, *edge_paragraph(table)], "test_error")


def edge_paragraph(table: pd.DataFrame) -> list[str]:
    """A sentence about the choices beyond which a better one may lie."""
    ends = ends_of(table)
    compared = set(compared_of(ends)[["regime", "rate"]].itertuples(index=False, name=None))
    decays = ends.loc[ends["decay"] > 0, "decay"]
    edge = [f"{regime} at the rate {rate:g}" for (regime, rate), decay in chosen_decays(ends).items()
            if (regime, rate) in compared and decay in (decays.min(), decays.max())]  # fmt: skip
    if not edge:
        return []
    return [f"The smallest or largest decay was chosen, so a better one may lie beyond: {'; '.join(edge)}."]


def number(values: pd.Series) -> str:
    """Mean ± standard deviation with three digits."""
    if not len(values) or values.isna().all():
        return UNKNOWN
    return f"{values.mean():.3g}" + ("" if len(values) < 2 else f" ± {values.std():.2g}")


PARAGRAPH = (
    "Mean ± standard deviation over n seeds. The decay above 0 was chosen for each row from the map's by the "
    f"mean validation accuracy of {SEARCH_SEEDS} search seeds, none of which counts here: of those within one standard "
    "error of the best, the one nearest their middle. Differences to no decay are in points, each with its own 95 % "
    f"interval {BY_RULE}. "
    "Settled: mean over the last third of the passes with the "
    "peak learning rate, of the training loss and of the norms of the blocks' gradients ‖g_B‖. The train error is that "
    "of the last pass. Noise / signal: at the end, the trace of the covariance of the block gradients over the squared "
    "norm of their mean, from another pass; weight decay is in neither. A block is as large in both regimes."
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Training loss, parameter norm and block gradients over passes; test errors; the map of SGD."""
    figure, panels = make_figure((18, 10), 2, 3)
    compared = compared_of(table)
    for axes, regime in zip(panels[:2], (SGD, FULL_BATCH), strict=True):
        own = compared[compared["regime"] == regime]
        draw_curves(axes, own, "loss", "training loss")
        axes.set_title(regime)
        axes.legend(fontsize="small")
    sgd = compared[compared["regime"] == SGD]
    draw_curves(panels[2], sgd, "block_gradient_norm", "norm of a block's gradient")
    panels[2].set_title(SGD)
    draw_curves(panels[3], sgd, "parameter_norm", "norm of the parameters")
    panels[3].set_title(SGD)
    plain_numbers(panels[3].yaxis)
    draw_errors(panels[4], ends_of(compared))
    draw_map(figure, panels[5], map_of(table))
    figure.suptitle(f"{title}: mean and range over seeds")
    return figure


STUDY = Study(
    name="overparameterised",
    family="weight_decay",
    title="Weight decay in an overparameterised network",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("optimizer.lr", "optimizer.weight_decay", "regime=", "budget"),
    execute=execute,
    measure=measure,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=make_claims(lambda table: compared_of(ends_of(table)), map_of, effect),
)
