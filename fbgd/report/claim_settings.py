"""Under which command and in which setting a study's claims were asked, in two lines, read from its folder."""

from pathlib import Path

import pandas as pd

from fbgd.report.description import Description, read_description
from fbgd.report.settings import describe, distinct, listed
from fbgd.runs.rows import read_rows

# The ends of a variant's name by the option that made it; what is left of a variant is a model.
OPTIONS = {"draws": "--draws fresh", "decay-tuned": "--decay tuned"}
# Studies whose variant says which features they take, where no option chooses.
FIXED = ("double_descent/random_features",)


def command(description: Description, seeds: int | None = None) -> str:
    """The command line that makes a study's folder again.

    Args:
        description: of the folder.
        seeds: that count; unknown where a study has no such number.

    >>> command(Description("Noise of equal trace, digits", [], "noise"), 10)
    'python scripts/noise.py data=digits --seeds 10'
    >>> title = "Model-wise double descent, mnist1d, mlp_draws"
    >>> command(Description(title, [], "double_descent/model_wise", overrides=["impl.threads=1"]))
    'python scripts/double_descent.py model_wise data=mnist1d impl.threads=1 --model mlp --draws fresh'
    """
    script, _, figure = description.study.partition("/")
    data, *variants = description.title.split(", ")[1:]
    words = [f"python scripts/{script}.py", *filter(None, [figure]), f"data={data}", *description.overrides]
    for part in variants[0].split("_") if variants and description.study not in FIXED else []:
        words.append(OPTIONS.get(part, f"--model {part}"))
    return " ".join([*words, *([f"--seeds {seeds}"] if seeds else [])])


def setting(folder: Path, description: Description) -> str:
    """Data, model and seeds of a folder, each as its files say it."""
    if (folder / "runs.csv").exists():
        runs = read_rows(folder / "runs.csv").dropna(subset=["train_size"])
        settings = {key: listed(values) for key in runs if (values := distinct(runs[key])) and told(str(key))}
        sizes = listed(str(int(size)) for size in runs["train_size"])
        words = [describe(settings), f"{sizes} training samples"]
    else:
        # Measured by the study's own code, whose page has the sizes.
        words = [f"data {description.title.split(', ')[1]}, as the page says"]
    count = counted(folder)
    return "; ".join([*filter(None, words), *([f"{count} seeds"] if count else [])])


def told(key: str) -> bool:
    """Whether a setting is about data or model: the sections that every claim rests on."""
    return key.startswith(("data.name", "data.label_noise", "data.augment", "model."))


def counted(folder: Path) -> int | None:
    """How many seeds the fullest row of a page has, or its measurements where nothing is trained; ``None``: unknown.

    Runs are not counted: those of a search have seeds of their own.
    """
    trained = (folder / "runs.csv").exists()
    for name, column in (("table.csv", "n"), *([] if trained else [("measurements.csv", "seed")])):
        if (folder / name).exists() and column in (table := pd.read_csv(folder / name, low_memory=False)):
            values = table[column].dropna()
            return int(values.max() if column == "n" else values.nunique()) if len(values) else None
    return None


def asked_of(folder: Path) -> list[str]:
    """The lines that stand above a study's claims; none of a folder that no study describes."""
    description = read_description(folder / "study.json")
    if description is None or not description.study:
        return []
    line = command(description, counted(folder))
    return ["", f"Command: `{line}`", "", f"Setting: {setting(folder, description)}."]
