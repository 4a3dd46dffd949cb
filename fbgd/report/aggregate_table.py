"""The table over several studies: scores by group, their statistics, the cells and the words under them."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fbgd.report.aggregate import (
    exchange_test,
    improvement_interval,
    interquartile_mean,
    mean_over_tasks,
    probability_of_improvement,
    stratified_bootstrap,
)
from fbgd.report.captions import baseline_name
from fbgd.report.cells import UNKNOWN, count, decimals, interval, label, number, shown_value
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary
from fbgd.report.sources import STUDY
from fbgd.report.statistics import holm
from fbgd.report.tables import COSTS, Group, check_baseline, is_fraction, referred, split_values

REPETITIONS = 10_000
LESS_IS_BETTER = (*COSTS, "steps", "parameters")
IMPROVES, WORSENS, UNDECIDED = "improves", "worsens", "undecided"


@dataclass(frozen=True)
class Scored:
    """A group's runs.

    Args:
        scores: the finite values of the metric, an array a study.
        runs: the number of all runs, by study.
        diverged: how many of them diverged.
        failed: how many failed.
    """

    scores: dict[str, np.ndarray]
    runs: dict[str, int]
    diverged: int
    failed: int

    @property
    def known(self) -> bool:
        """Whether there is a score on every study."""
        return all(len(own) for own in self.scores.values())

    @property
    def complete(self) -> bool:
        """Whether an interval says something: every run is done and has a score, with two or more a study."""
        lost = self.diverged or self.failed
        return not lost and all(len(own) == self.runs[study] > 1 for study, own in self.scores.items())


def lower_is_better(metric: str) -> bool:
    """Whether a metric is a loss, an error or a cost."""
    return metric.endswith(("loss", "error")) or metric in LESS_IS_BETTER


def named(group: Group) -> str:
    """A group's name for people."""
    return " / ".join(map(shown_value, group))


def score(evidence: Evidence) -> dict[Group, Scored]:
    """Every group's scores by study, fractions in percent."""
    description = evidence.description
    by, metric = description.by, description.metric
    values, members = split_values(evidence.runs, [*by, STUDY], metric, is_fraction(metric))
    studies = list(dict.fromkeys(evidence.runs[STUDY]))
    scored = {}
    for group in dict.fromkeys(key[:-1] for key in members):
        own = {study: values[*group, study].to_numpy() for study in studies}
        rows = {study: members[*group, study] for study in studies}
        scored[group] = Scored(
            {study: found[np.isfinite(found)] for study, found in own.items()},
            {study: len(frame) for study, frame in rows.items()},
            *(
                sum(int((frame["status"] == status).sum()) for frame in rows.values())
                for status in ("diverged", "failed")
            ),
        )
    return scored


def summarise_studies(evidence: Evidence) -> Summary:
    """A row a group: interquartile mean and mean over all studies, probability of improvement over the baseline.

    Raises:
        ValueError: no group is the baseline.
    """
    description = evidence.description
    by, metric, baseline = description.by, description.metric, description.baseline
    groups = score(evidence)
    if baseline:
        check_baseline(list(groups), by, baseline)
    references = {group: referred(group, by, baseline) for group in groups} if baseline else {}
    pairs = {group: groups[base] for group, base in references.items() if base != group and base in groups}
    tested = [group for group, base in pairs.items() if groups[group].complete and base.complete]
    level = 1 - 0.05 / max(1, len(tested))
    table = pd.DataFrame(
        {
            **dict(zip(by, group, strict=True)),
            **average(own),
            **improve(own, pairs.get(group), lower_is_better(metric), level),
        }
        for group, own in groups.items()
    )
    table["p_value"] = holm(table["p_value"].to_numpy())
    table["verdict"] = [verdict(row) for row in table.to_dict("records")]
    texts = [meaning(evidence, len(tested), level), *incomplete(groups)]
    return Summary(table, aggregate_cells(table, by, metric, level, bool(pairs)), len(by), texts, metric)


def average(own: Scored) -> dict[str, float]:
    """Counts, interquartile mean with its interval, and mean."""
    low, high = stratified_bootstrap(own.scores, interquartile_mean, REPETITIONS) if own.complete else (math.nan,) * 2
    return {
        "n": sum(map(len, own.scores.values())),
        "runs": sum(own.runs.values()),
        "diverged": own.diverged,
        "failed": own.failed,
        "studies": len(own.runs),
        "iqm": float(interquartile_mean(own.scores)) if own.known else math.nan,
        "iqm_low": float(low),
        "iqm_high": float(high),
        "mean": float(mean_over_tasks(own.scores)) if own.known else math.nan,
    }


