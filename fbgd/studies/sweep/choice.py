"""What a sweep chooses in every group of its runs, by what rule, and what the page says of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fbgd.report.aggregate_table import lower_is_better
from fbgd.studies.choice_words import doubt_about
from fbgd.studies.selection import Choice
from fbgd.studies.selection import choose as choose_value

# Of fewer values an end says nothing about what lies beyond.
INTERIOR = 3


@dataclass(frozen=True)
class Selection:
    """A choice among the combinations of some labels' values, in every group of the other labels.

    Args:
        metric: what is compared, in the mean over seeds.
        over: the labels whose values are chosen together.
        groups: the other labels; none for a single choice.
        plateau: one numeric label on a grid: of the values within one standard error of the best, the one nearest
            their middle. Without it the best mean.
        numeric: those of ``over`` whose values are numbers on a grid.
    """

    metric: str
    over: tuple[str, ...]
    groups: tuple[str, ...] = ()
    plateau: bool = False
    numeric: tuple[str, ...] = ()

    @property
    def sign(self) -> int:
        """What makes more of the metric better."""
        return -1 if lower_is_better(self.metric) else 1

    def choose(self, runs: pd.DataFrame) -> "dict[tuple[str, ...], Chosen | None]":
        """What is chosen in every group; ``None`` where no combination has a value with every seed.

        Args:
            runs: a row a run.
        """
        groups = list(runs.groupby(list(self.groups), sort=False)) if self.groups else [((), runs)]
        return {group: self.choose_in(group, mine) for group, mine in groups}

    def choose_in(self, group: tuple[str, ...], runs: pd.DataFrame) -> "Chosen | None":
        """What is chosen in one group."""
        places = list(dict.fromkeys(runs[list(self.over)].itertuples(index=False, name=None)))
        if self.plateau:
            places.sort(key=lambda place: float(place[0]))
        table = runs.assign(place=list(runs[list(self.over)].itertuples(index=False, name=None)))
        scores = table.pivot(index="seed", columns="place", values=self.metric).astype(float)
        # pandas takes tuples for several levels of columns.
        scores.columns = pd.Index(list(map(tuple, scores.columns)), tupleize_cols=False)
        array = self.sign * np.column_stack([scores[[place]].to_numpy()[:, 0] for place in places])
        means = np.where(np.isfinite(array).all(axis=0), array.mean(axis=0), np.nan)
        if np.isnan(means).all():
            return None
        best = int(np.nanargmax(means))
        choice = None
        if self.plateau:
            choice = choose_value(
                tuple(float(place[0]) for place in places), np.where(np.isfinite(array), array, np.nan)
            )
        chosen = best if choice is None else choice.place
        lost = tuple(" ".join(place) for place, mean in zip(places, means, strict=True) if np.isnan(mean))
        values = dict(zip(self.over, places[chosen], strict=True))
        ends = self.ends([places[index] for index in {best, chosen}], places) if choice is None or choice.side else ()
        return Chosen(group, values, self.sign * float(means[chosen]), len(places), lost, ends, choice)

    def ends(self, interesting: list[tuple[str, ...]], places: list[tuple[str, ...]]) -> tuple[str, ...]:
        """The numeric labels in which an interesting place is the first or last of several values."""
        found = []
        for label in self.numeric:
            column = self.over.index(label)
            values = sorted({float(place[column]) for place in places})
            at = {float(place[column]) for place in interesting}
            if len(values) >= INTERIOR and at & {values[0], values[-1]}:
                found.append(label)
        return tuple(found)

    def keep(self, runs: pd.DataFrame, chosen: "Iterable[Chosen | None]") -> pd.DataFrame:
        """The runs of what was chosen."""
        wanted = {(*choice.group, *choice.values.values()) for choice in chosen if choice is not None}
        labels = [*self.groups, *self.over]
        kept = [place in wanted for place in runs[labels].itertuples(index=False, name=None)]
        return runs[kept].reset_index(drop=True)


@dataclass(frozen=True)
class Chosen:
    """What was chosen in a group.

    Args:
        group: values of the other labels.
        values: of the chosen labels.
        score: the mean of the metric.
        tried: so many combinations.
        lost: those that lack a value with some seed, which cannot be chosen.
        ends: numeric labels in which the best or the chosen value is the first or last.
        choice: how surely a value of a grid was chosen; ``None`` of others.
    """

    group: tuple[str, ...]
    values: dict[str, str]
    score: float
    tried: int
    lost: tuple[str, ...]
    ends: tuple[str, ...]
    choice: Choice | None


def choice_paragraphs(
    selection: Selection, runs: pd.DataFrame, keys: dict[str, str], *, how: str = "", fresh: bool
) -> list[str]:
    """What a reader of the table must know about the choices.

    Args:
        selection: how they are made.
        runs: that they are made from.
        keys: the settings by their labels.
        how: the combinations came about; by default as a grid.
        fresh: whether other seeds make the table.
    """
    found = selection.choose(runs)
    chosen = {name_of(group): choice for group, choice in found.items() if choice is not None}
    nothing = [name_of(group) for group, choice in found.items() if choice is None]
    settings = " and ".join(keys[label] for label in selection.over)
    texts = []
    if chosen:
        counts = sorted({choice.tried for choice in chosen.values()})
        count = " to ".join(dict.fromkeys((str(counts[0]), str(counts[-1]))))
        number = runs["seed"].nunique()
        rule = (
            "of the values within one standard error of the best, the one nearest their middle"
            if selection.plateau
            else "the best mean"
        )
        what = how or ("combinations" if len(keys) > 1 else "values")
        texts.append(
            f"{settings}: chosen for each row from {count} {what} by the mean {selection.metric.replace('_', ' ')} "
            f"over {number} seed{'s' * (number > 1)}: {rule}."
        )
        texts.append(
            "None of the seeds that chose counts in the table; see search.csv."
            if fresh
            else "The same seeds chose and count, so the table favours what they favour: --fresh N runs what was "
            "chosen with N seeds more, which alone count then."
        )
        texts += doubts(selection, chosen)
    for text, groups in (
        ("The best or chosen value is the first or last, so a better one may lie beyond", edges(chosen)),
        ("Without a value for every seed, so not to be chosen", losses(chosen)),
    ):
        if groups:
            texts.append(f"{text}: {'; '.join(groups)}.")
    if nothing:
        where = f" in {'; '.join(nothing)}" if any(nothing) else ""
        texts.append(f"Nothing was chosen{where}: no setting has a value for every seed.")
    return texts


def name_of(group: tuple[str, ...]) -> str:
    """A group in a sentence; empty where there is but one."""
    return " / ".join(group)


def doubts(selection: Selection, chosen: dict[str, Chosen]) -> list[str]:
    """How often other seeds would choose another value, where a bootstrap can tell."""
    known = {name: choice.choice for name, choice in chosen.items() if choice.choice is not None}
    if not known or max(choice.seeds for choice in known.values()) < 2:
        return []
    unsure = [f"{name} {doubt}".strip() for name, choice in known.items() if (doubt := doubt_about(choice))]
    if not unsure:
        return ["A bootstrap over these seeds always chooses the same values."]
    if lower_is_better(selection.metric):
        shares = [f"{name} {100 * (1 - choice.shares[choice.place]):.0f} %".strip() for name, choice in known.items()]
        return [f"A bootstrap over these seeds chooses another value in so many of its draws: {'; '.join(shares)}."]
    return [
        "A bootstrap over these seeds chooses another value in so many of its draws (in brackets the other values with "
        f"what they change of the mean, points): {'; '.join(unsure)}."
    ]


def edges(chosen: dict[str, Chosen]) -> list[str]:
    """The groups whose choice is at an end of a grid, with the labels."""
    return [f"{name} ({', '.join(choice.ends)})".strip() for name, choice in chosen.items() if choice.ends]


def losses(chosen: dict[str, Chosen]) -> list[str]:
    """The groups with combinations that cannot be chosen."""
    return [f"{name} ({', '.join(choice.lost)})".strip() for name, choice in chosen.items() if choice.lost]
