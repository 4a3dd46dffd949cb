"""What a reader of a table must know: setting, statistics, what else differs, provenance, every run that went wrong."""

import pandas as pd

from fbgd.report.description import Description
from fbgd.report.names import covers, short_name, with_column
from fbgd.report.statistics import paired
from fbgd.report.tables import referred, split_values
from fbgd.runs.rows import setting_columns

SHOWN_VALUES = 6
# Classes by which averaged, best or otherwise other weights are evaluated than those of the last step.
OTHER_WEIGHTS = {
    "EMA": "regularizers.EMA",
    "SWA": "regularizers.SWA",
    "early stopping": "regularizers.EarlyStopping",
    "schedule-free optimizers": "ScheduleFree",
}


def caption(
    runs: pd.DataFrame, description: Description, statistics: str, told: tuple[str, ...] = (), across: str = ""
) -> list[str]:
    """All paragraphs under a table.

    Args:
        runs: the runs of the table.
        description: what the table is.
        statistics: what its columns are.
        told: columns beside ``description.by`` whose values the reader knows.
        across: the column whose values stand side by side, if they do.
    """
    groups = [*description.by, across] if across else description.by
    texts = [*setting(runs, description.metric), *description.paragraphs, statistics]
    if description.overrides:
        texts.append(f"Changed in all rungs: {' '.join(description.overrides)}.")
    texts += also_differ(runs, description.by, (across, *told) if across else told)
    if description.published:
        recalled = [" / ".join(entry["group"]) for entry in description.published if not entry["confirmed"]]
        unsure = f" Recalled, not re-read: {', '.join(recalled)}." if recalled else ""
        texts.append(f"Published: {description.source}.{unsure}")
    return texts + provenance(runs) + notes(runs, groups, description.metric)


def setting(runs: pd.DataFrame, metric: str) -> list[str]:
    """Data, model, normalisation and metric in a sentence each, as far as all runs are alike in them."""
    known = runs.dropna(subset=["train_size"])
    runs = known if len(known) else runs
    sentences = []
    if "data.name" in runs:
        name, augment = distinct(runs["data.name"]), distinct(runs["data.augment"])
        train_size, test_size = (distinct(runs[key].dropna().astype(int)) for key in ("train_size", "test_size"))
        single = all(len(values) == 1 for values in (name, train_size, test_size))
        sizes = f"{train_size[0]} training and {test_size[0]} test samples, " if single else ""
        sentences.append(f"Data {', '.join(name)}: {sizes}augmentation {', '.join(augment)}.")
    options = {
        key.removeprefix("model."): distinct(runs[key]) for key in setting_columns(runs) if key.startswith("model.")
    }
    targets = options.pop("_target_", [])
    if targets:
        shared = ", ".join(f"{key} {values[0]}" for key, values in options.items() if len(values) == 1 and values[0])
        sentences.append(f"Model {', '.join(targets)}{f' ({shared})' if shared else ''}.")
    if "batch" in options.get("norm", []):
        sentences.append("Batch norm normalises each block by itself.")
    if metric.startswith(("test_", "validation_")):
        on, _, what = metric.partition("_")
        sentences.append(f"{what.capitalize()} on the {on} set at the end of training{of_which_weights(runs)}.")
    return [" ".join(sentences)] if sentences else []


def of_which_weights(runs: pd.DataFrame) -> str:
    """What is said when not all runs are evaluated at their last weights."""
    other = [name for name, target in OTHER_WEIGHTS.items() for key in runs if ends_with(runs, key, target)]
    return f", of other weights than the last with {', '.join(dict.fromkeys(other))}" if other else ""


def ends_with(runs: pd.DataFrame, key: str, target: str) -> bool:
    """Whether a column of classes holds ``target``."""
    return key.endswith("_target_") and runs[key].astype(str).str.endswith(target).any()


