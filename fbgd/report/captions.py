"""What a reader of a table must know: setting, statistics, what else differs, provenance, every run that went wrong."""

import pandas as pd

from fbgd.report.description import Description
from fbgd.report.idle import idle_paragraphs
from fbgd.report.settings import also_differ, distinct, shared, with_label
from fbgd.report.statistics import DUNNETT, PAIRED, WELCH
from fbgd.report.tables import LOG

# Classes by which averaged, best or otherwise other weights are evaluated than those of the last step.
OTHER_WEIGHTS = {
    "EMA": "regularizers.EMA",
    "SWA": "regularizers.SWA",
    "early stopping": "regularizers.EarlyStopping",
    "schedule-free optimizers": "ScheduleFree",
}
TESTS = {
    DUNNETT: "Dunnett's test (variances are alike, and pooled)",
    WELCH: "Welch's t-test with Holm's correction (variances are not pooled)",
    PAIRED: "the paired t-test with Holm's correction (values of the same seed go together, so pairing them pays)",
}

OF_LOGS = " of log errors, which span a decade: the factor is that of the geometric mean errors"


def caption(
    runs: pd.DataFrame, description: Description, paragraphs: list[str], metric: str, told: tuple[str, ...] = ()
) -> list[str]:
    """All paragraphs under a table.

    Args:
        runs: the runs of the table; empty where nothing was trained.
        description: what the table is.
        paragraphs: what the table's own summary says.
        metric: whose moment is told; empty where the table tells of other moments than the end.
        told: columns beside ``description.by`` whose values the reader knows.
    """
    by, across = description.by, description.across
    groups = [*by, across] if across else by
    texts = [*description.paragraphs, *paragraphs]
    if description.overrides:
        texts.append(f"Changed in all rungs: {' '.join(description.overrides)}.")
    if len(runs):
        with_labels, known = with_label(runs, groups)
        setting = " ".join(filter(None, [shared(runs), *notes_of_setting(runs, metric)]))
        texts = [*filter(None, [setting]), *texts, *with_labels, *also_differ(runs, groups, (*told, *known))]
        texts += idle_paragraphs(runs, groups)
    if description.source and description.published:
        recalled = [" / ".join(entry["group"]) for entry in description.published if not entry.get("confirmed", True)]
        unsure = f" Recalled, not re-read: {', '.join(recalled)}." if recalled else ""
        texts.append(f"Published: {description.source}.{unsure}")
    return texts + (provenance(runs) + notes(runs, groups, metric) if len(runs) else [])


def notes_of_setting(runs: pd.DataFrame, metric: str) -> list[str]:
    """What the settings mean for the numbers, a sentence each: batch norm, the evaluated weights, what seeds vary."""
    sentences = []
    if "model.norm" in runs and "batch" in distinct(runs["model.norm"]):
        sentences.append("Batch norm normalises each block by itself.")
    if metric.startswith(("test_", "validation_")):
        on, _, what = metric.partition("_")
        sentences.append(f"{what.capitalize()} on the {on} set at the end of training{of_which_weights(runs)}.")
    if "data.seed" in runs and runs["data.seed"].nunique() == 1 and runs["seed"].nunique() > 1:
        sentences.append("All seeds share one draw of the data: they vary initial weights and order.")
    return sentences


def of_which_weights(runs: pd.DataFrame) -> str:
    """What is said when not all runs are evaluated at their last weights."""
    other = [name for name, target in OTHER_WEIGHTS.items() for key in runs if ends_with(runs, key, target)]
    return f", of other weights than the last with {', '.join(dict.fromkeys(other))}" if other else ""


def ends_with(runs: pd.DataFrame, key: str, target: str) -> bool:
    """Whether a column of classes holds ``target``."""
    return key.endswith("_target_") and runs[key].astype(str).str.endswith(target).any()


def statistics(table: pd.DataFrame, by: list[str], baseline: dict[str, str]) -> str:
    """What the columns of a table by groups are."""
    against = ""
    if tests := list(dict.fromkeys(str(test) for test in table["test"] if test)):
        against = f", difference to {baseline_name(by, baseline)} by {by_tests(tests)}"
    costs = " Gradient evaluations: samples times gradients per sample."
    return f"Mean ± standard deviation over n seeds, 95 % t-interval{against}.{survivors(table)}{costs}"


def baseline_name(by: list[str], baseline: dict[str, str]) -> str:
    """The row that differences are taken to: ``SGD of the same regime``."""
    rest = [key for key in by if key not in baseline]
    return " / ".join(baseline.values()) + (f" of the same {' and '.join(rest)}" if rest else "")


def by_tests(tests: list[str]) -> str:
    """Which tests were taken, on which scale, and what their intervals and p-values hold for."""
    names = " or ".join(TESTS[test.removesuffix(LOG)] + (OF_LOGS if test.endswith(LOG) else "") for test in tests)
    return f"{names}; 95 % intervals and p-values hold for all differences of the table together"


def survivors(table: pd.DataFrame) -> str:
    """Why rows have no interval, where any has not because runs went wrong."""
    wrong = sum(table[name].sum() for name in table if str(name).startswith(("diverged", "failed")))
    reason = " A row with a diverged or failed run has its rate in place of intervals and p: what is left survived."
    return reason if wrong else ""


def side_statistics(table: pd.DataFrame, across: str, values: list[str]) -> str:
    """What the columns of a table side by side are."""
    tests = list(dict.fromkeys(str(test) for value in values[1:] for test in table[f"test {value}"] if test))
    by = f" by {by_tests(tests)}" if tests else ""
    return f"Columns: {across}. Mean ± standard deviation (n seeds), differences to {values[0]}{by}.{survivors(table)}"


def provenance(runs: pd.DataFrame) -> list[str]:
    """With which revision, torch, device and threads the finished runs were made."""
    known = runs.dropna(subset=["train_size"])
    if not len(known):
        return []
    revision, torch, device = (
        ", ".join(sorted(distinct(values)))
        for values in (known["git_revision"].str.slice(0, 12), known["torch"], known["device"])
    )
    threads = ", ".join(sorted(distinct(known["threads"].astype(int))))
    return [f"Revision {revision}; torch {torch}; {device}, {threads} thread(s) a run."]


def notes(runs: pd.DataFrame, by: list[str], metric: str = "test_accuracy") -> list[str]:
    """A sentence for every run that diverged or failed, and one for all that have no result yet."""
    found = []
    metric = metric if metric in runs else "test_accuracy"
    name = metric.replace("_", " ")
    for _, run in runs[runs["status"].isin(["diverged", "failed"])].iterrows():
        who = f"{' / '.join(str(run[key]) for key in by)}, seed {run['seed']}"
        if run["status"] == "failed":
            found.append(f"{who} failed: {run['error']}.")
        else:
            counts = "has no" if pd.isna(run[metric]) else "counts with the"
            when = " it had then" if pd.notna(run[metric]) else " to count"
            found.append(f"{who} diverged after {run['passes']:g} passes and {counts} {name}{when}.")
    missing = runs[runs["status"] == "missing"]
    if len(missing):
        groups = missing.groupby(by, sort=False, dropna=False)
        names = (
            f"{' / '.join(map(str, group))} (seed {', '.join(map(str, frame['seed']))})" for group, frame in groups
        )
        found.append(f"Not finished: {'; '.join(names)}.")
    return found
