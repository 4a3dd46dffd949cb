"""Ingredients that did not act: groups whose runs are the same to the last digit, though their settings differ."""

from itertools import permutations

import pandas as pd

from fbgd.report.settings import describe
from fbgd.runs.rows import setting_columns

# What two different trainings never have in common to the last digit.
NUMBERS = ["loss", "test_loss"]


def idle_paragraphs(runs: pd.DataFrame, by: list[str]) -> list[str]:
    """A sentence for every group whose runs are those of another that lacks one or more of its ingredients.

    A clipping threshold that is never reached, an average that never begins: the run is the one without it. Nothing is
    said of groups with a run that is not done, nor of two that differ in anything else than that one lacks something.

    Args:
        runs: the runs of a table.
        by: the grouping columns.
    """
    if not set(NUMBERS) <= set(runs):
        return []
    groups = {
        " / ".join(map(str, group)): part.sort_values("seed") for group, part in runs.groupby(by, sort=False)
        if (part["status"] == "done").all() and part[NUMBERS].notna().all(axis=None)
    }  # fmt: skip
    made = {name: part[["seed", *NUMBERS]].to_numpy().tolist() for name, part in groups.items()}
    found = []
    for one, other in permutations(groups, 2):
        ours, theirs = groups[one], groups[other]
        if made[one] != made[other]:
            continue
        added = [key for key in setting_columns(runs) if (ours[key].to_numpy() != theirs[key].to_numpy()).any()]
        if added and (ours[added] == "").all(axis=None):
            what = describe(theirs.iloc[0][added].to_dict())
            found.append(f"The numbers of {other} are those of {one} to the last digit: {what} did not act.")
    return found
