"""Short names of settings: ``optimizer`` for its class, ``regime`` for SGD or full batch, read off a run's row."""

from collections.abc import Callable
from fnmatch import fnmatch

import pandas as pd

from fbgd.errors import nearest
from fbgd.runs.rows import label_columns, setting_columns

Row = dict[str, str]


def class_name(target: str) -> str:
    """``SGD`` of ``optimizers.SGD``."""
    return target.rpartition(".")[2]


def node_name(row: Row, node: str) -> str:
    """The class at a node, with the classes that it wraps: ``SAM(SGD)``."""
    target = row.get(f"{node}._target_", "")
    depth = node.count(".") + 2
    inner = [
        node_name(row, key.removesuffix("._target_"))
        for key, value in row.items()
        if value and key.startswith(f"{node}.") and key.endswith("._target_") and key.count(".") == depth
    ]
    return class_name(target) + (f"({', '.join(inner)})" if inner else "")


def regime_name(row: Row) -> str:
    """``SGD``, ``full batch``, or ``k blocks a step``."""
    blocks = row.get("regime.blocks_per_step", "")
    return {"": "", "1": "SGD", "all": "full batch"}.get(blocks, f"{blocks} blocks a step")


def regularizer_names(row: Row) -> str:
    """The regularisers joined with +, or ``none``; empty for a run without known settings."""
    names = [key.split(".")[1] for key, value in row.items() if value and fnmatch(key, "regularizer.*._target_")]
    # These two are regularisers that act through the model's own options.
    names += [name for name in ("dropout", "stochastic_depth") if row.get(f"model.{name}", "") not in ("", "0")]
    return "+".join(dict.fromkeys(names)) or ("none" if any(row.values()) else "")


SHORT: dict[str, Callable[[Row], str]] = {
    "optimizer": lambda row: node_name(row, "optimizer"),
    "regime": regime_name,
    "model": lambda row: node_name(row, "model"),
    "data": lambda row: row.get("data.name", ""),
    "schedule": lambda row: node_name(row, "schedule"),
    "regularizer": regularizer_names,
}
# The settings that a short name tells completely.
COVERED = {
    "optimizer": ("optimizer*._target_",),
    "regime": ("regime.blocks_per_step",),
    "model": ("model*._target_",),
    "data": ("data.name", "data.source._target_"),
    "schedule": ("schedule*._target_",),
    "regularizer": ("regularizer.*._target_",),
}


def covers(name: str, setting: str) -> bool:
    """Whether a column called ``name`` tells all about ``setting``."""
    return name == setting or any(fnmatch(setting, pattern) for pattern in COVERED.get(name, ()))


def short_name(setting: str) -> str:
    """The short name that tells about ``setting``, or ``setting`` itself."""
    return next((name for name in SHORT if covers(name, setting)), setting)


def with_column(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The runs with a column ``name``: one that they have, or a short name read off their settings.

    A label of that name counts where a run has it.

    Args:
        runs: a row a run.
        name: label, dotted key or short name.

    Raises:
        ValueError: there is no such column, with the nearest.
    """
    if name in runs and name not in SHORT:
        return runs
    if name not in SHORT:
        raise ValueError(f"{name!r} is no column of these runs; {nearest(name, groupable(runs))}")
    settings = setting_columns(runs)
    derived = pd.Series([SHORT[name](row) for row in runs[settings].to_dict("records")], runs.index, dtype=object)
    own = runs.get(name, derived)
    merged = own.where(own != "", derived)
    if name in runs:
        return runs.assign(**{name: merged})
    wide = runs.copy()
    wide.insert(0, name, merged)
    return wide


def groupable(runs: pd.DataFrame) -> list[str]:
    """Everything that runs can be grouped or filtered by."""
    return list(dict.fromkeys([*label_columns(runs), *setting_columns(runs), "seed", "status", *SHORT]))
