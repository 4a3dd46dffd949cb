"""What holds for every built-in study: it runs, its page is made again from its folder, its presets compose."""

import ast
import inspect
import runpy

import pandas as pd
import pytest
from files import ROOT

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.report.claims import judge, read_findings
from fbgd.report.evidence import Evidence, read_evidence
from fbgd.report.pages import page_of
from fbgd.runs.rows import read_rows
from fbgd.studies import BUILT_IN
from fbgd.studies.command import main
from fbgd.studies.study import Study
from scripts import compare

QUICK = ["--quick", "--seeds", "1", "--workers", "1", "impl.threads=1"]
# Of studies with many settings, those that are run.
ONLY = {
    "optimizer_comparison": ["SGD,", "L-BFGS", "Schedule-free"],
    "regularizer_comparison": ["baseline", "dropout", "full"],
    "fair_ladder": ["short", "+ small"],
    "geiping_ladder": ["Baseline", "FB regularised"],
    "ladder_probed": ["Baseline FB", "FB clipped", "FB regularised"],
    "edge_of_stability/sharpness": ["GD", "Adam", "clipped", "SGD, 2"],
}
# Options that take a study through all that it can do.
OPTIONS = {"optimizer_comparison": ["--decay", "tuned"]}
PRESETS = [(key, data) for key, study in BUILT_IN.items() for data in study.presets]


# What takes more than a quarter of a minute is left to `make test-slow`.
LONG = {
    "bias_variance/networks",
    "optimizer_comparison",
    "regularizer_comparison",
    "implicit_bias/meter",
    "implicit_bias/order",
    "calibration/choices",
    "weight_decay/overparameterised",
    "weight_decay/map",
    "weight_decay/schedule",
    "minima",
}
QUICK_STUDIES = [pytest.param(key, marks=[pytest.mark.slow] if key in LONG else []) for key in BUILT_IN]


@pytest.mark.parametrize("key", QUICK_STUDIES)
def test_a_quick_study_its_files_and_its_page_again(key, tmp_path, capsys, in_process):
    study = BUILT_IN[key]
    only = [word for name in ONLY.get(key, ()) for word in ("--only", name)]
    words = [*QUICK, *only, *OPTIONS.get(key, ()), "--out", str(tmp_path)]
    assert main(study, words) == 0
    assert study.title in capsys.readouterr().out
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert {"study.json", "table.csv", "table.md", *study.figures} <= set(written)
    assert ("claims.csv" in written) == bool(study.claims)
    assert all(len(content) > 10_000 for name, content in written.items() if name.endswith(".png"))
    if "runs.csv" in written:
        runs = read_rows(tmp_path / "runs.csv")
        assert set(runs["status"]) == ({"done", "missing"} if only else {"done"})
        assert ("Not finished" in written["table.md"].decode()) == bool(only)
    # From the folder alone, by whoever reads it.
    for form, name in (("md", "table.md"), ("csv", "table.csv")):
        assert compare.main([str(tmp_path), "--format", form]) == 0
        assert capsys.readouterr().out == written[name].decode()
    # The same command again computes and changes nothing.
    assert main(study, words) == 0
    assert written == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


