"""Weight decay as the complexity axis, early stopping, ensembles of the seeds.

python scripts/double_descent.py regularisation
"""

from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import PlannedRun, collect
from fbgd.studies.double_descent.crossfit import CROSS_FITTED
from fbgd.studies.double_descent.drawing import draw_band, error_axes, plain_ticks, width_colours
from fbgd.studies.double_descent.ensemble import ensemble_error
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.peaks import flat, rises
from fbgd.studies.double_descent.settings import Point, Procedure, Sizes
from fbgd.studies.double_descent.shape import find_heights, find_peak
from fbgd.studies.double_descent.tidy import KEYS, early_stopped, evaluation_table, run_table
from fbgd.studies.double_descent.words import percent, place, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLAIN = "no regularisation"


def decayed(sizes: Sizes, strength: float) -> Procedure:
    """The standard procedure with weight decay."""
    words = (*sizes.standard.words, f"optimizer.weight_decay={strength:g}")
    return Procedure(f"{sizes.standard.name}, weight decay {strength:g}", words)


def strength_of(procedure: str) -> float:
    """The weight decay that a procedure's name tells, 0 for none."""
    return float(procedure.rpartition("weight decay ")[2]) if "weight decay" in procedure else 0.0


def choose(sizes: Sizes) -> list[Point]:
    """Some widths, without weight decay and with each strength."""
    plain = [sizes.point(width) for width in sizes.few_widths]
    return plain + [point.trained(decayed(sizes, strength)) for strength in sizes.weight_decays for point in plain]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a run, with what early stopping would have kept, and the error of its setting's ensemble of seeds."""
    table = run_table("regularisation", collect(planned))
    table.insert(6, "weight_decay", table["procedure"].map(strength_of))
    groups: dict[tuple, list[PlannedRun]] = {}
    for run in planned:
        if (RunDirectory(run.path).read_summary() or {}).get("status") == "done":
            groups.setdefault((int(run.labels["width"]), run.labels["procedure"]), []).append(run)
    errors = {key: ensemble_error(runs) for key, runs in groups.items()}
    ensemble = [errors.get(key) for key in zip(table["width"], table["procedure"], strict=True)]
    stopped = early_stopped(evaluation_table("regularisation", planned))
    return table.assign(ensemble_error=ensemble).merge(stopped, on=KEYS, validate="one_to_one")


def lowest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the weight decay with the lowest mean test error at each width."""
    means = table.groupby(["width", "weight_decay"])["test_error"].mean()
    best = {width: part.idxmin()[1] for width, part in means.groupby(level=0)}
    return table[table["weight_decay"] == table["width"].map(best)]


def curves(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The curves over width that are compared: each a frame with ``width``, ``seed`` and ``error``."""
    plain = table[table["weight_decay"] == 0]
    once = plain.drop_duplicates("width")
    return {
        PLAIN: plain.assign(error=plain["test_error"]),
        **{
            f"weight decay {strength:g}": part.assign(error=part["test_error"])
            for strength, part in table[table["weight_decay"] > 0].groupby("weight_decay")
        },
        "lowest of all weight decays": lowest(table).assign(error=lambda rows: rows["test_error"]),
        "stopped early": plain.assign(error=plain["best_test_error"]),
        "ensemble of the seeds": once.assign(error=once["ensemble_error"]),
    }


def summarise(table: pd.DataFrame) -> Summary:
    """The rise to the peak, if there is one, and the errors along it, for every way to regularise."""
    numbers, rows = [], []
    widths = sorted(table["width"].unique())
    for name, part in curves(table).items():
        found, heights = find_peak(part, "error"), find_heights(part, "error")
        row = {
            "regularisation": name,
            "peak at width": place(found.peak) if found else "no peak",
            "rise to the peak (95 %)": points(heights.rise if heights else None),
        }
        for width in widths:
            row[f"{width}: test error %"] = percent(part.loc[part["width"] == width, "error"])
        rows.append(row)
        numbers.append({"regularisation": name, "rise": heights.rise.delta if heights else float("nan")})
    return Summary(pd.DataFrame(numbers), rows, 1, PARAGRAPHS, "test_error")


PARAGRAPHS = [
    f"Columns are widths: mean ± standard deviation of the test error over the seeds. {CROSS_FITTED} The lowest of all "
    "weight decays and the moment of stopping early are chosen by the test error itself: bounds on what tuning can do. "
    "An ensemble averages the probabilities of all seeds; there is one for each width, so no spread, and its rise is "
    "that of one curve at places of its own choice, too large.",
]


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Error over width for each strength; over the strength for each width; early stopping and the ensemble."""
    import seaborn as sns

    figure, (over_width, over_decay, others) = make_figure((18, 5.5), 1, 3, sharey=True)
    strengths, widths = sorted(table["weight_decay"].unique()), sorted(table["width"].unique())
    for strength, colour in zip(strengths, sns.color_palette("crest", len(strengths)), strict=True):
        part = table[table["weight_decay"] == strength]
        draw_band(over_width, part, "width", "test_error", color=colour, marker="o", label=f"weight decay {strength:g}")
    over_width.set(xscale="log", xlabel="width", ylabel="error (%)")
    plain_ticks(over_width, widths)
    over_width.legend(fontsize="x-small")
    colours = width_colours(widths)
    for width in widths:
        part = table[(table["width"] == width) & (table["weight_decay"] > 0)]
        draw_band(
            over_decay, part, "weight_decay", "test_error", color=colours[width], marker="o", label=f"width {width}"
        )
    over_decay.set(xscale="log", xlabel="weight decay: from complex to simple")
    plain_ticks(over_decay, [strength for strength in strengths if strength > 0])
    over_decay.legend(fontsize="x-small", ncol=2)
    plain = table[table["weight_decay"] == 0]
    named = {
        "train": "train_error",
        "test": "test_error",
        "test, stopped early": "best_test_error",
        "test, ensemble of the seeds": "ensemble_error",
    }
    error_axes(others, plain, "width", named, legend=True)
    others.legend(fontsize="x-small")
    figure.suptitle(f"{title}, label noise {table['label_noise'].iloc[0]:g}: mean and range over seeds")
    return figure


CLAIMS = (
    rises(
        lambda table: [(PLAIN, curves(table)[PLAIN])],
        "Without regularisation there is a rise to a peak.",
        value="error",
    ),
    flat(
        lambda table: [(name, part) for name, part in curves(table).items() if name != PLAIN],
        "Regularised, what is left of the peak rises by less than a point.",
        value="error",
    ),
)
STUDY = descent(
    "regularisation",
    "Double descent under regularisation",
    __doc__,
    choose,
    measure,
    measured(summarise),
    draw,
    held=("optimizer=", "optimizer._target_=", "optimizer.weight_decay="),
    claims=CLAIMS,
)
