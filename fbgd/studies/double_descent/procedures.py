"""In words, how the runs of a figure were trained and on which labels: what a reader needs to repeat them."""

import pandas as pd

from fbgd.runs.rows import setting_columns

# Options that everybody expects at these values, and what is told elsewhere or under another name.
USUAL = {"weight_decay": "0", "nesterov": "false", "eps": "1e-08", "betas": "[0.9, 0.999]"}


def training(runs: pd.DataFrame) -> list[str]:
    """A paragraph on labels, procedures and what the intervals are over; nothing for other than double descent.

    Args:
        runs: a row a run, with every setting in a column.
    """
    known = runs.dropna(subset=["train_size"])
    if "procedure" not in runs or not len(known):
        return []
    described = []
    for name, part in known.groupby("procedure", sort=False):
        # The name of a weight decay tells it.
        described.append(f"{name}: {', '.join([*optimizer(part), *blocks(part), *regularizers(part)])}")
    return [f"{labels(known)}{'; '.join(described)}. {INTERVALS.format(seed=' and '.join(values(known, 'data.seed')))}"]


INTERVALS = (
    "All runs share one draw of the data, the subsets and the label noise (data.seed {seed}): what varies over the "
    "seeds is initial weights and order."
)


def values(runs: pd.DataFrame, key: str) -> list[str]:
    """The distinct values of a setting, numbers in their shortest form; none where no run has it."""
    found = runs[key].dropna() if key in runs else []
    # In a file, no setting is an empty cell.
    return list(dict.fromkeys(f"{float(one):g}" if is_number(one) else str(one) for one in found if one != ""))


def is_number(value: object) -> bool:
    """Whether a cell is a number, and not a truth value."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def labels(runs: pd.DataFrame) -> str:
    """Which label noise there is."""
    noises = values(runs, "data.label_noise")
    if noises == ["0"]:
        return ""
    over = values(runs, "data.label_noise_over") or ["others"]
    drawn = "all classes, the true one included" if over == ["all"] else "the other classes"
    return f"Label noise {' and '.join(noises)}, over {drawn}. "


def optimizer(runs: pd.DataFrame) -> list[str]:
    """Its class, its options that are not the usual ones, and the schedule."""
    prefix = "optimizer."
    options = {
        key.removeprefix(prefix): values(runs, key)
        for key in setting_columns(runs)
        if key.startswith(prefix) and values(runs, key)
    }
    name = options.pop("_target_")[0].rpartition(".")[2]
    told = [
        f"{key} {found[0]}" for key, found in options.items() if len(found) == 1 and USUAL.get(key) != found[0].lower()
    ]
    schedule = values(runs, "schedule._target_")[0].rpartition(".")[2].lower()
    return [f"{name} ({', '.join(told)})", f"schedule {schedule}"]


def blocks(runs: pd.DataFrame) -> list[str]:
    """Block size, blocks a step and passes, as far as all runs are alike in them."""
    size, steps, passes = (
        values(runs, key) for key in ("regime.block_size", "regime.blocks_per_step", "budget.passes")
    )
    told = [f"blocks of {size[0]}"] if len(size) == 1 else []
    told += [f"{steps[0]} a step"] if len(steps) == 1 else []
    return told + ([f"{passes[0]} passes"] if len(passes) == 1 else [])


def regularizers(runs: pd.DataFrame) -> list[str]:
    """Their names, with their strength where they have one."""
    told = []
    for key in setting_columns(runs):
        if key.startswith("regularizer.") and key.endswith("._target_") and values(runs, key):
            name = key.removeprefix("regularizer.").removesuffix("._target_")
            strength = values(runs, f"regularizer.{name}.strength")
            told.append(name.replace("_", " ") + (f" of strength {strength[0]}" if len(strength) == 1 else ""))
    return told
