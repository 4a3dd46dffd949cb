"""A small GPT in one pass: weight decay x {cosine, constant, constant then tiny}, and the mechanism's test.

    python scripts/weight_decay.py schedule             on Python's own source, 3 seeds, 30 minutes

Source: D'Angelo, Andriushchenko, Varre & Flammarion 2023, "Why Do We Need Weight Decay in Modern Deep Learning?".
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from fbgd.report.cells import UNKNOWN
from fbgd.report.claims import Claim, Estimate, Rule, higher, lower, of_difference, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.report.statistics import Difference, difference
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import PlannedRun, Rung, collect, curves
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.study import Study
from fbgd.studies.weight_decay.one_pass import CONSTANT, COSINE, MATCHED, PRESETS, PROBE, OnePass, several_passes
from fbgd.studies.weight_decay.schedule_drawing import draw

KEYS = ["schedule", "weight_decay", "seed"]
# Gaps that differ by less are called equal: the published differences of the losses themselves are 0.01 to 0.03 nats.
MARGIN = 0.01
# Rows of the end that the final training loss is a mean of; every row is the mean over the steps since the one before.
LAST_ROWS = 2


def quick(sizes: OnePass, data: str) -> OnePass:
    """The sizes of ``--quick``: a tiny network on next to nothing; of text of one's own, as much as there is."""
    tiny = ("model.width=16", "model.layers=1", "model.heads=2", "regime.block_size=4", "data.source.length=16")
    source = ("data.source.train_bytes=4000", "data.source.test_bytes=2000") if data == "python_source" else ()
    words = (*sizes.words, *tiny, *source)
    return replace(sizes, words=words, samples=100, repeats=5, seeds=2, decays=sizes.decays[-1:])


def rungs(sizes: OnePass) -> list[Rung]:
    """The cells of the grid; the matched ones are made of their runs."""
    return [cell.rung(sizes.words) for cell in sizes.grid]


def execute(execution: Execution, rungs: list[Rung]) -> Outcome:
    """All cells of the grid; then, seed by seed, the run that follows the effective rate of the decayed cosine run."""
    sizes = execution.preset
    planned = execution.run(rungs)
    for source in execution.plan([sizes.cell(COSINE, sizes.decays[-1]).rung(sizes.words)]):
        if source.done:
            planned += execution.run([sizes.matched(course(source)).rung(sizes.words)], [source.seed])
    return Outcome(planned)


def course(run: PlannedRun) -> list[float]:
    """The factor on the peak rate over the norm of the weight matrices, at equal distances from the first step on.

    A row tells the rate of the step that it ends with; in between the rate is nearly linear, warm-up included when it
    ends at a row. The norm is the one after that step, where the run that follows reads its own before it.
    """
    rows = pd.read_csv(RunDirectory(run.path).metrics)
    ratios = rows["learning_rate"] / run.config.optimizer["lr"] / rows["norm/matrices"]
    return [0.0, *ratios]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row for every recorded row of every finished run."""
    rows, facts = curves(planned), collect(planned).set_index(KEYS)["parameters"]
    names = [name for name in rows if name.startswith("norm/")]
    return pd.DataFrame(
        {
            "figure": "schedule",
            "schedule": rows["schedule"],
            "weight_decay": rows["weight_decay"].astype(float),
            "seed": rows["seed"],
            "parameters": [facts[tuple(key)] for key in rows[KEYS].itertuples(index=False)],
            "step": rows["step"],
            "passes": rows["passes"],
            "train_loss": rows["loss"],
            "test_loss": rows["test_loss"],
            "learning_rate": rows["learning_rate"],
            "parameter_norm": rows["parameter_norm"],
            **{name: rows[name] for name in names},
        }
    )


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """Of every run the training loss in the middle and at the end, the test loss at the end and the gap between them.

    The tokens of a row are new to the model of a single pass, so their loss is an unbiased one.
    """
    found = []
    for key, part in table.groupby(KEYS, sort=False):
        part = part.sort_values("step")
        middle = part[part["step"] <= part["step"].max() / 2]
        half, last = (rows["train_loss"].tail(LAST_ROWS).mean() for rows in (middle, part))
        test = part["test_loss"].dropna().iloc[-1]
        losses = {"half": half, "train": last, "test": test, "gap": test - last}
        found.append({**dict(zip(KEYS, key, strict=True)), **losses})
    return pd.DataFrame(found)


def against(
    final: pd.DataFrame, left: tuple[str, float], right: tuple[str, float], value: str, level: float = 0.95
) -> Difference:
    """A cell minus another one in one of the losses, paired by seed."""
    ours, theirs = (
        final[(final["schedule"] == schedule) & (final["weight_decay"] == decay)].set_index("seed")[value]
        for schedule, decay in (left, right)
    )
    return difference(ours, theirs, level, pairs=True)


def summarise(table: pd.DataFrame) -> Summary:
    """A row a cell: losses at the end, differences to the same schedule without weight decay; below, the verdicts."""
    final = ends(table)
    numbers, rows = [], []
    for (schedule, decay), part in final.groupby(["schedule", "weight_decay"], sort=False):
        base = (COSINE if schedule == MATCHED else schedule, 0.0)
        itself = (schedule, decay) == base
        row = {"schedule": schedule, "weight decay": f"{decay:g}", "n": str(len(part))}
        number = {"schedule": schedule, "weight_decay": decay, "n": len(part)}
        for value in ("train", "test", "gap"):
            number[value] = part[value].mean()
            if value != "gap":
                row[f"{value} loss"] = nats(part[value])
        for value in ("train", "test", "gap"):
            change = None if itself else against(final, (schedule, decay), base, value)
            row[f"Δ {value} (95 %)"] = UNKNOWN if change is None else change_of(change)
            number[f"delta_{value}"] = np.nan if change is None else change.delta
        numbers.append(number)
        rows.append(row)
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH], "test_loss")


def nats(values: pd.Series) -> str:
    """Mean ± standard deviation over the seeds."""
    return f"{values.mean():.4f}" + (f" ± {values.std():.4f}" if len(values) > 1 else "")


def change_of(change: Difference) -> str:
    """A difference with its interval."""
    interval = "" if np.isnan(change.low) else f" ({change.low:.3f} to {change.high:.3f})"
    return f"{change.delta:+.4f}{interval}"


PARAGRAPH = (
    "Cross-entropy per token in nats: mean ± standard deviation over n seeds. Seeds are paired: the same initial "
    f"weights, the same tokens in the same order. The training loss is the mean over the last {LAST_ROWS} rows, of "
    "tokens that a single pass has not seen before. Δ: to the same schedule without weight decay (matched: to cosine "
    "without), with its 95 % t-interval. The test text is of other files, so the gap is not 0 even without any "
    "overfitting; what weight decay does to it is Δ gap."
)


def effects(chosen: Callable[[str], bool], value: str) -> Callable[[Evidence], list[Estimate]]:
    """What every weight decay adds to a loss at the chosen schedules, in nats, paired by seed."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        final = ends(evidence.measurements)
        cells = dict.fromkeys(zip(final["schedule"], final["weight_decay"], strict=True))
        names = [name for name in dict.fromkeys(final["schedule"]) if chosen(name)]
        return [
            of_difference(
                against(final, (name, decay), (name, 0.0), value, evidence.level), f"weight decay {decay:g}", scale=1
            )
            for name in names
            for decay in sorted(set(final["weight_decay"]) - {0.0})
            if {(name, decay), (name, 0.0)} <= set(cells)
        ]

    return estimates