def statistics(runs: pd.DataFrame, description: Description) -> str:
    """What the columns of a summarised table are."""
    by, baseline = description.by, description.baseline
    against = ""
    if baseline:
        values, _ = split_values(runs, by, description.metric, percent=False)
        pairs = [(own, values[referred(group, by, baseline)]) for group, own in values.items()
                 if referred(group, by, baseline) in values]  # fmt: skip
        same = all(paired(own, reference) for own, reference in pairs)
        rest = [key for key in by if key not in baseline]
        name = " / ".join(baseline.values()) + (f" of the same {' and '.join(rest)}" if rest else "")
        against = f", difference to {name} with its 95 % interval and the {name_of_test(same)}, Holm-corrected"
    costs = " Gradient evaluations: samples times gradients per sample."
    return f"Mean ± standard deviation over n seeds, 95 % t-interval{against}.{costs}"


def side_statistics(runs: pd.DataFrame, by: list[str], across: str, values: list[str], metric: str) -> str:
    """What the columns of a table side by side are."""
    found, _ = split_values(runs, [*by, across], metric, percent=False)
    pairs = [
        (own, found[(*group[:-1], values[0])]) for group, own in found.items() if (*group[:-1], values[0]) in found
    ]
    same = all(paired(own, reference) for own, reference in pairs)
    return (
        f"Columns: {across}. Mean ± standard deviation (n seeds), differences to {values[0]} with their 95 % interval "
        f"and the {name_of_test(same)}, Holm-corrected over the table."
    )


def name_of_test(same: bool) -> str:
    """The test that differences are judged by."""
    return "paired t-test over the same seeds" if same else "paired t-test where the seeds are the same, else Welch's"


def also_differ(runs: pd.DataFrame, by: list[str], told: tuple[str, ...] = ()) -> list[str]:
    """Science settings that vary among the runs without the table's saying so, and which of them a row averages over.

    Args:
        runs: the compared runs.
        by: the grouping columns.
        told: filtered columns, and the one that runs are set side by side by.
    """
    found: dict[str, str] = {}
    mixed = []
    groups = [key for key in dict.fromkeys([*by, *told]) if key in runs]
    for key in setting_columns(runs):
        if runs[key].nunique() < 2 or any(covers(name, key) for name in groups) or follows_class(runs, key):
            continue
        name = short_name(key)
        if name in found:
            continue
        values = with_column(runs, name)[name]
        found[name] = listed(values)
        if values.groupby([runs[group] for group in groups], dropna=False).nunique().max() > 1:
            mixed.append(name)
    hashes = runs["content_hash"].dropna().astype(str).str.slice(0, 12)
    if hashes.nunique() > 1:
        found["content_hash"] = listed(hashes)
    texts = []
    if found:
        texts.append(f"Also differ in: {', '.join(f'{name} ({values})' for name, values in found.items())}.")
    if mixed:
        texts.append(f"Rows that average over different settings: of {', '.join(mixed)}.")
    return texts


def follows_class(runs: pd.DataFrame, key: str) -> bool:
    """Whether a setting has one value and is there or not with its node's class: then the class says it all.

    A learning rate never follows: wrapped optimizers have it elsewhere, and it is what a reader asks for first.
    """
    node, _, last = key.rpartition(".")
    target = f"{node}._target_"
    if last in ("lr", "_target_") or target not in runs:
        return False
    return len(set(runs[key]) - {""}) == 1 and runs.groupby(target)[key].nunique().max() == 1


def listed(values: pd.Series) -> str:
    """The distinct values in the order of appearance, the first few of many."""
    known = [value or "unset" for value in distinct(values)]
    return ", ".join(known[:SHOWN_VALUES]) + (f", … {len(known)} values" if len(known) > SHOWN_VALUES else "")


def distinct(values: pd.Series) -> list[str]:
    """The distinct values as texts, in the order of appearance."""
    return list(dict.fromkeys(map(str, values)))


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