@pytest.mark.parametrize(("key", "data"), PRESETS)
def test_every_preset_composes_and_lists(key, data, capsys):
    study = BUILT_IN[key]
    rungs = study.rungs(study.presets[data])
    assert len({rung.name for rung in rungs}) == len(rungs)
    for rung in {0: rungs[0], 1: rungs[len(rungs) // 2], 2: rungs[-1]}.values():
        check(compose(rung.overrides))
    assert main(study, [f"data={data}", "--list"]) == 0
    listed = "".join(capsys.readouterr().out.split())
    assert all("".join(rung.name.split()) in listed for rung in rungs)


@pytest.mark.parametrize("key", BUILT_IN)
def test_mistakes_end_in_one_line_before_anything_runs(key, tmp_path, capsys):
    study = BUILT_IN[key]
    for words, message in (
        (["data=nothing"], "valid: "),
        (["seed=3"], "--seeds N"),
        (["--seeds", "0"], "--seeds = 0"),
        (["--only", "no such setting"], "--only"),
        (["precison=fp64"], "did you mean 'precision'"),
        ([f"{study.held[0].removesuffix('=')}=1"] if study.held else ["x=1"], "sets it itself" if study.held else "x"),
    ):
        assert main(study, [*words, "--out", str(tmp_path / "none")]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
        assert not (tmp_path / "none").exists()


def test_a_study_of_one_s_own_in_one_file(tmp_path, capsys, in_process):
    """The example of the documentation: short, and with all that a built-in study has."""
    path = ROOT / "docs" / "examples" / "batch_sizes.py"
    assert len(path.read_text().splitlines()) <= 90
    study = runpy.run_path(str(path))["STUDY"]
    assert main(study, [*QUICK, "--out", str(tmp_path)]) == 0
    assert {"study.json", "runs.csv", "table.csv", "table.md", "claims.csv", "accuracy.png"} <= {
        entry.name for entry in tmp_path.iterdir()
    }
    for data in study.presets:
        assert main(study, [f"data={data}", "--list"]) == 0
    assert "500, equal steps" in capsys.readouterr().out
    # With the real batch sizes there is something to judge.
    runs = pd.DataFrame(
        {"batch": batch, "budget": budget, "seed": seed, "status": "done",
         "test_accuracy": 0.9 - int(batch) / 1e4 - lift}
        for batch in ("25", "500") for budget in ("equal passes", "equal steps") for seed, lift in enumerate((0, 1e-3))
    )  # fmt: skip
    runs.loc[(runs["batch"] == "500") & (runs["seed"] == 1), "test_accuracy"] += 1e-4
    found = judge(study.claims, Evidence(study.describe("", None, [], []), runs))
    assert [finding.verdict for finding in found] == ["supported", "opposite"]


def test_keys_and_folders_are_their_own():
    assert len({(study.family, study.name) for study in BUILT_IN.values()}) == len(BUILT_IN)
    for study in BUILT_IN.values():
        assert isinstance(study, Study)
        assert study.about.strip()
        names = [claim.name for claim in study.claims]
        assert len(names) == len(set(names))


def test_scripts_of_studies_are_thin():
    families = {study.family or study.name for study in BUILT_IN.values()}
    for name in families:
        lines = (ROOT / "scripts" / f"{name}.py").read_text().splitlines()
        assert len(lines) <= 20, name


def test_nothing_asks_which_study_it_is():
    """No comparison with a study's name or value anywhere in what all studies share."""
    for module in ("command", "arguments", "execution", "writer", "study", "tuning"):
        source = (ROOT / "fbgd" / "studies" / f"{module}.py").read_text()
        compared = [ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
        for study in BUILT_IN.values():
            assert not [text for text in compared if f"'{study.name}'" in text], module


@pytest.mark.parametrize("key", [key for key, study in BUILT_IN.items() if study.claims])
def test_claims_of_no_evidence_are_none(key):
    study = BUILT_IN[key]
    evidence = read_evidence_of(study)
    empty = type(evidence)(evidence.description)
    assert judge(study.claims, empty) == []


def read_evidence_of(study):
    """The evidence of some committed folder of a study."""
    folder = next(
        path.parent
        for path in sorted((ROOT / "results").rglob("study.json"))
        if f'"study": "{study.key}"' in path.read_text() and "quick" not in path.parts
    )
    return read_evidence(folder)


@pytest.mark.parametrize("key", [key for key, study in BUILT_IN.items() if study.claims])
def test_verdicts_follow_the_interval(key):
    for finding in page_of(read_evidence_of(BUILT_IN[key]), BUILT_IN[key].recipe).findings:
        assert finding.verdict in ("supported", "opposite", "undecided")
        if pd.isna(finding.low):
            assert finding.verdict == "undecided"
        else:
            assert finding.low <= finding.value <= finding.high


def test_findings_survive_their_file(tmp_path):
    for path in (ROOT / "results").rglob("claims.csv"):
        findings = read_findings(path)
        assert findings
        assert all(finding.estimate for finding in findings)


def test_every_study_is_described_where_it_is_defined():
    for study in BUILT_IN.values():
        assert "python scripts/" in study.about, study.key
        module = inspect.getmodule(study.rungs)
        assert module.__name__.startswith("fbgd.studies.")
