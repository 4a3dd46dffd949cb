"""Of the values of a setting, each group's best on validation data: ``--best optimizer.lr``."""

import pandas as pd

from fbgd.errors import ConfigError
from fbgd.report.aggregate_table import lower_is_better
from fbgd.report.tables import split_values

TEST, VALIDATION = "test_", "validation_"
CAVEAT = (
    "{key}: of its values each row has the one with the {word} mean {metric} over its seeds, and none that lacks a "
    "seed's result: {choices}. The runs that chose it are those that count; a study with tune: has others for that."
)


def best_values(runs: pd.DataFrame, groups: list[str], key: str, metric: str) -> tuple[pd.DataFrame, str]:
    """The runs with each group's best value of a setting, and what a reader must know about the choice.

    Args:
        runs: a row a run.
        groups: the columns that a row of the table is made of.
        key: the column of the setting.
        metric: the compared one, ``test_...``; the choice is by ``validation_...``.

    Raises:
        ConfigError: there is no validation data to choose by, or no group with a whole value.
    """
    judge = VALIDATION + metric.removeprefix(TEST)
    if not metric.startswith(TEST) or judge not in runs or not runs[judge].notna().any():
        raise ConfigError(
            f"--best {key} chooses on validation data, and these runs have no {judge}: make them with "
            "data.validation_size, e.g. 500"
        )
    values, members = split_values(runs, [*groups, key], judge, percent=False)
    means = {
        group: own.mean()
        for group, own in values.items()
        if len(own) == len(members[group]) and (members[group]["status"] == "done").all()
    }
    falls = lower_is_better(judge)
    chosen: dict[tuple[str, ...], str] = {}
    for *group, value in sorted(means, key=lambda name: means[name], reverse=not falls):
        chosen.setdefault(tuple(group), value)
    if not chosen:
        raise ConfigError(f"--best {key}: no value has the {judge} of all its seeds")
    kept = pd.concat([members[(*group, value)] for group, value in chosen.items()]).sort_index()
    order = dict.fromkeys(name[:-1] for name in members)
    told = "; ".join(f"{' / '.join(group)} {chosen[group]}" for group in order if group in chosen)
    word = "lowest" if falls else "highest"
    texts = [CAVEAT.format(key=key, word=word, metric=judge.replace("_", " "), choices=told)]
    lost = [group for group in order if group not in chosen]
    texts += [f"Left out, since every value lacks some result: {' / '.join(group)}." for group in lost]
    return kept.reset_index(drop=True), " ".join(texts)
