"""Committed results: pages come from their folder's files, claims from their data, runs from today's presets."""

import json

import pandas as pd
import pytest
from files import ROOT

from fbgd.config.schema import to_dict
from fbgd.report.claims import claims_page, to_csv
from fbgd.report.description import to_json
from fbgd.report.evidence import read_evidence
from fbgd.report.pages import page_of
from fbgd.runs.plan import plan
from fbgd.runs.provenance import science
from fbgd.runs.rows import flatten, read_rows
from fbgd.studies import BUILT_IN
from fbgd.studies.double_descent.tidy import KEYS, run_table
from fbgd.studies.nested import NestedTuning
from fbgd.studies.tuning import Tuning
from scripts import compare

RESULTS = ROOT / "results"
ALL = sorted(path.parent for path in RESULTS.rglob("study.json") if "quick" not in path.parts)
# Whoever runs a study or a sweep of their own has its folder here too.
FOLDERS = [folder for folder in ALL if read_evidence(folder).description.study in BUILT_IN]
TRAINED = [folder for folder in FOLDERS if (folder / "runs.csv").exists()]
# The end of a variant's name whose seeds draw data of their own.
DRAWS = "_draws"


def named(folder):
    """A study's folder below results/."""
    return folder.relative_to(RESULTS).as_posix()


def study_of(folder):
    """The study of a folder, its data set and its preset."""
    study = BUILT_IN[read_evidence(folder).description.study]
    rest = folder.name.removeprefix(f"{study.name}_") if study.family else folder.name
    data = max((data for data in study.presets if f"{rest}_".startswith(f"{data}_")), key=len)
    preset, variant = study.presets[data], rest.removeprefix(data).strip("_")
    chosen = {
        "model": variant.removesuffix(DRAWS),
        "draws": "fresh" if variant.endswith(DRAWS) else None,
        "decay": variant.removeprefix("decay-") or None,
    }
    for option in study.options:
        if option.name in chosen:
            preset = option.apply(data, preset, chosen[option.name])
    return study, data, preset


def rungs_of(folder, seed):
    """The settings that the study's preset makes today for a seed, with what its committed search chose."""
    study, _, preset = study_of(folder)
    rungs = study.rungs(preset)
    if isinstance(study.execute, NestedTuning):
        return study.execute.tune(preset, rungs, read_rows(folder / "search.csv"), seed)
    if isinstance(study.execute, Tuning):
        return study.execute.tune(preset, rungs, read_rows(folder / "search.csv"))
    return rungs


def test_every_folder_of_numbers_is_a_study_s():
    holders = {path.parent for name in ("runs.csv", "table.csv", "measurements.csv") for path in RESULTS.rglob(name)}
    assert {folder for folder in holders if not {"quick", "runs"} & set(folder.parts)} == set(ALL)
    assert len(FOLDERS) >= 18


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_tables_come_from_the_committed_runs_and_measurements(folder, capsys):
    """Table, page and claims are made anew from the folder; the study's own value says how."""
    for form, name in (("csv", "table.csv"), ("md", "table.md")):
        assert compare.main([str(folder), "--format", form]) == 0
        assert capsys.readouterr().out == (folder / name).read_text()
    study, data, preset = study_of(folder)
    evidence = read_evidence(folder)
    findings = page_of(evidence, study.recipe).findings
    assert study.claims == () or to_csv(findings) == (folder / "claims.csv").read_text()
    assert evidence.title == ", ".join(filter(None, [study.title, data, preset.variant]))
    undrawn = {figure for figure in study.figures if not (folder / figure).exists()}
    assert undrawn == ({"weight_decays.png"} if getattr(preset, "tuned_decay", True) is False else set())
    # Whatever was chosen changes neither labels nor what is published.
    rungs = study.rungs(preset) if (folder / "runs.csv").exists() else []
    expected = json.loads(to_json(study.describe(evidence.title, preset, rungs, [])))
    assert (expected["by"], expected["published"]) == (evidence.description.by, evidence.description.published)


def test_the_page_of_claims_is_that_of_the_committed_findings():
    assert claims_page(RESULTS) == (RESULTS / "claims.md").read_text()


# Runs that a study makes of the results of others: found by their labels, not by the preset.
FOLLOWING = {
    "weight_decay/schedule": ("schedule", "cosine, matched"),
    "bias_variance/networks": ("moment", "matched"),
}


@pytest.mark.parametrize("folder", TRAINED, ids=named)
def test_committed_runs_are_those_of_today_s_settings(folder):
    """Every identity in runs.csv is that of a run that today's preset plans, with the same settings."""
    study, _, preset = study_of(folder)
    runs = read_rows(folder / "runs.csv")
    known = runs.dropna(subset=["identity"])
    # Seeds differ in their settings only where each chooses for itself.
    nested = isinstance(study.execute, NestedTuning)
    composed = {}
    for seed in sorted(set(known["seed"])) if nested else [0]:
        rungs = rungs_of(folder, seed)
        for run in plan(rungs, [], [0], folder):
            composed[(*run.labels.values(), seed if nested else 0)] = flatten(science(to_dict(run.config)))
    labels = list(rungs[0].labels)
    missing = 0
    for row in known.to_dict("records"):
        mine = composed.get((*(row[label] for label in labels), row["seed"] if nested else 0))
        if mine is None:
            missing += 1
            continue
        # A study may train every seed on a subset of its own.
        # Seeds differ; a label may have a setting's name, as the precision of a prior has.
        compared = set(mine) - {
            "seed",
            "data.seed",
            *(["data.source.seed"] if getattr(preset, "draws", False) else []),
            *labels,
        }
        assert {key: row.get(key, "") for key in compared} == {key: mine[key] for key in compared}
    if study.key == "double_descent/emc":
        assert missing < len(known) / 2
    elif study.key in FOLLOWING:
        label, value = FOLLOWING[study.key]
        assert missing == (known[label] == value).sum()
    else:
        assert missing == 0


@pytest.mark.parametrize("folder", [folder for folder in TRAINED if folder.parent.name == "double_descent"], ids=named)
def test_measurements_of_double_descent_end_where_the_runs_do(folder):
    """What a measurement says of a run's end is what runs.csv says."""
    table, runs = read_evidence(folder).measurements, read_rows(folder / "runs.csv")
    last = table.loc[table.groupby(KEYS, sort=False)["passes"].idxmax()]
    both = run_table("", runs).merge(last, on=KEYS, suffixes=("", "_table"))
    assert len(both) == len(last) == runs["status"].isin(["done", "diverged"]).sum()
    for name in ("parameters", "passes", "train_error", "test_error", "train_loss", "test_loss"):
        assert both[name].to_numpy() == pytest.approx(both[f"{name}_table"].to_numpy(), rel=1e-7, abs=1e-12), name


def test_a_number_of_a_page_is_that_of_the_runs():
    """By hand, without the code that makes pages: mean accuracies of the ladder."""
    runs = pd.read_csv(RESULTS / "geiping_ladder" / "mnist1d" / "runs.csv")
    groups = runs.groupby("rung")["test_accuracy"]
    page = (RESULTS / "geiping_ladder" / "mnist1d" / "table.md").read_text()
    for rung, values in groups:
        assert f"| {rung} | {len(values)} | {100 * values.mean():.2f} ± {100 * values.std():.2f} | " in page