def closer(evidence: Evidence) -> list[Estimate]:
    """How much closer to the decayed cosine run the matched one is than the plain one."""
    table = evidence.measurements
    if MATCHED not in set(table["schedule"]):
        return []
    decay = table["weight_decay"].max()
    return [of_difference(distances(table, decay, evidence.level), f"weight decay {decay:g}", scale=1)]


def distances(table: pd.DataFrame, decay: float, level: float) -> Difference:
    """How far plain cosine runs are from those with ``decay``, minus how far the matched ones are, paired by seed.

    A distance is the mean absolute difference of the training losses over all rows.
    """
    wide = table.pivot_table(index=["seed", "step"], columns=["schedule", "weight_decay"], values="train_loss")
    wide = wide[[(COSINE, 0.0), (COSINE, decay), (MATCHED, 0.0)]].dropna()
    plain, matched = (
        (wide[other] - wide[COSINE, decay]).abs().groupby("seed").mean() for other in ((COSINE, 0.0), (MATCHED, 0.0))
    )
    return difference(plain, matched, level, pairs=True)


SOURCE = "D'Angelo et al. 2023"


LOSSES = {
    "half": "training loss half way",
    "train": "training loss at the end",
    "test": "test loss at the end",
    "gap": "test loss minus training loss",
}


def claim(name: str, sentence: str, schedule: str | Callable[[str], bool], value: str, rule: Rule) -> Claim:
    """A published claim about what weight decay adds to a loss at a schedule."""
    chosen = schedule.__eq__ if isinstance(schedule, str) else schedule
    quantity = f"{LOSSES[value]} with decay minus without, nats"
    return Claim(name, sentence, quantity, effects(chosen, value), rule, f"claimed by {SOURCE}", "+.4f")


STUDY = Study(
    name="schedule",
    family="weight_decay",
    title="Weight decay and the learning-rate schedule",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    metric="test_loss",
    held=("data.train_size=", "budget", "schedule", "optimizer.weight_decay=", "record"),
    execute=execute,
    measure=measure,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, ends(evidence.measurements), evidence.title)},
    claims=(
        claim("higher half way", "Cosine: with decay the training loss is higher half way.", COSINE, "half", higher),
        claim("lower at the end", "Cosine: with decay it is lower at the end.", COSINE, "train", lower),
        claim("constant rate", "Constant: with decay the training loss is higher at the end.", CONSTANT, "train",
              higher),
        claim("then tiny", "Constant, then tiny: with decay the training loss is lower at the end.", PROBE, "train",
              lower),
        claim("no overfitting", f"One pass: the gap is the same, to {MARGIN:g} nats.", COSINE, "gap", within(MARGIN)),
        Claim("effective rate", "At its effective rate a run without decay follows the course of the decayed one.",
              "distance of the plain run minus that of the matched one, mean |training loss|, nats", closer, higher,
              f"claimed by {SOURCE}", "+.4f"),
        claim("several passes", "Several passes: with decay the test loss is lower.", several_passes, "test", lower),
    ),
)  # fmt: skip
