"""A Transformer's per-token loss over width, for two numbers of sentence pairs.

python scripts/double_descent.py translation
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.claims import Claim, Estimate, higher, of_difference
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.plots import make_figure
from fbgd.report.statistics import BY_RULE, Difference
from fbgd.runs.plan import PlannedRun, collect
from fbgd.studies.double_descent.crossfit import CROSS_FITTED
from fbgd.studies.double_descent.drawing import draw_band, plain_ticks
from fbgd.studies.double_descent.figure import descent
from fbgd.studies.double_descent.peaks import by_column, rises
from fbgd.studies.double_descent.presets import TRANSLATION, TRANSLATION_MODELS
from fbgd.studies.double_descent.settings import Point, Procedure, Sizes
from fbgd.studies.double_descent.shape import by_seed, find_peak
from fbgd.studies.double_descent.simultaneous import simultaneous
from fbgd.studies.double_descent.tidy import KEYS, early_stopped, evaluation_table, run_table
from fbgd.studies.double_descent.words import place

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trained_for(sizes: Sizes, samples: int) -> Procedure:
    """The standard procedure for so many steps, which fewer samples are seen more often in."""
    steps_per_pass = math.ceil(samples / sizes.block_size)
    words = (
        f"budget.passes={sizes.steps / steps_per_pass:.10g}",
        f"schedule.warmup={sizes.warmup_steps / steps_per_pass:.10g}",
        f"regime.block_size={sizes.block_size}",
    )
    return Procedure(f"{sizes.standard.name}, {sizes.steps} steps", (*sizes.standard.words, *words))


def choose(sizes: Sizes) -> list[Point]:
    """Every width at every number of pairs, for the same number of steps."""
    return [
        sizes.point(width, train_size=samples).trained(trained_for(sizes, samples))
        for samples in sizes.train_sizes
        for width in sizes.widths
    ]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a run; errors are shares of tokens, losses are cross-entropies per token in nats."""
    table = run_table("translation", collect(planned))
    return table.merge(early_stopped(evaluation_table("translation", planned)), on=KEYS, validate="one_to_one")


def nats(values: pd.Series) -> str:
    """Mean ± standard deviation over seeds."""
    if not len(values):
        return UNKNOWN
    return f"{values.mean():.3f}" + ("" if len(values) < 2 else f" ± {values.std():.3f}")


def change(found: Difference) -> str:
    """A difference in nats with its interval."""
    interval = "" if math.isnan(found.low) else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.delta:+.3f}{interval}"


def gains_of_more(table: pd.DataFrame, level: float | None = None) -> dict[int, Difference]:
    """The test loss with most pairs minus that with fewest, by width; none where there is one number of pairs."""
    sizes = table["train_size"].max(), table["train_size"].min()
    pairs = {
        int(width): tuple(by_seed(part, "train_size", size, "test_loss") for size in sizes)
        for width, part in table.groupby("width")
    }
    return simultaneous(pairs, level) if sizes[0] > sizes[1] else {}


def summarise(table: pd.DataFrame) -> Summary:
    """Losses at every width, both numbers of pairs side by side, and what more pairs bring."""
    sizes, gains = sorted(table["train_size"].unique()), gains_of_more(table)
    numbers, rows = [], []
    for width, part in table.groupby("width"):
        row = {"width": str(width), "parameters": f"{part['parameters'].iloc[0]:,}", "n": str(part["seed"].nunique())}
        losses = {size: by_seed(part, "train_size", size, "test_loss") for size in sizes}
        for size in sizes:
            row[f"{size} pairs: test"] = nats(losses[size])
            row[f"{size}: train"] = nats(by_seed(part, "train_size", size, "train_loss"))
        gain = gains.get(int(width))
        row[f"{sizes[-1]} - {sizes[0]} pairs (95 %, all together)"] = change(gain) if gain else UNKNOWN
        row["p (Holm)"] = f"{gain.p_value:.2g}" if gain else UNKNOWN
        rows.append(row)
        numbers.append({"width": width, "more_pairs": gain.delta if gain else math.nan})
    peaks = []
    for size in sizes:
        found = find_peak(table[table["train_size"] == size], "test_loss")
        told = f"peak at width {place(found.peak)}, rise {change(found.rise)}" if found else "no peak"
        peaks.append(f"{size} pairs: {told}")
    paragraphs = [PARAGRAPH, "Test loss over width: " + "; ".join(peaks) + "."]
    return Summary(pd.DataFrame(numbers), rows, 1, paragraphs, "test_loss")


PARAGRAPH = (
    "Cross-entropy per token in nats, without label smoothing, at the end of training: mean ± standard deviation over "
    f"n seeds; differences are {BY_RULE}, with 95 % intervals that hold for all widths together (Bonferroni), p "
    f"corrected for them. All runs take the same number of steps, so fewer pairs are seen more often. {CROSS_FITTED}"
)


def draw(table: pd.DataFrame, title: str) -> "Figure":
    """Left, test and train loss over width; right, the errors; a colour a number of pairs."""
    import seaborn as sns

    figure, (left, right) = make_figure((14, 5.5), 1, 2)
    sizes = sorted(table["train_size"].unique())
    for size, colour in zip(sizes, sns.color_palette("colorblind", len(sizes)), strict=True):
        part = table[table["train_size"] == size]
        for axes, kind, scale in ((left, "loss", 1), (right, "error", 100)):
            draw_band(axes, part, "width", f"test_{kind}", scale=scale, color=colour, marker="o", label=f"{size} pairs")
            draw_band(axes, part, "width", f"train_{kind}", scale=scale, color=colour, linestyle="--")
    for axes, label in ((left, "loss per token (nats)"), (right, "token error (%)")):
        axes.set(xscale="log", xlabel="width", ylabel=label, ylim=(0, None))
        plain_ticks(axes, sorted(table["width"].unique()))
    left.legend(fontsize="small")
    figure.suptitle(f"{title}: test (solid) and train (dashed), mean and range over seeds")
    return figure


def quick(sizes: Sizes, data: str) -> Sizes:
    """The sizes of ``--quick``."""
    words = (*sizes.words, "model.layers=1", "data.source.max_tokens=12", "data.source.vocabulary=300")
    return replace(
        sizes, words=words, widths=(8, 16), train_size=48, train_sizes=(24, 48), steps=6, warmup_steps=2, block_size=12,
        seeds=2,
    )  # fmt: skip


def more_pairs(evidence: Evidence) -> list[Estimate]:
    """At every width the loss with most pairs minus that with fewest, in nats."""
    found = gains_of_more(evidence.measurements, evidence.level)
    return [of_difference(gain, f"width {width}", scale=1) for width, gain in found.items()]


CLAIMS = (
    rises(
        by_column("train_size", "pairs"),
        "Over the width the test loss rises from a first minimum to a peak.",
        value="test_loss",
        scale=1,
        quantity="loss at the peak minus first minimum, cross-fitted, nats",
    ),
    Claim(
        "more data hurt",
        "More pairs make the test loss worse.",
        "loss with more minus fewer pairs, widths a family of their own, nats",
        more_pairs,
        higher,
        family="by width",
    ),
)
STUDY = descent(
    "translation",
    "Double descent in translation",
    __doc__,
    choose,
    measure,
    measured(summarise),
    draw,
    held=("budget", "regime", "schedule.warmup="),
    models=TRANSLATION_MODELS,
    presets=TRANSLATION,
    quick=quick,
    claims=CLAIMS,
)
