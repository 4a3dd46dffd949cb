"""The settings of runs in words: what all of them share, what goes with a label, and what else differs."""

from collections.abc import Iterable

import pandas as pd

from fbgd.report.names import covers, short_name, with_column
from fbgd.runs.rows import setting_columns

SHOWN_VALUES = 6
# What goes with a label is listed value by value for labels of so few values.
FEW = 6
# Told by the sizes, or by the seeds, that stand beside.
UNSAID = ("data.source.", "data.train_size", "data.validation_size", "record.")


def distinct(values: pd.Series) -> list[str]:
    """The distinct values as texts, in the order of appearance."""
    return list(dict.fromkeys(map(str, values)))


def listed(values: Iterable[str]) -> str:
    """The distinct values in the order of appearance, the first few of many."""
    known = [value or "unset" for value in dict.fromkeys(values)]
    return ", ".join(known[:SHOWN_VALUES]) + (f", … {len(known)} values" if len(known) > SHOWN_VALUES else "")


def describe(settings: dict[str, str]) -> str:
    """Dotted settings as a reader takes them in, section by section; what is off or unset is left out.

    >>> describe({"optimizer._target_": "optimizers.SGD", "optimizer.lr": "0.1", "optimizer.nesterov": "false"})
    'optimizer SGD (lr 0.1)'
    >>> describe({"regularizer.ema._target_": "regularizers.EMA", "budget.passes": "30", "precision": "fp32"})
    'regularizer ema; budget (passes 30); precision fp32'
    """
    sections: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for key, value in settings.items():
        section, _, rest = key.partition(".")
        if section == "regularizer" and rest:
            name, _, rest = rest.partition(".")
            section = f"regularizer {name}"
        if value in ("", "false") or key.startswith(UNSAID):
            continue
        if rest == "_target_":
            names[section] = "" if section.startswith("regularizer") else value.rpartition(".")[2]
            sections.setdefault(section, [])
        elif rest == "name" or not rest:
            names[section] = value
            sections.setdefault(section, [])
        else:
            sections.setdefault(section, []).append(f"{rest.removesuffix('._target_')} {value}")
    texts = []
    for section, options in sections.items():
        name = f" {names[section]}" if names.get(section) else ""
        texts.append(f"{section}{name}" + (f" ({', '.join(options)})" if options else ""))
    return "; ".join(texts)


def shared(runs: pd.DataFrame) -> str:
    """What all runs have in common, in a sentence."""
    known = runs.dropna(subset=["train_size"])
    known = known if len(known) else runs
    alike = {key: values[0] for key in setting_columns(known) if len(values := distinct(known[key])) == 1}
    sizes = [
        f"{values[0]} {name}"
        for key, name in (("train_size", "training"), ("test_size", "test"))
        if len(values := distinct(known[key].dropna().astype(int))) == 1
    ]
    text = describe(alike)
    samples = f"; {' and '.join(sizes)} samples" if sizes else ""
    return f"All runs: {text}{samples}." if text else ""


def with_label(runs: pd.DataFrame, labels: list[str]) -> tuple[list[str], set[str]]:
    """What goes with each label, a sentence a label, and the settings that are told by it.

    A setting goes with a label that decides it: all runs of a value of the label have one value of the setting.
    """
    varying = [key for key in setting_columns(runs) if runs[key].nunique() > 1]
    texts, told = [], set()
    for label in (label for label in labels if label in runs):
        groups = runs.groupby(label, sort=False, dropna=False)
        decided = [key for key in varying if key not in told and groups[key].nunique().max() == 1]
        equal = {key for key in decided if covers(label, key) or (runs[key] == runs[label]).all()}
        told |= equal
        values = distinct(runs[label])
        decided = [key for key in decided if key not in equal]
        if decided and len(values) <= FEW:
            told |= set(decided)
            parts = [f"{value}: {described}" for value, part in groups
                     if (described := describe(part.iloc[0][decided].to_dict()))]  # fmt: skip
            texts += [f"By {label}: {' | '.join(map(str, parts))}."] if parts else []
    return texts, told


def also_differ(runs: pd.DataFrame, by: list[str], told: Iterable[str] = ()) -> list[str]:
    """Science settings that vary among the runs without the table's saying so, and which of them a row averages over.

    Args:
        runs: the compared runs.
        by: the grouping columns.
        told: settings and columns that the reader knows: filtered ones, and what goes with a label.
    """
    found: dict[str, str] = {}
    mixed = []
    told = set(told)
    groups = [key for key in dict.fromkeys([*by, *sorted(told)]) if key in runs]
    for key in setting_columns(runs):
        known = key in told or any(covers(name, key) for name in groups)
        if runs[key].nunique() < 2 or known or follows_class(runs, key):
            continue
        name = short_name(key)
        if name in found:
            continue
        values = with_column(runs, name)[name]
        found[name] = listed(values)
        if values.groupby([runs[group] for group in by if group in runs], dropna=False).nunique().max() > 1:
            mixed.append(name)
    if unexplained_data(runs):
        found["content_hash"] = listed(runs["content_hash"].dropna().astype(str).str.slice(0, 12))
    texts = []
    if found:
        texts.append(f"Also differ in: {', '.join(f'{name} ({values})' for name, values in found.items())}.")
    if mixed:
        texts.append(f"Rows that average over different settings: of {', '.join(mixed)}.")
    return texts


def unexplained_data(runs: pd.DataFrame) -> bool:
    """Whether runs of the same settings were trained on different data, by its content hash."""
    known = runs.dropna(subset=["content_hash"])
    varying = [key for key in setting_columns(runs) if key.startswith("data.") and runs[key].nunique() > 1]
    groups = known.groupby(varying)["content_hash"] if varying else known["content_hash"]
    counts = groups.nunique()
    return bool(counts.max() > 1 if varying else counts > 1)


def follows_class(runs: pd.DataFrame, key: str) -> bool:
    """Whether a setting has one value and is there or not with its node's class: then the class says it all.

    A learning rate never follows: wrapped optimizers have it elsewhere, and it is what a reader asks for first.
    """
    node, _, last = key.rpartition(".")
    target = f"{node}._target_"
    if last in ("lr", "_target_") or target not in runs:
        return False
    return len(set(runs[key]) - {""}) == 1 and runs.groupby(target)[key].nunique().max() == 1
