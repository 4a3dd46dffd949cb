"""Ingredients that did not act, by what their runs tell of them, or by runs that are the same without them."""

from itertools import permutations

import pandas as pd

from fbgd.report.settings import describe
from fbgd.runs.rows import CLIPPED_OFF, PENALTY_SHARE, SHARE, setting_columns

# What two different trainings never have in common to the last digit.
NUMBERS = ["loss", "test_loss"]
# The distance of 1 to the next larger number of the arithmetic that gradients are taken in.
EPSILON = {"fp32": 2.0**-23, "tf32": 2.0**-10, "bf16": 2.0**-7, "fp64": 2.0**-52}
# By group the names of ingredients.
Idle = dict[str, dict[str, str]]


def idle_paragraphs(runs: pd.DataFrame, by: list[str]) -> list[str]:
    """A sentence for every ingredient of a group that did not act in any of its runs.

    Runs tell what their penalties on gradients and their clippings did at most. A penalty whose gradient is below the
    rounding of the one that it is added to did not act, nor did a clipping that took off nothing. Of all other
    ingredients it is seen where a group's numbers are those of another that lacks one. Nothing is said of a group with
    a run that is not done.

    Args:
        runs: the runs of a table.
        by: the grouping columns.
    """
    groups = {
        " / ".join(map(str, group)): part for group, part in runs.groupby(by, sort=False)
        if (part["status"] == "done").all()
    }  # fmt: skip
    told = {name: measured_idle(part) for name, part in groups.items()}
    sentences = [f"{group}: {sentence}" for group, idle in told.items() for sentence in idle.values()]
    return sentences + twins(groups, told)


def measured_idle(group: pd.DataFrame) -> dict[str, str]:
    """A sentence by the name of each ingredient that did not act in any run of a group, as far as its runs tell."""
    idle = {}
    for column in (name for name in group if SHARE.fullmatch(str(name)) and group[name].notna().all()):
        kind, _, name = column.partition("/")
        own = [key for key in setting_columns(group) if key.startswith(f"regularizer.{name}.")]
        what = describe({key: group[key].iloc[0] for key in own if group[key].nunique() == 1})
        if kind == CLIPPED_OFF and (group[column] == 0).all():
            idle[name] = f"{what} never clipped anything."
        if kind == PENALTY_SHARE and (group[column] < group["precision"].map(EPSILON)).all():
            rounding = " or ".join(f"{name} ({EPSILON[name]:.1e})" for name in group["precision"].unique())
            idle[name] = (
                f"the gradient of {what} was never more than {group[column].max():.1e} times the gradient that it is "
                f"added to, below the rounding of {rounding}: it did no more than rounding does."
            )
    return idle


def twins(groups: dict[str, pd.DataFrame], told: Idle) -> list[str]:
    """A sentence for every group whose runs are, to the last digit, those of another that lacks ingredients of it.

    Nothing is said of two that differ in anything else, nor of what is told already.
    """
    known = {
        name: part.sort_values("seed") for name, part in groups.items()
        if set(NUMBERS) <= set(part) and part[NUMBERS].notna().all(axis=None)
    }  # fmt: skip
    numbers = {name: part[["seed", *NUMBERS]].to_numpy().tolist() for name, part in known.items()}
    sentences = []
    for one, other in permutations(known, 2):
        ours, theirs = known[one], known[other]
        if numbers[one] != numbers[other]:
            continue
        added = [key for key in setting_columns(ours) if (ours[key].to_numpy() != theirs[key].to_numpy()).any()]
        if all(key.startswith(tuple(f"regularizer.{name}." for name in told[other])) for key in added):
            continue
        if (ours[added] == "").all(axis=None):
            what = describe(theirs.iloc[0][added].to_dict())
            sentences.append(f"The numbers of {other} are those of {one} to the last digit: {what} did not act.")
    return sentences
