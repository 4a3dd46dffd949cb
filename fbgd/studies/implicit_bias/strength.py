"""A small learning rate with an explicit penalty against a large learning rate; GD and SGD.

python scripts/implicit_bias.py strength
python scripts/implicit_bias.py strength data=fashion_mnist --list    12000 images, for a GPU
"""

import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary
from fbgd.report.statistics import BY_RULE, difference
from fbgd.runs.plan import Rung, collect
from fbgd.studies.double_descent.words import percent, points
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.implicit_bias.strength_claims import CLAIMS, MARGIN
from fbgd.studies.implicit_bias.strength_drawing import draw
from fbgd.studies.implicit_bias.strength_measure import chosen_rates, counted, measure
from fbgd.studies.implicit_bias.strength_settings import PRESETS, StrengthSizes, compared, large, quick
from fbgd.studies.study import Study
from fbgd.studies.tuning import SEARCH_SEEDS

REFERENCE = "0"


def rungs(sizes: StrengthSizes) -> list[Rung]:
    """Every setting that can come to be run: that of each large rate that may be chosen."""
    return [rung for name, own in sizes.trainings.items() for rate in own.rates for rung in compared(sizes, name, rate)]


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """Search the large rates, then run what they are compared with, with fresh seeds."""
    sizes = execution.preset
    candidates = [large(sizes, name, rate) for name, own in sizes.trainings.items() for rate in own.rates]
    searched = execution.run(candidates, range(SEARCH_SEEDS))
    chosen = chosen_rates(collect(searched))
    found = [rung for name, rate in chosen.items() for rung in compared(sizes, name, rate)]
    if not found:
        return Outcome(searched, rungs=candidates)
    fresh = range(SEARCH_SEEDS, SEARCH_SEEDS + execution.seeds)
    return Outcome([*searched, *execution.run(found, fresh)], rungs=rungs)


def summarise(evidence: Evidence) -> Summary:
    """A row a way of training and setting."""
    chosen = chosen_rates(evidence.runs) if len(evidence.runs) else {}
    numbers, rows = [], []
    ends = evidence.measurements
    runs = counted(evidence.runs, chosen) if chosen else pd.DataFrame(columns=["training", "setting"])
    for (training, setting), own in runs.groupby(["training", "setting"], sort=False):
        done = own[own["status"] == "done"].set_index("seed")
        zero = runs[(runs["training"] == training) & (runs["setting"] == REFERENCE) & (runs["status"] == "done")]
        change = None
        # What is left of a setting that lost runs are those that survived.
        if setting != REFERENCE and len(done) == len(own) and len(zero):
            change = difference(done["test_accuracy"], zero.set_index("seed")["test_accuracy"])
        rows.append(
            {
                "training": str(training),
                "setting": str(setting) if not str(setting)[0].isdigit() else f"penalty {setting}",
                "rate": own["optimizer.lr"].iloc[0],
                "n": f"{len(done)}" + (f" of {len(own)}" if len(done) < len(own) else ""),
                "test %": percent(done["test_accuracy"]),
                "validation %": percent(done["validation_accuracy"]),
                **end_cells(ends, str(training), str(setting)),
                "Δ penalty 0 (95 %)": points(change),
            }
        )
        numbers.append({"training": training, "setting": setting, "rate": chosen[str(training)],
                        "test_accuracy": done["test_accuracy"].mean()})  # fmt: skip
    told = [PARAGRAPH, *(f"{name}: the large rate {rate:g} was chosen." for name, rate in chosen.items())]
    return Summary(pd.DataFrame(numbers), rows, 2, told, "test_accuracy")


def end_cells(ends: pd.DataFrame, training: str, setting: str) -> dict[str, str]:
    """The means of what was measured at the end of the runs of a setting."""
    names = {"loss": "loss", "squared_gradient": "‖∇L‖²", "block_square": "mean ‖∇L_B‖²"}
    own = ends[(ends["training"] == training) & (ends["setting"] == setting)] if len(ends) else ends
    return {text: f"{own[name].mean():.3g}" if len(own) else UNKNOWN for name, text in names.items()}


PARAGRAPH = (
    "All runs of a way of training have the same learning rate times steps. The large rate is the largest of a grid "
    "at which each of "
    f"{SEARCH_SEEDS} search seeds trains to its end, with a mean validation accuracy within one standard error of the "
    "best; none of these seeds counts here. Penalty s: full batch at the small rate with an explicit penalty on the "
    "squared norm of the gradient of every block, whose coefficient is s times a quarter of the large rate; 1 is what "
    "the theory says that large steps add. GD has a single block, all samples; SGD takes one block a step. Cells are "
    "mean ± standard deviation over n seeds; differences to the small rate in full batch without a penalty are in "
    f"points, each with its own 95 % interval, {BY_RULE}. Loss and squared norms are at the end of training, over the "
    f'training set, without penalties. The margin of "level with" is {MARGIN:g} points.'
)

STUDY = Study(
    name="strength",
    family="implicit_bias",
    title="The strength of an explicit gradient penalty",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    held=("optimizer.lr", "regime=", "regime.block_size", "regularizer=", "budget"),
    execute=execute,
    measure=measure,
    summarise=summarise,
    figures={"figure.png": draw},
    claims=CLAIMS,
)
