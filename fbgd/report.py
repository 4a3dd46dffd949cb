"""From a study's runs to its folder: runs.csv, table.csv, table.md and figures, and the table in the terminal."""

from pathlib import Path

import pandas as pd

from fbgd.cli import print_table
from fbgd.config import Config
from fbgd.plots import curves_figure, ladder_figure, save
from fbgd.study import PlannedRun, Rung, collect, curves
from fbgd.tables import notes, paired, summarise, to_markdown


def report(
    title: str,
    rungs: list[Rung],
    planned: list[PlannedRun],
    out: Path,
    *,
    baseline: str,
    source: str,
    overrides: tuple[str, ...] = (),
) -> bool:
    """Write and print everything that the finished runs of a study show.

    Files that an earlier call wrote for more finished runs are kept: then the table is printed only.

    Args:
        title: of table and figures.
        rungs: the study's settings, in the table's order.
        planned: its runs; those without a result are listed under the table.
        out: the folder.
        baseline: the rung that differences are taken to.
        source: where published values come from.
        overrides: what was changed about all rungs, for the caption.

    Returns:
        Whether no run has failed.
    """
    runs = collect(planned)
    table = make_table(runs, rungs, baseline)
    texts = caption(runs, rungs, planned[0].config, baseline, source, overrides)
    results = out / "runs.csv"
    finished, before = with_result(runs), with_result(pd.read_csv(results)) if results.exists() else 0
    if finished < before:
        kept = f"Only printed: {out}/ holds the table of {before} finished runs, and these are {finished}."
        print_table(table, title, [*texts, kept])
        return not (runs["status"] == "failed").any()
    out.mkdir(parents=True, exist_ok=True)
    runs.to_csv(out / "runs.csv", index=False)
    table.to_csv(out / "table.csv", index=False)
    (out / "table.md").write_text(to_markdown(table, title, texts))
    if table["n"].sum():
        save(ladder_figure(runs, table, title), out / "ladder.png")
        save(curves_figure(curves(planned), [rung.name for rung in rungs], title), out / "curves.png")
    print_table(table, title, [*texts, f"Written to {out}/: table.md, table.csv, runs.csv, ladder.png, curves.png"])
    return not (runs["status"] == "failed").any()


def with_result(runs: pd.DataFrame) -> int:
    """How many runs ended with a result, diverged ones included."""
    return int(runs["status"].isin(["done", "diverged"]).sum())


def make_table(runs: pd.DataFrame, rungs: list[Rung], baseline: str) -> pd.DataFrame:
    """The validation table of a study's runs, with the published values of its rungs."""
    published = {rung.name: rung.published.mean for rung in rungs if rung.published}
    return summarise(runs, baseline=baseline, published=published)


def caption(
    runs: pd.DataFrame, rungs: list[Rung], config: Config, baseline: str, source: str, overrides: tuple[str, ...] = ()
) -> list[str]:
    """What a reader of the table must know: setting, statistics, provenance, and every run that went wrong."""
    known = runs.dropna(subset=["train_size"])
    texts = [setting(known, config), statistics(runs, baseline)]
    if overrides:
        texts.append(f"Changed in all rungs: {' '.join(overrides)}.")
    if known["content_hash"].nunique() > 1:
        texts.append("**The runs saw different data**: see content_hash in runs.csv.")
    recalled = [rung.name for rung in rungs if rung.published and not rung.published.confirmed]
    if any(rung.published for rung in rungs):
        unsure = f" Recalled, not re-read: {', '.join(recalled)}." if recalled else ""
        texts.append(f"Published: {source}.{unsure}")
    if len(known):
        texts.append(
            f"Revision {_distinct(known['git_revision'].str.slice(0, 12))}; torch {_distinct(known['torch'])}; "
            f"{_distinct(known['device'])}, {_distinct(known['threads'].astype(int))} thread(s) a run."
        )
    return texts + notes(runs)


def setting(known: pd.DataFrame, config: Config) -> str:
    """Data, model and normalisation in a sentence each."""
    sizes = ""
    if len(known):
        train_size, test_size = (_distinct(known[key].astype(int)) for key in ("train_size", "test_size"))
        sizes = f"{train_size} training and {test_size} test samples, "
    options = ", ".join(f"{key} {value}" for key, value in config.model.items() if key != "_target_")
    norm = " Batch norm normalises each block by itself." if config.model.get("norm") == "batch" else ""
    return (
        f"Data {config.data.name}: {sizes}augmentation {config.data.augment}. "
        f"Model {config.model['_target_']} ({options}).{norm} "
        "Accuracy on the test set after the last step; nothing was selected on it."
    )


def statistics(runs: pd.DataFrame, baseline: str) -> str:
    """What the table's columns are."""
    counted = runs.dropna(subset=["test_accuracy"])
    seeds = {name: group.set_index("seed") for name, group in counted.groupby("rung")}
    same = baseline in seeds and all(paired(group, seeds[baseline]) for group in seeds.values())
    test = "paired t-test over the same seeds" if same else "paired t-test where the seeds are the same, else Welch's"
    return (
        f"Mean ± standard deviation over n seeds, 95 % t-interval, difference to {baseline} with the {test}, "
        "Holm-corrected. Gradient evaluations: samples times gradients per sample."
    )


def _distinct(values: pd.Series) -> str:
    return ", ".join(sorted({str(value) for value in values}))