def improve(own: Scored, base: Scored | None, lower: bool, level: float) -> dict[str, float]:
    """Probability of improvement with its interval at ``level``, and the p-value of no difference."""
    entries = dict.fromkeys(("improvement", "improvement_low", "improvement_high", "level", "p_value"), math.nan)
    if base is None or not (own.known and base.known):
        return entries
    sign = -1 if lower else 1
    ours, theirs = ({study: sign * values for study, values in side.scores.items()} for side in (own, base))
    entries["improvement"] = float(probability_of_improvement(ours, theirs))
    if own.complete and base.complete:
        interval = improvement_interval(ours, theirs, REPETITIONS, level=level)
        entries["improvement_low"], entries["improvement_high"] = interval
        entries["level"] = level
        entries["p_value"] = exchange_test(ours, theirs)
    return entries


def verdict(row: dict) -> str:
    """What a row's interval and its corrected p-value together say; empty without them."""
    if math.isnan(row["p_value"]):
        return ""
    if row["p_value"] >= 0.05:
        return UNDECIDED
    return IMPROVES if row["improvement_low"] > 0.5 else WORSENS if row["improvement_high"] < 0.5 else UNDECIDED


def aggregate_cells(
    table: pd.DataFrame, by: list[str], metric: str, level: float, compared: bool
) -> list[dict[str, str]]:
    """The rows as texts; columns about a baseline only where there is one."""
    digits = decimals(table["iqm"], is_fraction(metric))
    shown = []
    for row in table.to_dict("records"):
        cells = {key: shown_value(row[key]) for key in by}
        cells[f"n over {row['studies']} studies"] = count(row)
        cells[f"IQM {label(metric)}"] = number(row["iqm"], f",.{digits}f")
        cells["95 % interval"] = interval(row["iqm_low"], row["iqm_high"], digits)
        cells["mean"] = number(row["mean"], f",.{digits}f")
        if compared:
            cells["P(improvement)"] = number(row["improvement"], ".2f")
            cells[f"{100 * level:.4g} %"] = interval(row["improvement_low"], row["improvement_high"], 2)
            cells["p (Holm)"] = number(row["p_value"], ".2g")
            cells["verdict"] = row["verdict"] or UNKNOWN
        shown.append(cells)
    return shown


def meaning(evidence: Evidence, tests: int, level: float) -> str:
    """What the columns are."""
    description = evidence.description
    studies = ", ".join(dict.fromkeys(evidence.runs[STUDY]))
    direction = ", lower being better" if lower_is_better(description.metric) else ""
    text = (
        f"Over {studies}. IQM: mean of the middle half of all runs together; its interval by drawing runs anew within "
        f"each study, {REPETITIONS:,} times. It tells of other runs on the same data, not of other data. Mean: of the "
        f"studies' means. Scores are {label(description.metric)} as measured, not normalised{direction}."
    )
    if not description.baseline:
        return text
    base = baseline_name(description.by, description.baseline)
    text += (
        f" P(improvement): how likely a run is better than one of {base} on the same study, equal ones counting half, "
        "averaged over the studies (Agarwal et al. 2021, arXiv 2108.13264)"
    )
    if not tests:
        return f"{text}."
    return (
        f"{text}; its interval at {100 * level:.4g} % is 95 % corrected for {tests} row(s). p: by exchanging runs "
        "within each study, Holm-corrected. Improves or worsens: the interval lies above or below 0.5, and p is below "
        "0.05."
    )


def incomplete(groups: dict[Group, Scored]) -> list[str]:
    """Sentences that name the groups without an interval, and why."""
    lacking, lost, few = [], [], []
    for group, own in groups.items():
        counts = {study: (len(found), own.runs[study]) for study, found in own.scores.items()}
        if short := [f"{n} of {runs} on {study}" for study, (n, runs) in counts.items() if n < runs]:
            lacking.append(f"{named(group)} ({', '.join(short)})")
        elif own.diverged or own.failed:
            lost.append(named(group))
        elif not own.complete:
            few.append(named(group))
    texts = []
    if lacking:
        texts.append(f"No interval, since not all runs have a value: {'; '.join(lacking)}.")
    if lost:
        texts.append(f"No interval, since a run diverged or failed: {'; '.join(lost)}.")
    if few:
        texts.append(f"No interval, which takes two runs on each study: {'; '.join(few)}.")
    sizes = [{len(found) for found in own.scores.values()} for own in groups.values()]
    if any(len(size) > 1 for size in sizes):
        texts.append("A study with more runs weighs more in the IQM.")
    return texts
